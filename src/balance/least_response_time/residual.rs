//! How long a request that has been in service for some time will still take.
//!
//! One histogram for the pool holds the ages at which requests completed, in expected service
//! times of their backends. From it follows the mean residual life at each age: about constant
//! where service times are exponential, shrinking where they are alike, growing where a few are
//! huge (then a backend that has been busy for long will be busy for longer). That last case is
//! what counting outstanding requests cannot see.
//!
//! Ages fall into 160 buckets from 2^-10 to 2^10, eight equal steps an octave, so that the bucket
//! of an age is a shift of its floating-point representation: no logarithm is taken at a pick.

use super::row::Row;
use super::tuning::{HANG_LEAST, HANG_SHARE, unless_negligible};

const BUCKETS: usize = 160;
/// The top bits of 2^-10 as an `f32`: sign, exponent, and three bits of fraction.
const LOWEST: u32 = (127 - 10) << 3;
/// How many bits of an `f32` are below those.
const SHIFT: u32 = 20;
/// What is younger is in the first bucket.
const LEAST_AGE: f32 = low_edge(0);
/// What the table says beyond its end: as long again as the last bucket begins at.
const TOLD_OF_THE_OLDEST: f32 = low_edge(BUCKETS);
/// The table is built anew after this many completions.
const REBUILD_EVERY: u32 = 256;
/// All counts are halved when their total passes this.
const MOST_COUNTED: f64 = 8_192.0;
/// Fewer completions than this beyond an age do not make a mean.
const FEW: f64 = 3.0;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    count: f64,
    sum: f64,
}

/// Mean residual life by age.
#[derive(Clone, Debug)]
pub(super) struct Residual {
    buckets: [Bucket; BUCKETS],
    total: f64,
    since_rebuild: u32,
    /// Mean residual life from the low edge of each bucket, and of the one after the last.
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
            hang_after: HANG_LEAST,
        }
    }

    /// The expected rest of a request of `age` service times. Where the backend serves `in_order`
    /// (1) the oldest request is the one in service and the table is believed; where it does not,
    /// the rest is an average one, unless the age is that of a hang.
    pub(super) fn expected(&self, age: Row, in_order: Row) -> Row {
        let told = age.at_least(Row::all(LEAST_AGE)).map(|age| {
            let entry = self.table.get(bucket(age) + 1);
            entry.copied().unwrap_or(TOLD_OF_THE_OLDEST)
        });
        let untold = Row::all(self.hang_after).if_below(age, age, Row::all(1.0));
        untold + in_order * (told - untold)
    }

    /// Learns the age at which a request completed.
    pub(super) fn learn(&mut self, age: f32) {
        let place = bucket(age.max(LEAST_AGE)).min(BUCKETS - 1);
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.count += 1.0;
            bucket.sum += f64::from(age);
            self.total += 1.0;
        }
        if self.total > MOST_COUNTED {
            self.halve();
        }
        self.since_rebuild += 1;
        if self.since_rebuild == REBUILD_EVERY {
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

    /// Walks from the oldest bucket to the youngest, summing up what completed beyond each.
    fn rebuild(&mut self) {
        self.since_rebuild = 0;
        let mut beyond = Bucket::default();
        let mut rare_from = low_edge(BUCKETS);
        if let Some(last) = self.table.last_mut() {
            *last = low_edge(BUCKETS);
        }
        for (index, bucket) in self.buckets.iter().enumerate().rev() {
            beyond.count += bucket.count;
            beyond.sum += bucket.sum;
            let low = low_edge(index);
            if beyond.count <= HANG_SHARE * self.total {
                rare_from = low;
            }
            if let Some(entry) = self.table.get_mut(index) {
                *entry = if beyond.count > FEW {
                    ((beyond.sum / beyond.count) as f32 - low).max(0.0)
                } else {
                    low
                };
            }
        }
        self.hang_after = HANG_LEAST.max(rare_from);
    }
}

/// The bucket of an age, [`LEAST_AGE`] or older; of one beyond the last bucket, a greater number.
fn bucket(age: f32) -> usize {
    (age.to_bits() >> SHIFT).wrapping_sub(LOWEST) as usize
}

/// The least age in a bucket.
const fn low_edge(bucket: usize) -> f32 {
    f32::from_bits((LOWEST + bucket as u32) << SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Rng;

    fn after(ages: impl Iterator<Item = f32>) -> Residual {
        let mut residual = Residual::new();
        ages.for_each(|age| residual.learn(age));
        residual
    }

    fn expected(residual: &Residual, age: f32, in_order: f32) -> f32 {
        let rest = residual.expected(Row::all(age), Row::all(in_order));
        rest.get(3).unwrap()
    }

    #[test]
    fn buckets_tile_the_ages() {
        assert_eq!(low_edge(0), 2.0_f32.powi(-10));
        assert_eq!(low_edge(BUCKETS), 1_024.0);
        for index in 0..BUCKETS {
            assert_eq!(bucket(low_edge(index)), index);
            assert_eq!(bucket(low_edge(index + 1) * (1.0 - 1e-6)), index);
        }
        assert!(bucket(1_024.0) >= BUCKETS && bucket(f32::INFINITY) >= BUCKETS);
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
        assert!(residual.total <= MOST_COUNTED);
        assert!(expected(&residual, 0.0, 1.0) < 1.1);
    }
}
