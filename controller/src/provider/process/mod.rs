//! Processes on this machine: a run directory and an agent for each.
//!
//! Nothing here is a child that dies with the controller. The run directory is the unit: `mkdir`
//! makes it once, and what is in it says who runs and how it ended. Here are launches and agents;
//! `listing` reads what there is, `stop` ends units, `preflight` refuses what cannot run.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it starts agents, signals processes and reads run directories"
)]

mod listing;
mod preflight;
mod stop;

use super::{Call, Provider};
use crate::failpoint::{self, Side};
use crate::fleet::commit::{LaunchResult, ProviderError};
use crate::fleet::id::{FleetId, Handle, TemplateId, Token};
use crate::fleet::input::Listing;
use crate::spec::Request;
use crate::unit::{Identity, Order, RunDir, now};
use hmac::{Hmac, KeyInit, Mac};
use preflight::{check_command, foreign_listener};
use sha2::Sha256;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What every launch has in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) fleet: FleetId,
    /// Folder of the run directories.
    pub(crate) state: PathBuf,
    /// The `lb-agent` to run.
    pub(crate) agent: PathBuf,
    /// Where this controller listens for sessions.
    pub(crate) controller: SocketAddr,
    pub(crate) heartbeats: Vec<String>,
    pub(crate) heartbeat_key_file: Option<PathBuf>,
    /// Where agents say how their servers are, beside their sessions, and how often.
    pub(crate) bus: Option<(String, Duration)>,
    /// Makes the secrets of agents.
    pub(crate) key: Vec<u8>,
}

/// A unit as it was last read.
#[derive(Debug)]
struct Known {
    order: Order,
    server: Option<Identity>,
    agent: Option<Identity>,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Process {
    settings: Settings,
    /// Agents that this process started, to be reaped.
    agents: RefCell<Vec<Child>>,
    /// What was read of units and does not change: each is read again only when it is dead.
    known: RefCell<BTreeMap<Token, Known>>,
}

impl Process {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            agents: RefCell::default(),
            known: RefCell::default(),
        }
    }

    fn runs(&self) -> PathBuf {
        self.settings.state.join("run")
    }

    fn dir(&self, token: &Token) -> RunDir {
        RunDir::new(self.runs().join(token.as_str()))
    }

    fn start(&self, token: &Token, template: &TemplateId, request: &Request) -> LaunchResult {
        let dir = self.dir(token);
        let launched = LaunchResult::Launched {
            handle: Handle::new(token.as_str()),
            address: request.address(),
        };
        if dir.path().exists() {
            // Launched before, if perhaps not to the end.
            return match self.finish_launch(&dir, token, template, request) {
                Ok(()) => launched,
                Err(error) => LaunchResult::Failed(error),
            };
        }
        if let Err(error) = check_command(request) {
            return LaunchResult::Failed(error);
        }
        if let Some(error) = request.address().and_then(foreign_listener) {
            return LaunchResult::Failed(error);
        }
        match dir.make() {
            Ok(()) => failpoint::pass(Side::Within, "directory"),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return LaunchResult::Failed(of_io(&dir, &error)),
        }
        match self.finish_launch(&dir, token, template, request) {
            Ok(()) => launched,
            Err(error) => LaunchResult::Failed(error),
        }
    }

    /// Brings a run directory to the point where an agent is in it.
    fn finish_launch(
        &self,
        dir: &RunDir,
        token: &Token,
        template: &TemplateId,
        request: &Request,
    ) -> Result<(), ProviderError> {
        if dir.ended().is_some() || dir.has_agent() {
            return Ok(());
        }
        if dir.order().is_none() {
            let order = Order {
                fleet: self.settings.fleet.to_string(),
                token: token.clone(),
                template: template.clone(),
                request: request.clone(),
                controller: self.settings.controller.to_string(),
                secret: secret(&self.settings.key, token),
                heartbeats: self.settings.heartbeats.clone(),
                heartbeat_key_file: self.settings.heartbeat_key_file.clone(),
                bus: self.settings.bus.clone(),
                made_at: now(),
            };
            dir.write_order(&order)
                .map_err(|error| of_io(dir, &error))?;
            failpoint::pass(Side::Within, "order");
        }
        self.start_agent(dir)
    }

    fn start_agent(&self, dir: &RunDir) -> Result<(), ProviderError> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.agent_log());
        let log = log.map_err(|error| of_io(dir, &error))?;
        let child = Command::new(&self.settings.agent)
            .arg("--run-dir")
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        match child {
            Ok(child) => {
                self.agents.borrow_mut().push(child);
                Ok(())
            }
            Err(error) => {
                let text = format!("{}: {error}", self.settings.agent.display());
                Err(ProviderError::Transient(text))
            }
        }
    }

    fn reap(&self) {
        self.agents
            .borrow_mut()
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

impl Provider for Process {
    fn launch<'a>(
        &'a self,
        token: &'a Token,
        template: &'a TemplateId,
        request: &'a Request,
    ) -> Call<'a, LaunchResult> {
        Box::pin(async move { self.start(token, template, request) })
    }

    fn list(&self) -> Call<'_, Result<Listing, String>> {
        Box::pin(async move { self.listing() })
    }

    fn stop<'a>(
        &'a self,
        token: &'a Token,
        _handle: Option<&'a Handle>,
        grace: Duration,
    ) -> Call<'a, Result<bool, ProviderError>> {
        Box::pin(self.end(token, grace))
    }

    fn adopt<'a>(&'a self, token: &'a Token) -> Call<'a, Result<(), ProviderError>> {
        Box::pin(async move {
            let dir = self.dir(token);
            self.reap();
            if dir.has_agent() || dir.ended().is_some() {
                return Ok(());
            }
            self.start_agent(&dir)
        })
    }
}

/// The secret that the agent of a token shows.
pub(crate) fn secret(key: &[u8], token: &Token) -> String {
    // Any length of key will do for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(token.as_str().as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn of_io(dir: &RunDir, error: &io::Error) -> ProviderError {
    let text = format!("{}: {error}", dir.path().display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ProviderError::Denied(text)
        }
        _ => ProviderError::Transient(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_by_token_and_key() {
        let token = Token::new("f-web-1-1");
        assert_eq!(secret(b"k", &token), secret(b"k", &token));
        assert_ne!(secret(b"k", &token), secret(b"l", &token));
        assert_ne!(secret(b"k", &token), secret(b"k", &Token::new("f-web-1-2")));
        assert_eq!(secret(b"k", &token).len(), 64);
    }
}
