//! Time as a value: every call of the core takes a [`Timestamp`], and only the shell makes them
//! from a clock. A simulator makes its own, and runs an hour in seconds.

use std::ops::Add;
use std::time::Duration;

/// A point in time, in microseconds since the process (or the simulation) began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning.
    pub const ZERO: Self = Self(0);
    /// Later than any point that is ever reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `micros` microseconds after the beginning.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the beginning.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at [`Timestamp::NEVER`].
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(micros(rhs)))
    }
}

/// Whole microseconds of a duration, saturating.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        assert_eq!(Timestamp::NEVER + Duration::from_secs(1), Timestamp::NEVER);
        let second = Timestamp::ZERO + Duration::from_secs(1);
        assert_eq!(second.as_micros(), 1_000_000);
        assert_eq!(Timestamp::ZERO.since(second), Duration::ZERO);
        assert_eq!(second.since(Timestamp::ZERO), Duration::from_secs(1));
    }
}
