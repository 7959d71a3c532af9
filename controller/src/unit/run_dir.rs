//! The run directory of a unit: its order, who is in it, and how it ended.
//!
//! It is made by `mkdir`, which is what makes a launch idempotent: the name is the token, and only
//! one maker wins. Files are replaced by rename, so that none is ever read half-written.

use super::Identity;
use crate::fleet::id::{TemplateId, Token};
use crate::spec::Request;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an agent is to run, written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) fleet: String,
    pub(crate) token: Token,
    pub(crate) template: TemplateId,
    pub(crate) request: Request,
    /// Where the controller listens for sessions.
    pub(crate) controller: String,
    /// Proves to the controller that it launched this agent.
    pub(crate) secret: String,
    /// Where heartbeats go, and the key that signs them.
    pub(crate) heartbeats: Vec<String>,
    pub(crate) heartbeat_key_file: Option<PathBuf>,
    /// The status bus, and from one status to the next.
    #[serde(default)]
    pub(crate) bus: Option<(String, Duration)>,
    pub(crate) made_at: u64,
}

/// The server that runs, or ran last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) process: Identity,
    /// Starts under this token, this one included.
    pub(crate) attempt: u32,
    /// Starts that the agent decided on while no controller led.
    pub(crate) alone_starts: u32,
}

/// How the unit ended. Once this is written, nothing is started in this directory again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) how: String,
    pub(crate) at: u64,
}

/// A run directory.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it. An error of kind `AlreadyExists` says that the token was used before.
    pub(crate) fn make(&self) -> io::Result<()> {
        if let Some(parent) = self.0.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
        }
        fs::DirBuilder::new().mode(0o700).create(&self.0)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("out.log")
    }

    pub(crate) fn agent_log(&self) -> PathBuf {
        self.0.join("agent.log")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.0.join(name)).ok()?).ok()
    }

    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
        let temporary = self.0.join(format!(".{name}.new"));
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, self.0.join(name))
    }

    pub(crate) fn order(&self) -> Option<Order> {
        self.read("order.json")
    }

    pub(crate) fn write_order(&self, order: &Order) -> io::Result<()> {
        self.write("order.json", order)
    }

    pub(crate) fn agent(&self) -> Option<Identity> {
        self.read("agent.json")
    }

    pub(crate) fn write_agent(&self, agent: &Identity) -> io::Result<()> {
        self.write("agent.json", agent)
    }

    pub(crate) fn started(&self) -> Option<Started> {
        self.read("server.json")
    }

    pub(crate) fn write_started(&self, started: &Started) -> io::Result<()> {
        self.write("server.json", started)
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.read("ended.json")
    }

    pub(crate) fn write_ended(&self, ended: &Ended) -> io::Result<()> {
        self.write("ended.json", ended)
    }

    pub(crate) fn has_agent(&self) -> bool {
        self.agent().is_some_and(|agent| agent.is_alive())
    }
}
