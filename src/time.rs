//! Time as a value.
//!
//! The core never asks what time it is: every call that needs to know takes a [`Timestamp`].
//! Only `clock.rs` makes them, so a test can run an hour of traffic in a second and the
//! same inputs always give the same result.

use std::ops::Add;
use std::time::Duration;

/// A point on the monotonic clock of this process, in nanoseconds since the clock was started.
///
/// Eight bytes and `Copy`, so it can be stored in every slot and compared for free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant at which the clock was started.
    pub const ZERO: Self = Self(0);
    /// Later than any instant a clock will ever show: the deadline of what has none.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the clock was started.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock was started.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at [`Timestamp::NEVER`].
    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_stays_never() {
        assert_eq!(Timestamp::NEVER + Duration::from_secs(1), Timestamp::NEVER);
        assert_eq!(Timestamp::ZERO + Duration::MAX, Timestamp::NEVER);
    }

    #[test]
    fn since_is_zero_for_the_future() {
        let later = Timestamp::from_nanos(7);
        assert_eq!(Timestamp::ZERO.since(later), Duration::ZERO);
        assert_eq!(later.since(Timestamp::ZERO), Duration::from_nanos(7));
    }
}
