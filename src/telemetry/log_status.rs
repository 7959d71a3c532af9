//! The state of the access log's writer: counts, and the events that users see.

use crate::plural::Counted;
use std::fmt;

/// Counts of the access log's writer, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessLogStats {
    /// Lines that could not be written, or that came faster than they were read.
    pub lines_dropped: u64,
    /// Writes that failed.
    pub write_errors: u64,
}

/// Writing the access log stopped working, or works again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessLogEvent {
    /// A write failed, and the one before it had not. Lines are dropped until one succeeds.
    Failing {
        /// The system's error.
        error: String,
    },
    /// A write succeeded, and the one before it had failed.
    Recovered {
        /// Lines dropped in between.
        lines_dropped: u64,
    },
}

impl fmt::Display for AccessLogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failing { error } => write!(
                f,
                "access log cannot be written: {error}; dropping lines until it can"
            ),
            Self::Recovered { lines_dropped } => {
                let lines = Counted(*lines_dropped, "line");
                write!(f, "access log is written again; {lines} dropped")
            }
        }
    }
}
