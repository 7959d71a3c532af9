//! The reason why a check failed.

use crate::http::BadResponse;
use std::fmt::{self, Display, Formatter};

/// The result of one check.
pub type CheckResult = Result<(), CheckFailure>;

/// The reason why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckFailure {
    /// The connection was refused, or the network reported that there is no route.
    Unreachable,
    /// The time limit passed: no connection, or no complete response on it.
    Timeout,
    /// The connection ended before the response was complete.
    BrokenOff,
    /// The bytes received are no response that traffic would accept either.
    BadResponse(BadResponse),
    /// The response has another status than the expected one.
    Status(u16),
    /// The body lacks the expected text.
    Body,
}

impl CheckFailure {
    /// Returns whether clients would get no response either. The other failures are a matter of
    /// what is expected of the page.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::BrokenOff => true,
            Self::BadResponse(_) | Self::Status(_) | Self::Body => false,
        }
    }
}

impl Display for CheckFailure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => write!(f, "unreachable"),
            Self::Timeout => write!(f, "no response in time"),
            Self::BrokenOff => write!(f, "connection ended too soon"),
            Self::BadResponse(BadResponse::Syntax | BadResponse::Version) => {
                write!(f, "not HTTP/1.1")
            }
            Self::BadResponse(bad) => write!(f, "bad response ({})", bad.word()),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Body => write!(f, "unexpected body"),
        }
    }
}
