//! Counts of times in fixed buckets, as scrapers of metrics take them.
//!
//! The bounds never change, so that counts of workers, backends and releases add up. Recording costs
//! a look into a table and one or two comparisons.

use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: 100 µs to 10 s in steps of 1, 2.5 and 5.
pub const BUCKET_BOUNDS_MICROS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Bounds in nanoseconds, and one above them all.
const BOUNDS: [u64; BUCKET_BOUNDS_MICROS.len() + 1] = {
    let mut bounds = [u64::MAX; BUCKET_BOUNDS_MICROS.len() + 1];
    let mut place = 0;
    let mut rest: &[u64] = &BUCKET_BOUNDS_MICROS;
    while let [first, others @ ..] = rest {
        if let Some(bound) = bounds.as_mut_slice().split_at_mut(place).1.first_mut() {
            *bound = *first * 1_000;
        }
        place += 1;
        rest = others;
    }
    bounds
};

/// For each power of two, the number of bounds below it: no time as long as it is in their buckets.
const FIRST: [u8; 64] = {
    let mut first = [0; 64];
    let mut octave: u32 = 0;
    let mut rest: &mut [u8] = &mut first;
    while let Some((one, others)) = rest.split_first_mut() {
        let mut bounds: &[u64] = &BOUNDS;
        while let [bound, larger @ ..] = bounds {
            if *bound < 1 << octave {
                *one += 1;
            }
            bounds = larger;
        }
        octave += 1;
        rest = others;
    }
    first
};

/// Counts of times in the buckets of [`BUCKET_BOUNDS_MICROS`] and one for all longer ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeBuckets {
    counts: [u64; BOUNDS.len()],
    sum_nanos: u64,
}

impl TimeBuckets {
    /// Adds a time.
    pub(crate) fn record(&mut self, time: Duration) {
        // By hand: `as_nanos` works in 128 bits.
        let whole = time.as_secs().saturating_mul(1_000_000_000);
        let nanos = whole.saturating_add(time.subsec_nanos().into());
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
        let octave = (nanos | 1).ilog2() as usize;
        let mut place = usize::from(FIRST.get(octave).copied().unwrap_or_default());
        while BOUNDS.get(place).is_some_and(|bound| *bound < nanos) {
            place += 1;
        }
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
    }

    /// Of each bucket, how many times it has, and the sum of all times.
    pub(super) fn of(counts: impl Iterator<Item = u64>, sum: Duration) -> Self {
        let mut buckets = Self::default();
        for (count, n) in buckets.counts.iter_mut().zip(counts) {
            *count = n;
        }
        buckets.sum_nanos = u64::try_from(sum.as_nanos()).unwrap_or(u64::MAX);
        buckets
    }

    /// Adds the counts of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// Number of times.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of all times.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// Each bucket: its upper bound, `None` for that of all longer times, and how many times it has that
    /// no smaller bucket has.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BUCKET_BOUNDS_MICROS.iter().copied();
        let bounds = bounds.map(|micros| Some(Duration::from_micros(micros)));
        bounds.chain([None]).zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        let nanos = |nanos| Duration::from_nanos(nanos);
        let mut around = vec![nanos(0), nanos(1), Duration::MAX];
        for micros in BUCKET_BOUNDS_MICROS {
            around.extend([micros * 1_000 - 1, micros * 1_000, micros * 1_000 + 1].map(nanos));
        }
        for power in 0..60 {
            around.extend([(1 << power) - 1, 1 << power, (1 << power) + 1].map(nanos));
        }
        for time in around {
            let mut buckets = TimeBuckets::default();
            buckets.record(time);
            let holds = |bound: Option<Duration>| bound.is_none_or(|bound| time <= bound);
            let expected = buckets.iter().position(|(bound, _)| holds(bound));
            let found = buckets.iter().position(|(_, count)| count == 1);
            assert_eq!(found, expected, "{time:?}");
            assert_eq!(buckets.count(), 1);
        }
    }

    #[test]
    fn buckets_add_up() {
        let mut one = TimeBuckets::default();
        one.record(Duration::from_millis(3));
        let mut other = one;
        other.record(Duration::from_secs(60));
        other.add(&one);
        assert_eq!(other.count(), 3);
        assert_eq!(other.sum(), Duration::from_millis(60_006));
        assert_eq!(other.iter().last(), Some((None, 1)));
    }
}
