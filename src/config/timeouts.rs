//! How long lb waits for what.
//!
//! Owns the defaults and the range of every timeout. A zero would give up before it began, so
//! none is zero.

use super::{ConfigError, HumanDuration};
use std::time::Duration;

/// The longest timeout, 30 days: far more than anyone waits, far less than clocks can count.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long lb waits for what. Each is more than zero and at most 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a backend to accept a connection, each attempt. Default 3 s.
    pub connect: Duration,
    /// For a client to begin its next request: on a new connection, and after each answer.
    /// Default 60 s.
    pub keep_alive: Duration,
    /// For a client to send the whole head of a request, from its first byte: dripping bytes
    /// does not help. Default 10 s.
    pub head: Duration,
    /// For a client to send the next bytes of a request body. Default 30 s.
    pub body: Duration,
    /// For a backend to send the head of its answer, from the last byte of the request.
    /// Default 60 s.
    pub first_byte: Duration,
    /// For a backend to send the next part of an answer that has begun. Default 60 s.
    pub server: Duration,
    /// For a client or a backend to take some of the bytes it is sent. Default 30 s.
    pub write: Duration,
    /// For either side of a tunnel (a connection in TCP mode, or after an upgrade) to send
    /// something. Default 1 h.
    pub tunnel: Duration,
    /// For open exchanges to finish after a stop was asked for. Default 30 s.
    pub shutdown: Duration,
    /// For a backend to have room while all are at their limits. Default 10 s.
    pub queue: Duration,
    /// For an idle backend connection before it is closed. Default 30 s.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            keep_alive: Duration::from_secs(60),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            first_byte: Duration::from_secs(60),
            server: Duration::from_secs(60),
            write: Duration::from_secs(30),
            tunnel: Duration::from_secs(3600),
            shutdown: Duration::from_secs(30),
            queue: Duration::from_secs(10),
            pool_idle: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// These timeouts, if each is within its range.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        check("--connect-timeout", self.connect)?;
        check("--keep-alive-timeout", self.keep_alive)?;
        check("--head-timeout", self.head)?;
        check("--body-timeout", self.body)?;
        check("--first-byte-timeout", self.first_byte)?;
        check("--server-timeout", self.server)?;
        check("--write-timeout", self.write)?;
        check("--tunnel-timeout", self.tunnel)?;
        check("--shutdown-timeout", self.shutdown)?;
        check("--queue-timeout", self.queue)?;
        check("--pool-idle-timeout", self.pool_idle)?;
        Ok(self)
    }
}

/// Reads a timeout.
///
/// # Errors
///
/// It is not a duration, or outside its range.
pub fn parse_timeout(text: &str) -> Result<HumanDuration, ConfigError> {
    let timeout: HumanDuration = text.parse()?;
    match out_of_range(timeout.0) {
        Some(invalid) => Err(invalid.with_value(text)),
        None => Ok(timeout),
    }
}

fn check(flag: &'static str, timeout: Duration) -> Result<(), ConfigError> {
    match out_of_range(timeout) {
        Some(invalid) => Err(invalid.with_flag(flag).with_value(HumanDuration(timeout))),
        None => Ok(()),
    }
}

fn out_of_range(timeout: Duration) -> Option<ConfigError> {
    if timeout.is_zero() {
        let remedy = "give a longer time, as in 500ms or 3s";
        Some(ConfigError::new(
            "zero would give up before it began",
            remedy,
        ))
    } else if timeout > LONGEST {
        Some(ConfigError::new("longer than 30 days", "give at most 720h"))
    } else {
        None
    }
}
