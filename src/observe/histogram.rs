//! How often which value was seen, to so many digits.
//!
//! Values share a bucket if they are as long in binary and begin with the same `BITS` + 1 bits: so
//! each is told from others to one part in 2^`BITS`, the bucket of a value is found by shifting it,
//! and those below 2^(`BITS` + 1) have buckets of their own. It does not know what the values
//! measure. Invariant: memory grows with the logarithm of the greatest value, and never shrinks.
//!
//! Refused: hdrhistogram, which does the same in five times the instructions, as it can be
//! configured while it runs.

/// Counts of values, at 4 bytes a bucket. Nothing is allocated before the first.
#[derive(Clone, Debug)]
pub(super) struct Histogram<const BITS: u32> {
    /// By bucket. When one is full all are halved: old values then weigh less.
    counts: Vec<u32>,
    seen: u64,
    least: u64,
    greatest: u64,
}

impl<const BITS: u32> Default for Histogram<BITS> {
    fn default() -> Self {
        Self {
            counts: Vec::new(),
            seen: 0,
            least: u64::MAX,
            greatest: 0,
        }
    }
}

impl<const BITS: u32> Histogram<BITS> {
    /// Counts a value.
    pub(super) fn record(&mut self, value: u64) {
        self.add_to(bucket::<BITS>(value), 1);
        self.seen += 1;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
    }

    /// Adds all that `other` has counted.
    pub(super) fn add(&mut self, other: &Self) {
        for (bucket, &more) in other
            .counts
            .iter()
            .enumerate()
            .filter(|(_, more)| **more > 0)
        {
            self.add_to(bucket, more);
        }
        self.seen += other.seen;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    /// How many values were counted.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// The least value; 0 if there is none.
    pub(super) const fn least(&self) -> u64 {
        match self.seen {
            0 => 0,
            _ => self.least,
        }
    }

    /// The greatest value; 0 if there is none.
    pub(super) const fn greatest(&self) -> u64 {
        self.greatest
    }

    /// The value that a share of `quantile` of the values, 0 to 1, does not exceed; 0 if there is
    /// none.
    pub(super) fn quantile(&self, quantile: f64) -> u64 {
        let counted: u64 = self.counts.iter().copied().map(u64::from).sum();
        let wanted = ((counted as f64 * quantile).ceil() as u64).max(1);
        let mut passed = 0;
        let found = self.counts.iter().position(|&count| {
            passed += u64::from(count);
            passed >= wanted
        });
        found.map_or(0, |bucket| last_of::<BITS>(bucket).min(self.greatest))
    }

    /// Memory of its own.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u32>()
    }

    #[inline]
    fn add_to(&mut self, bucket: usize, more: u32) {
        let count = self.counts.get_mut(bucket);
        match count.and_then(|count| count.checked_add(more).map(|sum| (count, sum))) {
            Some((count, sum)) => *count = sum,
            None => self.make_room(bucket, more),
        }
    }

    /// Adds to a bucket that is new or full.
    #[cold]
    fn make_room(&mut self, bucket: usize, more: u32) {
        if bucket >= self.counts.len() {
            // All that are as long in binary: their number doubles the greatest value.
            let buckets = ((bucket >> BITS).max(1) + 1) << BITS;
            self.counts.reserve_exact(buckets - self.counts.len());
            self.counts.resize(buckets, 0);
        } else {
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(more);
        }
    }
}

/// Where a value is counted.
const fn bucket<const BITS: u32>(value: u64) -> usize {
    let shift = (u64::BITS - BITS - 1).saturating_sub(value.leading_zeros());
    ((shift as usize) << BITS) + (value >> shift) as usize
}

/// The greatest value that is counted there.
const fn last_of<const BITS: u32>(bucket: usize) -> u64 {
    let shift = (bucket >> BITS).saturating_sub(1);
    let first = (bucket - (shift << BITS)) as u64;
    (first << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_the_values() {
        for bits in 0..64 {
            for value in [0, 1, 2].map(|near| (1_u64 << bits) - 1 + near) {
                let last = last_of::<7>(bucket::<7>(value));
                assert!(
                    last >= value && last - value <= value >> 7,
                    "{value}: {last}"
                );
                assert_eq!(bucket::<7>(last), bucket::<7>(value));
                if let Some(next) = last.checked_add(1) {
                    assert_eq!(bucket::<7>(next), bucket::<7>(value) + 1);
                }
            }
        }
    }

    #[test]
    fn quantiles_of_few_are_exact() {
        let mut histogram = Histogram::<7>::default();
        assert_eq!(
            [
                histogram.quantile(0.5),
                histogram.least(),
                histogram.greatest()
            ],
            [0; 3]
        );
        for value in 1..=100 {
            histogram.record(value);
        }
        let shown = [0.0, 0.5, 0.99, 1.0].map(|share| histogram.quantile(share));
        assert_eq!(shown, [1, 50, 99, 100]);
        assert_eq!(
            (histogram.seen(), histogram.least(), histogram.greatest()),
            (100, 1, 100)
        );
    }

    #[test]
    fn a_full_bucket_halves_all() {
        let mut histogram = Histogram::<7>::default();
        histogram.record(3);
        histogram.add_to(3, u32::MAX - 1);
        histogram.add_to(5, 1_000);
        histogram.record(3);
        assert_eq!(histogram.counts[3], u32::MAX / 2 + 1);
        assert_eq!(histogram.counts[5], 500);
        assert_eq!(histogram.seen(), 2);
    }
}
