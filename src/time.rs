//! Time as a value.
//!
//! The core never asks what time it is: every call that needs to know takes a [`Timestamp`].
//! Only `clock.rs` makes them, so a test can run an hour of traffic in a second and the
//! same inputs always give the same result.

use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

/// A point on the monotonic clock of this process, in nanoseconds since the clock was started.
///
/// Eight bytes and `Copy`, so it can be stored in every slot and compared for free. An
/// `Option<Timestamp>` has eight as well: what is kept is one more than the nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// The instant at which the clock was started.
    pub const ZERO: Self = Self(NonZeroU64::MIN);
    /// Later than any instant a clock will ever show: the deadline of what has none.
    pub const NEVER: Self = Self(NonZeroU64::MAX);

    /// The instant `nanos` nanoseconds after the clock was started; [`NEVER`](Self::NEVER) from
    /// `u64::MAX - 1` on, 584 years.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Nanoseconds since the clock was started.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// The time from `earlier` to `self`; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
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

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in
/// March, so that the leap day is the last of its year, and repeat every 400 years (an era).
pub(crate) const fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_EPOCH: u64 = 719_468; // from 0000-03-01
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days_since_epoch + DAYS_BEFORE_EPOCH;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
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
    fn an_instant_that_may_be_missing_is_no_larger() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<u64>());
        for nanos in [0, 1, 1 << 62] {
            assert_eq!(Timestamp::from_nanos(nanos).as_nanos(), nanos);
        }
        let never = Timestamp::NEVER.as_nanos();
        assert_eq!(Timestamp::from_nanos(never), Timestamp::NEVER);
    }

    #[test]
    fn since_is_zero_for_the_future() {
        let later = Timestamp::from_nanos(7);
        assert_eq!(Timestamp::ZERO.since(later), Duration::ZERO);
        assert_eq!(later.since(Timestamp::ZERO), Duration::from_nanos(7));
    }
}
