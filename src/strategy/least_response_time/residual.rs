//! Residual life: the expected rest of a request that has been in service for some time.
//!
//! One histogram for the pool holds the ages at which requests completed, in expected service
//! times of their backends. From it follows the mean residual life at each age: about constant
//! where service times are exponential, shrinking where they are alike, growing where a few are
//! huge (then a backend that has been busy for long will be busy for longer). That last case is
//! what counting requests in flight cannot see.
//!
//! Ages fall into 160 buckets from 2^-10 to 2^10, eight equal steps an octave. The top bits of a
//! floating-point number are its octave and step, so finding a bucket takes a shift instead of a
//! logarithm for each candidate at each pick.

use super::tuning::{HANG_MIN, HANG_SHARE, unless_negligible};

const BUCKETS: usize = 160;
/// The top bits of 2^-10 as an `f32`: sign, exponent, and three bits of fraction.
const LOWEST: usize = (127 - 10) << 3;
/// Bits of an `f32` below those.
const SHIFT: u32 = 20;
/// Beyond the last bucket a request is expected to take as long again as that bucket begins at.
const OLDEST: f32 = low_edge(BUCKETS);
/// Completions between two rebuilds of the table.
const REBUILD_EVERY: usize = 256;
/// All counts are halved when their total passes this.
const MAX_COUNTED: f32 = 8_192.0;
/// Fewer completions than this beyond an age do not make a mean.
const FEW: f32 = 3.0;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    count: f32,
    sum: f32,
}

/// Mean residual life by age.
#[derive(Clone, Debug)]
pub(super) struct Residual {
    buckets: [Bucket; BUCKETS],
    total: f32,
    /// Completions since the table was built.
    since_rebuild: usize,
    /// Mean residual life from the high edge of each bucket; the last entry is for ages beyond.
    table: [f32; BUCKETS + 1],
    /// Requests older than this hang.
    hang_after: f32,
}

impl Residual {
    pub(super) const fn new() -> Self {
        Self {
            buckets: [Bucket {
                count: 0.0,
                sum: 0.0,
            }; BUCKETS],
            total: 0.0,
            since_rebuild: 0,
            table: [1.0; BUCKETS + 1],
            hang_after: HANG_MIN,
        }
    }

    /// The expected rest of a request of `age` service times. Where the backend serves `in_order`
    /// (1) the oldest request is the one in service and the table is believed; where it does not,
    /// the rest is an average one, unless the age is that of a hang.
    #[inline]
    pub(super) fn after(&self, age: f32, in_order: f32) -> f32 {
        let rest = self.table.get(bucket_of(age)).copied().unwrap_or(OLDEST);
        let average = if age > self.hang_after { age } else { 1.0 };
        in_order * rest + (1.0 - in_order) * average
    }

    /// Learns the age at which a request completed.
    pub(super) fn learn(&mut self, age: f32) {
        let last = BUCKETS - 1;
        if let Some(bucket) = self.buckets.get_mut(bucket_of(age).min(last)) {
            bucket.count += 1.0;
            bucket.sum += age;
        }
        self.since_rebuild += 1;
        if self.since_rebuild >= REBUILD_EVERY {
            self.rebuild();
        }
    }

    fn halve(&mut self) {
        for bucket in &mut self.buckets {
            bucket.count = unless_negligible(bucket.count * 0.5);
            bucket.sum = unless_negligible(bucket.sum * 0.5);
        }
        self.total *= 0.5;
    }

    /// Walks from the oldest bucket to the youngest, summing up the completions beyond each.
    #[cold]
    fn rebuild(&mut self) {
        self.since_rebuild = 0;
        self.total += REBUILD_EVERY as f32;
        if self.total > MAX_COUNTED {
            self.halve();
        }
        let mut beyond = Bucket::default();
        let mut rare_from = OLDEST;
        let mut after = OLDEST;
        let [table @ .., oldest] = &mut self.table;
        *oldest = OLDEST;
        for (index, (bucket, entry)) in self.buckets.iter().zip(table).enumerate().rev() {
            *entry = after;
            beyond.count += bucket.count;
            beyond.sum += bucket.sum;
            let low = low_edge(index);
            if beyond.count <= HANG_SHARE * self.total {
                rare_from = low;
            }
            after = if beyond.count > FEW {
                (beyond.sum / beyond.count - low).max(0.0)
            } else {
                low
            };
        }
        self.hang_after = HANG_MIN.max(rare_from);
    }
}

/// The bucket of an age that is not negative: younger ones are in the first, and older than the
/// last are in none.
const fn bucket_of(age: f32) -> usize {
    let top = (age.to_bits() >> SHIFT) as usize;
    let bucket = top.saturating_sub(LOWEST);
    if bucket < BUCKETS { bucket } else { BUCKETS }
}

/// The least age in a bucket.
const fn low_edge(bucket: usize) -> f32 {
    f32::from_bits(((LOWEST + bucket) as u32) << SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Rng;

    fn after(ages: impl Iterator<Item = f32>) -> Residual {
        let mut residual = Residual::new();
        ages.for_each(|age| residual.learn(age));
        residual
    }

    fn expected(residual: &Residual, age: f32, in_order: f32) -> f32 {
        residual.after(age, in_order)
    }

    #[test]
    fn buckets_tile_the_ages() {
        assert_eq!(low_edge(0), 2.0_f32.powi(-10));
        assert_eq!(low_edge(BUCKETS), 1_024.0);
        for index in 0..BUCKETS {
            assert_eq!(bucket_of(low_edge(index)), index);
            assert_eq!(bucket_of(low_edge(index + 1) * (1.0 - 1e-6)), index);
        }
        assert_eq!(bucket_of(0.0), 0);
        assert_eq!(bucket_of(f32::INFINITY), BUCKETS);
    }

    #[test]
    fn one_service_time_is_expected_before_anything_is_known() {
        let residual = after(std::iter::repeat_n(0.1, 255));
        assert_eq!(expected(&residual, 0.0, 1.0), 1.0);
        assert_eq!(expected(&residual, 5.0, 0.3), 1.0);
    }

    #[test]
    fn equal_service_times_leave_less_the_older_they_are() {
        let residual = after(std::iter::repeat_n(1.0, 256));
        assert!((0.85..1.0).contains(&expected(&residual, 0.1, 1.0)));
        assert!((0.3..0.5).contains(&expected(&residual, 0.5, 1.0)));
    }

    #[test]
    fn exponential_service_times_have_no_memory() {
        let mut rng = Rng::new(3);
        let mut draw = || -(1.0 - rng.next() as f32 / u64::MAX as f32).max(1e-12).ln();
        let residual = after((0..8_192).map(|_| draw()));
        for age in [0.01, 0.1, 0.5, 1.0, 2.0] {
            let left = expected(&residual, age, 1.0);
            assert!((0.85..1.15).contains(&left), "{left} at {age}");
        }
    }

    #[test]
    fn a_few_huge_requests_make_the_old_grow_older() {
        let residual = after((0..4_096).map(|n| if n % 20 == 0 { 10.0 } else { 0.5 }));
        assert!(expected(&residual, 0.1, 1.0) < 1.0);
        assert!(expected(&residual, 1.0, 1.0) > 8.0);
    }

    #[test]
    fn a_hang_repels_whatever_the_order() {
        let residual = after(std::iter::repeat_n(1.0, 256));
        assert_eq!(expected(&residual, 7.0, 0.0), 1.0);
        assert_eq!(expected(&residual, 9.0, 0.0), 9.0);
        assert!(expected(&residual, 100.0, 1.0) >= 96.0);
    }

    #[test]
    fn ages_beyond_the_table_are_known_too() {
        let residual = after((0..512).map(|n| if n % 2 == 0 { 0.0 } else { 5_000.0 }));
        assert_eq!(expected(&residual, 0.0, 0.0), 1.0);
        assert!(expected(&residual, 1e6, 1.0) >= 1_024.0);
        assert!(
            expected(&residual, 1e6, 0.3) > 1e5,
            "as old as that it hangs"
        );
    }

    #[test]
    fn old_completions_fade() {
        let ages = std::iter::repeat_n(8.0, 4_096).chain(std::iter::repeat_n(1.0, 61_440));
        let residual = after(ages);
        assert!(residual.total <= MAX_COUNTED);
        assert!(expected(&residual, 0.0, 1.0) < 1.1);
    }
}
