//! The only place that reads a clock.
//!
//! One [`Clock`] per process: monotonic instants for deadlines and response times, and the
//! wall clock for log lines.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use crate::time::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where [`Timestamp`]s come from.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the clock: [`Timestamp::ZERO`] is a second before now, so that "long ago" can be
    /// expressed.
    #[must_use]
    pub fn start() -> Self {
        let now = Instant::now();
        let start = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        Self { start }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Timestamp::from_nanos(nanos)
    }

    /// The present wall-clock time, as the time since the Unix epoch.
    #[must_use]
    pub fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}
