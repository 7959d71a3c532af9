//! The only place that reads a clock.
//!
//! One [`Clock`] per process: monotonic instants for deadlines and response times, and the
//! wall clock for log lines.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use crate::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// Source of [`Timestamp`]s.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Reading of the system's monotonic clock at [`Timestamp::ZERO`], in nanoseconds.
    start: u64,
}

impl Clock {
    /// Starts the clock: [`Timestamp::ZERO`] is a second before now, so that "long ago" can be
    /// expressed.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: monotonic().saturating_sub(SECOND),
        }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(monotonic().saturating_sub(self.start))
    }

    /// The present wall-clock time, as the time since the Unix epoch.
    #[must_use]
    pub fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// The system's monotonic clock, in nanoseconds since an unknown instant. Read for every event,
/// so without the checks of `std::time::Instant`.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64) * SECOND + now.tv_nsec as u64
}
