//! What a balancer is told to do, checked: a [`Config`] that exists cannot be wrong.

mod backend;
mod duration;

pub use crate::balance::Kind as StrategyKind;
pub use backend::{BackendSpec, HostPort, Weight};

use std::net::SocketAddr;
use std::time::Duration;

/// Everything a balancer needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to accept clients on. Port 0 asks the system for a free one.
    pub listeners: Vec<SocketAddr>,
    /// What is balanced: requests or connections.
    pub mode: Mode,
    /// How backends are picked.
    pub strategy: StrategyKind,
    /// The backends, in the order in which ties are broken.
    pub backends: Vec<BackendSpec>,
    /// How long lb waits for what.
    pub timeouts: Timeouts,
    /// How much of what is allowed.
    pub limits: Limits,
    /// Whether and how each exchange is logged.
    pub access_log: AccessLogFormat,
}

/// What is balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each HTTP/1.1 request on its own; client and backend connections are kept alive.
    Http,
    /// Each TCP connection, byte for byte.
    Tcp,
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// None is written.
    Off,
    /// One line of words, for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// How long lb waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a backend to accept a connection, each attempt. Default 3 s.
    pub connect: Duration,
    /// For a client to send the next bytes it owes (head, body), to take the bytes it is sent,
    /// and between two requests on a connection. Default 60 s.
    pub client: Duration,
    /// For a backend to answer, and between two parts of an answer. Default 60 s.
    pub server: Duration,
    /// For open exchanges to finish after a stop was asked for. Default 30 s.
    pub shutdown: Duration,
    /// For an idle backend connection before it is closed. Default 30 s.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            client: Duration::from_secs(60),
            server: Duration::from_secs(60),
            shutdown: Duration::from_secs(30),
            pool_idle: Duration::from_secs(30),
        }
    }
}

/// How much of what is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client connections open at once; more wait in the kernel's queue. Default 10,000.
    pub max_connections: usize,
    /// Bytes of a request or response head. Default 16 KiB.
    pub max_head_bytes: usize,
    /// Fields in a request or response head. Default 100.
    pub max_head_fields: usize,
    /// Bytes of a request target. Default 8 KiB.
    pub max_target_bytes: usize,
    /// Times a request that may already have been seen by a backend is repeated. Default 2.
    pub max_retries: u32,
    /// Idle connections kept per backend. Default 1,024.
    pub max_idle_per_backend: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_head_bytes: 16 * 1024,
            max_head_fields: 100,
            max_target_bytes: 8 * 1024,
            max_retries: 2,
            max_idle_per_backend: 1024,
        }
    }
}
