//! Processes on this machine: a run directory and an agent for each.
//!
//! Nothing here is a child that dies with the controller. The run directory is the unit: `mkdir`
//! makes it once, and what is in it says who runs and how it ended.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it starts agents, signals processes and reads run directories"
)]

use super::{Call, Provider};
use crate::fleet::commit::{LaunchResult, ProviderError};
use crate::fleet::id::{FleetId, Handle, TemplateId, Token};
use crate::fleet::input::{Listing, Unit};
use crate::spec::Request;
use crate::unit::{Ended, Identity, Order, RunDir, now};
use hmac::{Hmac, KeyInit, Mac};
use rustix::process::Signal;
use sha2::Sha256;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Run directories of units that have ended are kept for looking at, so many of them.
const KEPT: usize = 50;
/// A unit that has ended is listed for this long.
const LISTED_MS: u64 = 60_000;
/// A directory without a server or an agent is being made for at most this long.
const MAKING_MS: u64 = 5_000;

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
    /// Makes the secrets of agents.
    pub(crate) key: Vec<u8>,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Process {
    settings: Settings,
    /// Agents that this process started, to be reaped.
    agents: RefCell<Vec<Child>>,
    /// What was read of units and does not change: their order, and the server while it lives.
    known: RefCell<BTreeMap<Token, (Order, Option<Identity>)>>,
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
            Ok(()) => {}
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
                made_at: now(),
            };
            dir.write_order(&order)
                .map_err(|error| of_io(dir, &error))?;
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

    fn listing(&self) -> Result<Listing, String> {
        self.reap();
        let runs = self.runs();
        let mut listing = Listing {
            items: Vec::new(),
            complete: true,
            proof: 1,
        };
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            Err(error) => return Err(format!("{}: {error}", runs.display())),
        };
        for entry in entries {
            let entry = entry.map_err(|error| format!("{}: {error}", runs.display()))?;
            let Some(token) = entry.file_name().to_str().map(Token::new) else {
                continue;
            };
            if token.parse(&self.settings.fleet).is_none() {
                continue;
            }
            if let Some(unit) = self.unit(token) {
                listing.items.push(unit);
            }
        }
        let tokens: Vec<&Token> = listing.items.iter().map(|unit| &unit.token).collect();
        self.known
            .borrow_mut()
            .retain(|token, _| tokens.contains(&token));
        Ok(listing)
    }

    /// One run directory, if it is to be listed.
    fn unit(&self, token: Token) -> Option<Unit> {
        let dir = self.dir(&token);
        let mut known = self.known.borrow_mut();
        if !known.contains_key(&token) {
            // A directory whose order was never written is finished by the next launch.
            known.insert(token.clone(), (dir.order()?, None));
        }
        let (order, server) = known.get_mut(&token)?;
        let mut lives = server.as_ref().is_some_and(Identity::is_alive);
        if !lives {
            if let Some(ended) = dir.ended() {
                if now().saturating_sub(ended.at) > LISTED_MS {
                    self.put_aside(&dir);
                    return None;
                }
                return Some(self.describe(token, order, Err(ended.how), false));
            }
            *server = dir.started().map(|started| started.process);
            lives = server.as_ref().is_some_and(Identity::is_alive);
        }
        let has_agent = dir.has_agent();
        let is_new = now().saturating_sub(order.made_at) < MAKING_MS;
        let alive = if lives || has_agent || (server.is_none() && is_new) {
            Ok(())
        } else if server.is_some() {
            Err("ended while it had no agent".to_owned())
        } else {
            Err("was never started".to_owned())
        };
        if let Err(how) = &alive {
            // Nothing may start in it any more: what is reported as ended stays so.
            let _ = dir.write_ended(&Ended {
                how: how.clone(),
                at: now(),
            });
        }
        Some(self.describe(token, order, alive, has_agent))
    }

    fn describe(
        &self,
        token: Token,
        order: &Order,
        alive: Result<(), String>,
        has_agent: bool,
    ) -> Unit {
        Unit {
            handle: Handle::new(token.as_str()),
            token,
            address: order.request.address(),
            template: Some(order.template.clone()),
            alive,
            has_agent,
        }
    }

    /// Moves a directory to those of the ended, of which the oldest go.
    fn put_aside(&self, dir: &RunDir) {
        let ended = self.settings.state.join("ended");
        let Some(name) = dir.path().file_name() else {
            return;
        };
        let _ = fs::create_dir_all(&ended);
        if fs::rename(dir.path(), ended.join(name)).is_err() {
            let _ = fs::remove_dir_all(dir.path());
        }
        let Ok(entries) = fs::read_dir(&ended) else {
            return;
        };
        let mut kept: Vec<(std::time::SystemTime, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        kept.sort();
        let surplus = kept.len().saturating_sub(KEPT);
        for (_, path) in kept.into_iter().take(surplus) {
            let _ = fs::remove_dir_all(path);
        }
    }

    async fn end(&self, token: &Token, grace: Duration) -> Result<bool, ProviderError> {
        let dir = self.dir(token);
        if !dir.path().exists() || dir.ended().is_some() {
            return Ok(true);
        }
        if let Some(agent) = dir.agent().filter(Identity::is_alive) {
            agent.signal(Signal::TERM);
            let patience = grace + Duration::from_secs(6);
            if wait_until(patience, || dir.ended().is_some() || !agent.is_alive()).await
                && dir.ended().is_some()
            {
                self.reap();
                return Ok(true);
            }
            // An agent that does not do it is no help; its server is ended without it.
            agent.signal(Signal::KILL);
            wait_until(Duration::from_secs(2), || !agent.is_alive()).await;
        }
        if let Some(server) = dir
            .started()
            .map(|it| it.process)
            .filter(Identity::is_alive)
        {
            server.signal(Signal::TERM);
            server.signal(Signal::CONT);
            if !wait_until(grace, || !server.is_alive()).await {
                server.signal(Signal::KILL);
                wait_until(Duration::from_secs(5), || !server.is_alive()).await;
            }
            if server.is_alive() {
                return Err(ProviderError::Transient(format!(
                    "process {} does not end",
                    server.pid
                )));
            }
        }
        let ended = Ended {
            how: "stopped".to_owned(),
            at: now(),
        };
        dir.write_ended(&ended)
            .map_err(|error| of_io(&dir, &error))?;
        self.reap();
        Ok(true)
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

async fn wait_until(patience: Duration, done: impl Fn() -> bool) -> bool {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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

/// The program of a request can be run.
fn check_command(request: &Request) -> Result<(), ProviderError> {
    let Request::Process {
        command, directory, ..
    } = request
    else {
        return Err(ProviderError::Invalid(
            "this provider runs processes".to_owned(),
        ));
    };
    let Some(program) = command.first() else {
        return Err(ProviderError::Invalid("the command is empty".to_owned()));
    };
    if let Some(directory) = directory.as_ref().filter(|it| !it.is_dir()) {
        return Err(ProviderError::Invalid(format!(
            "{} is no folder",
            directory.display()
        )));
    }
    let is_program = |path: &Path| {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
    };
    let found = if program.contains('/') {
        let base = directory.as_deref().unwrap_or(Path::new("."));
        is_program(Path::new(program)) || is_program(&base.join(program))
    } else {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|folder| is_program(&folder.join(program)))
    };
    if found {
        return Ok(());
    }
    Err(ProviderError::Invalid(format!(
        "command: {program} is no program that can be run here"
    )))
}

/// Something listens at the address already: an error that names it.
fn foreign_listener(address: SocketAddr) -> Option<ProviderError> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder(address.port()).unwrap_or_else(|| "another process".to_owned());
            let text = format!("address {address} is taken by {holder}: trying the next one");
            Some(ProviderError::AddressTaken(text))
        }
        Err(error) => Some(ProviderError::Invalid(format!(
            "address {address}: {error}"
        ))),
    }
}

/// The process that listens at a port, as far as it can be seen: proc_net_tcp(5) gives the inode,
/// and a descriptor with it gives the process.
fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let text = fs::read_to_string(table).ok()?;
            text.lines().skip(1).find_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let (_, local) = fields.get(1)?.rsplit_once(':')?;
                let listens = fields.get(3) == Some(&"0A");
                (listens && u16::from_str_radix(local, 16) == Ok(port))
                    .then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
            })
        })?;
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let fds = fs::read_dir(entry.path().join("fd")).ok()?;
        let has_it = fds.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|link| link.to_str() == Some(inode.as_str()))
        });
        has_it.then(|| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            format!("{} (pid {pid})", name.trim())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let error = foreign_listener(address).expect("is taken");
        let pid = format!("(pid {})", std::process::id());
        assert!(error.text().contains(&pid), "{}", error.text());
        drop(listener);
        assert_eq!(foreign_listener(address), None);
    }

    #[test]
    fn secrets_differ_by_token_and_key() {
        let token = Token::new("f-web-1-1");
        assert_eq!(secret(b"k", &token), secret(b"k", &token));
        assert_ne!(secret(b"k", &token), secret(b"l", &token));
        assert_ne!(secret(b"k", &token), secret(b"k", &Token::new("f-web-1-2")));
        assert_eq!(secret(b"k", &token).len(), 64);
    }
}
