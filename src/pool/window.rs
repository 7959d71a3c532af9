//! Outcomes of late, good and bad, as two sums.
//!
//! Time is cut into slices of half a second; the slice under way and those before it that the
//! window has room for are summed, and a slice that has grown too old is overwritten when its
//! place is needed. Adding is O(1) and so is the sum; nothing is allocated. What is good or bad is
//! for others to say.

use crate::time::Timestamp;

/// Duration of one slice.
const SLICE_NANOS: u64 = 500_000_000;

/// Outcomes of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) good: u32,
    pub(crate) bad: u32,
}

/// Outcomes of the last `SLICES` half seconds.
#[derive(Clone, Debug)]
pub(crate) struct Window<const SLICES: usize> {
    slices: [Tally; SLICES],
    /// The number of the slice under way.
    current: u64,
    /// Time at which the slice ends.
    ends_at: Timestamp,
}

impl Tally {
    pub(crate) const fn total(self) -> u32 {
        self.good + self.bad
    }

    /// The share that is bad, 0 to 1; 0 of nothing.
    pub(crate) fn bad_share(self) -> f64 {
        f64::from(self.bad) / f64::from(self.total().max(1))
    }

    /// Returns the sums without `part`, which is counted in them.
    pub(crate) const fn without(self, part: Self) -> Self {
        Self {
            good: self.good.saturating_sub(part.good),
            bad: self.bad.saturating_sub(part.bad),
        }
    }
}

impl<const SLICES: usize> Default for Window<SLICES> {
    fn default() -> Self {
        Self {
            slices: [Tally::default(); SLICES],
            current: 0,
            ends_at: Timestamp::from_nanos(SLICE_NANOS),
        }
    }
}

impl<const SLICES: usize> Window<SLICES> {
    /// Counts an outcome.
    pub(crate) fn add(&mut self, is_bad: bool, now: Timestamp) {
        if now >= self.ends_at {
            self.move_on(now);
        }
        if let Some(slice) = self.slices.get_mut(self.current as usize % SLICES) {
            slice.good += u32::from(!is_bad);
            slice.bad += u32::from(is_bad);
        }
    }

    /// Returns the sums of late.
    pub(crate) fn sum(&mut self, now: Timestamp) -> Tally {
        self.move_on(now);
        self.slices
            .iter()
            .fold(Tally::default(), |sum, slice| Tally {
                good: sum.good + slice.good,
                bad: sum.bad + slice.bad,
            })
    }

    /// Empties the slices that have begun since the last look. Twice a second there is something
    /// to do.
    #[cold]
    fn move_on(&mut self, now: Timestamp) {
        let current = now.as_nanos() / SLICE_NANOS;
        let begun = current.saturating_sub(self.current).min(SLICES as u64);
        for age in 0..begun {
            if let Some(slice) = self.slices.get_mut((current - age) as usize % SLICES) {
                *slice = Tally::default();
            }
        }
        self.current = self.current.max(current);
        self.ends_at = Timestamp::from_nanos((self.current + 1) * SLICE_NANOS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn outcomes_older_than_two_seconds_do_not_count() {
        let mut window = Window::<4>::default();
        window.add(true, at(10_100));
        window.add(false, at(10_600));
        assert_eq!(window.sum(at(11_999)), Tally { good: 1, bad: 1 });
        assert_eq!(window.sum(at(12_000)), Tally { good: 1, bad: 0 });
        assert_eq!(window.sum(at(99_000)), Tally::default());
    }

    #[test]
    fn a_share_of_nothing_is_nothing() {
        assert!(Tally::default().bad_share().abs() < f64::EPSILON);
        let all = Tally { good: 1, bad: 3 };
        assert!((all.bad_share() - 0.75).abs() < f64::EPSILON);
        let part = Tally { good: 1, bad: 1 };
        assert_eq!(all.without(part), Tally { good: 0, bad: 2 });
    }
}
