//! Active checks, as automata: what to send, what the answer means, and when to ask next.
//!
//! A [`Probe`] is one check under way: it is told that the connection stands and which bytes come
//! in, and ends with a [`Verdict`]. A [`Schedule`] is the rhythm of one backend's checks and what
//! they amount to. Neither knows sockets, clocks or what becomes of the backend; the server lends
//! them the outside and tells the upstream.

mod http;
mod schedule;
mod tcp;

pub use http::HttpProbe;
pub use schedule::{Rhythm, Schedule, Tally};
pub use tcp::TcpProbe;

use crate::config::{Check, HttpCheck};
use crate::upstream::ProbeFailure;

/// What a check has found.
pub type Verdict = Result<(), ProbeFailure>;

/// One check under way.
#[derive(Debug)]
pub enum Probe {
    /// By connecting.
    Tcp(TcpProbe),
    /// By asking for a page.
    Http(HttpProbe),
}

impl Probe {
    /// A check of this kind; `host` is what the backend is called, and `introduction` goes ahead
    /// of a request. `None` if no check is wanted.
    #[must_use]
    pub fn new(check: Check, http: &HttpCheck, host: &str, introduction: &[u8]) -> Option<Self> {
        match check {
            Check::None => None,
            Check::Tcp => Some(Self::Tcp(TcpProbe)),
            Check::Http => Some(Self::Http(HttpProbe::new(http, host, introduction))),
        }
    }

    /// The connection stands.
    #[must_use]
    pub fn connected(&self) -> Option<Verdict> {
        match self {
            Self::Tcp(probe) => Some(probe.connected()),
            Self::Http(_) => None,
        }
    }

    /// What is still to be sent.
    #[must_use]
    pub fn to_send(&self) -> &[u8] {
        match self {
            Self::Tcp(_) => b"",
            Self::Http(probe) => probe.to_send(),
        }
    }

    /// So many bytes were sent.
    pub fn sent(&mut self, count: usize) {
        match self {
            Self::Tcp(_) => {}
            Self::Http(probe) => probe.sent(count),
        }
    }

    /// Bytes came in.
    pub fn received(&mut self, bytes: &[u8]) -> Option<Verdict> {
        match self {
            Self::Tcp(_) => None,
            Self::Http(probe) => probe.received(bytes),
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// What came until then does not pass.
    pub fn ended(&self) -> Verdict {
        match self {
            Self::Tcp(_) => Err(ProbeFailure::BrokenOff),
            Self::Http(probe) => probe.ended(),
        }
    }
}
