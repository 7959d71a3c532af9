//! The clock of the shell: set once by the wall, then only running forward.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the one reading of a clock"
)]

use crate::fleet::time::Moment;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Makes moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: u64,
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |it| it.as_millis());
        Self {
            wall: u64::try_from(wall).unwrap_or(0),
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(self.wall).plus(self.started.elapsed())
    }
}
