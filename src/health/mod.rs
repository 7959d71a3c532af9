//! Active checks, as automata: what to send, what the answer means, and when to ask next.
//!
//! A [`Probe`] is what one check sends and waits for: it is told that the connection stands and
//! which bytes come in, and ends with a [`Verdict`]. An [`Attempt`] is a probe on its socket. A
//! [`Schedule`] is the rhythm of one backend's checks and what they amount to. None knows system
//! calls, clocks or what becomes of the backend; the server lends them the outside and tells the
//! upstream.

mod attempt;
mod http;
pub mod icmp;
mod ping;
mod schedule;
mod tcp;

pub use attempt::{Attempt, Begun};
pub use http::HttpProbe;
pub use icmp::EchoRequest;
pub use ping::PingProbe;
pub use schedule::{Rhythm, Schedule, Tally};
pub use tcp::TcpProbe;

use crate::pool::CheckFailure;

/// What a check has found.
pub type Verdict = Result<(), CheckFailure>;

/// What is asked in one check, and how far that has come.
#[derive(Debug)]
pub enum Probe {
    /// By connecting.
    Tcp(TcpProbe),
    /// By asking for a page.
    Http(HttpProbe),
    /// By echo.
    Ping(PingProbe),
}

impl Probe {
    /// Whether it is made on a connection, or by single messages.
    #[must_use]
    pub const fn connects(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Http(_) => true,
            Self::Ping(_) => false,
        }
    }

    /// The connection stands.
    #[must_use]
    pub fn connected(&self) -> Option<Verdict> {
        match self {
            Self::Tcp(probe) => Some(probe.connected()),
            Self::Http(_) | Self::Ping(_) => None,
        }
    }

    /// What is still to be sent.
    #[must_use]
    pub fn to_send(&self) -> &[u8] {
        match self {
            Self::Tcp(_) => b"",
            Self::Http(probe) => probe.to_send(),
            Self::Ping(probe) => probe.to_send(),
        }
    }

    /// So many bytes were sent.
    pub fn sent(&mut self, count: usize) {
        match self {
            Self::Tcp(_) => {}
            Self::Http(probe) => probe.sent(count),
            Self::Ping(probe) => probe.sent(count),
        }
    }

    /// Bytes came in, or a message.
    pub fn received(&mut self, bytes: &[u8]) -> Option<Verdict> {
        match self {
            Self::Tcp(_) => None,
            Self::Http(probe) => probe.received(bytes),
            Self::Ping(probe) => probe.received(bytes),
        }
    }

    /// The connection has ended, or nothing can be sent.
    ///
    /// # Errors
    /// What came until then does not pass.
    pub fn ended(&self) -> Verdict {
        match self {
            Self::Tcp(_) => Err(CheckFailure::BrokenOff),
            Self::Http(probe) => probe.ended(),
            Self::Ping(probe) => probe.ended(),
        }
    }
}
