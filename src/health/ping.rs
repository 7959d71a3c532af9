//! The check by echo: a host that answers, passes.
//!
//! It tells a machine that is gone from one that is there, and nothing of the service on it.

use super::Verdict;
use super::icmp::{EchoRequest, MESSAGE_BYTES};
use crate::pool::CheckFailure;

/// One check by echo.
#[derive(Clone, Copy, Debug)]
pub struct PingProbe {
    request: EchoRequest,
    message: [u8; MESSAGE_BYTES],
    is_sent: bool,
}

impl PingProbe {
    /// Asks once.
    #[must_use]
    pub fn new(request: EchoRequest) -> Self {
        Self {
            request,
            message: request.message(),
            is_sent: false,
        }
    }

    /// The request, until it was sent.
    #[must_use]
    pub fn to_send(&self) -> &[u8] {
        match self.is_sent {
            true => b"",
            false => &self.message,
        }
    }

    /// So many bytes of it were sent: all, or none while the system has no room.
    pub const fn sent(&mut self, count: usize) {
        self.is_sent = count > 0;
    }

    /// One message came in from the host. What is not the answer means nothing.
    #[must_use]
    pub fn received(&self, message: &[u8]) -> Option<Verdict> {
        self.request.is_answered_by(message).then_some(Ok(()))
    }

    /// The network says that there is no way.
    ///
    /// # Errors
    /// Always.
    #[allow(clippy::unused_self, reason = "the verdict is that of a check")]
    pub const fn ended(self) -> Verdict {
        Err(CheckFailure::Unreachable)
    }
}
