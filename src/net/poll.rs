//! Event polls, and seeds: every loop takes both from the system before it runs.

use super::{BindError, BindErrorKind};
use crate::transport::Readiness;
use mio::event::Event;
use mio::{Poll, Waker};
use std::io;

/// Wakes a loop for commands.
pub(crate) const WAKER: mio::Token = mio::Token(usize::MAX);

/// A way to wait for events, and to be woken by other threads.
pub(crate) fn events() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    Ok((poll, waker))
}

/// The error of a loop that cannot have events.
pub(crate) fn no_events(error: io::Error) -> BindError {
    let problem = format!("the system refuses to report events: {error}");
    let remedy = "raise the limit of open files (ulimit -n)";
    BindError::new(BindErrorKind::System, problem, remedy).with_source(error)
}

/// Returns the readiness of a socket after an event.
pub(crate) fn readiness(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        broken: event.is_error() || (event.is_read_closed() && event.is_write_closed()),
    }
}

/// Different in every process, so that several balancers do not move in step.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
