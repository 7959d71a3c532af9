//! What every loop takes from the system before it runs: a way to wait for events, and chance.

use super::WAKER;
use crate::config::Invalid;
use mio::{Poll, Waker};
use std::io;

/// A way to wait for events, and to be woken by other threads.
pub(crate) fn events() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    Ok((poll, waker))
}

/// What to say when there are none.
pub(crate) fn no_events(error: &io::Error) -> Invalid {
    let problem = format!("the system refuses to report events: {error}");
    Invalid::new(problem, "raise the limit of open files (ulimit -n)")
}

/// Different in every process, so that several balancers do not move in step.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
