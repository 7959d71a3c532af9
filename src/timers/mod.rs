//! Timeouts: a deadline stored by its owner, plus one coarse [`Wheel`] for all of them.
//!
//! The usual timeout is moved on every event and almost never ends. So moving one is a store in
//! the owner's [`Deadline`], and the wheel is touched only when an owner has nothing armed there
//! that would come out in time. A key that comes out too soon, because its deadline has moved on
//! since, is armed again for the rest; a key whose owner is gone is dropped.
//!
//! The parts work together like this:
//!
//! ```
//! use lb::time::Timestamp;
//! use lb::internal::timers::{Deadline, Fired, Wheel};
//! use std::time::Duration;
//!
//! let now = Timestamp::ZERO;
//! let mut wheel = Wheel::new(now);
//! let mut deadline = Deadline::default(); // beside the owner's state; here its key is 7
//!
//! // On every event: the deadline moves, the wheel is armed the first time only.
//! for ms in 0..1_000 {
//!     let event_at = now + Duration::from_millis(ms);
//!     if let Some(at) = deadline.set(event_at + Duration::from_secs(1)) {
//!         wheel.arm(7, at);
//!     }
//! }
//! assert_eq!(wheel.len(), 1);
//!
//! // Once a turn: whose time has come?
//! let now = now + Duration::from_millis(2_500);
//! let mut due = Vec::new();
//! wheel.expire(now, &mut due);
//! for key in due {
//!     match deadline.fired(now) {
//!         Fired::Due => println!("{key} has timed out"),
//!         Fired::Rearm(at) => wheel.arm(key, at),
//!         Fired::Idle => {}
//!     }
//! }
//! # assert_eq!(deadline.at(), Timestamp::NEVER);
//! ```
//!
//! Refused: a heap or tree of timers, which pays a logarithm and an allocation for each request
//! to learn that nothing has timed out; a wheel with removal, which needs a handle in each owner
//! and touches two strangers' cache lines for each event.

mod deadline;
mod occupancy;
mod wheel;

pub use deadline::{Deadline, Fired};
pub use wheel::Wheel;

use crate::time::Timestamp;

/// The wheel's resolution, in nanoseconds: 16 ms. Timeouts are seconds, and a loop with nothing
/// else to do wakes at most 62 times a second for them.
const TICK_NANOS: u64 = 16_000_000;

/// The first tick that does not begin before `at`: what is due at `at` is handed out with it.
const fn tick_after(at: Timestamp) -> u64 {
    at.as_nanos().div_ceil(TICK_NANOS)
}

/// The last tick that has begun at `now`.
const fn tick_begun(now: Timestamp) -> u64 {
    now.as_nanos() / TICK_NANOS
}

/// Returns when `tick` begins.
const fn tick_begins(tick: u64) -> Timestamp {
    Timestamp::from_nanos(tick.saturating_mul(TICK_NANOS))
}
