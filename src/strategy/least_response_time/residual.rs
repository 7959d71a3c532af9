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

use super::tuning::{HANG_LEAST, HANG_SHARE, unless_negligible};
use wide::f32x4;

const BUCKETS: usize = 160;
/// The top bits of 2^-10 as an `f32`: sign, exponent, and three bits of fraction.
const LOWEST: usize = (127 - 10) << 3;
/// How many bits of an `f32` are below those.
const SHIFT: u32 = 20;
/// How many values those bits can have; the sign is not among them.
const TOPS: usize = 1 << (31 - SHIFT);
/// What the table says beyond the last bucket: as long again as the last bucket begins at.
const TOLD_OF_THE_OLDEST: f32 = low_edge(BUCKETS);
/// The table is built anew after this many completions.
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
    /// Ages at which requests completed since the table was built, and how many.
    completed: [f32; REBUILD_EVERY],
    since_rebuild: usize,
    /// Mean residual life from the high edge of the bucket of an age, by the top bits of the age:
    /// what is younger than the first bucket counts to it.
    told: [f32; TOPS],
    /// Requests older than this hang.
    hang_after: f32,
}

impl Residual {
    pub(super) fn new() -> Self {
        let mut told = [1.0; TOPS];
        let beyond = told.iter_mut().skip(LOWEST + BUCKETS);
        beyond.for_each(|told| *told = TOLD_OF_THE_OLDEST);
        Self {
            buckets: [Bucket::default(); BUCKETS],
            total: 0.0,
            completed: [0.0; REBUILD_EVERY],
            since_rebuild: 0,
            told,
            hang_after: HANG_LEAST,
        }
    }

    /// `services` and the expected rest of a request of `age` service times. Where the backend
    /// serves `in_order` (1) the oldest request is the one in service and the table is believed;
    /// where it does not, the rest is an average one, unless the age is that of a hang.
    #[inline]
    pub(super) fn after(&self, services: f32x4, age: f32x4, in_order: f32x4) -> f32x4 {
        let told = f32x4::new(age.to_array().map(|age| self.told(age)));
        let hangs = age.simd_gt(f32x4::splat(self.hang_after));
        let untold = hangs.bitselect(age, f32x4::ONE);
        // The table is the last to be there.
        (services + (f32x4::ONE - in_order) * untold) + in_order * told
    }

    /// What the table says of an age.
    #[inline]
    fn told(&self, age: f32) -> f32 {
        let told = self.told.get(top(age) % TOPS);
        told.copied().unwrap_or_default()
    }

    /// Learns the age at which a request completed.
    #[inline]
    pub(super) fn learn(&mut self, age: f32) {
        if let Some(place) = self.completed.get_mut(self.since_rebuild) {
            *place = age;
        }
        self.since_rebuild += 1;
        if self.since_rebuild >= REBUILD_EVERY {
            self.rebuild();
        }
    }

    /// Counts what completed since the table was built.
    fn count(&mut self) {
        for age in self.completed {
            let place = top(age).saturating_sub(LOWEST).min(BUCKETS - 1);
            if let Some(bucket) = self.buckets.get_mut(place) {
                bucket.count += 1.0;
                bucket.sum += age;
            }
        }
        self.since_rebuild = 0;
        self.total += REBUILD_EVERY as f32;
        if self.total > MAX_COUNTED {
            self.halve();
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
    #[cold]
    fn rebuild(&mut self) {
        self.count();
        let mut beyond = Bucket::default();
        let mut rare_from = low_edge(BUCKETS);
        let mut after = low_edge(BUCKETS);
        let Some((younger, told)) = self.told.split_first_chunk_mut::<LOWEST>() else {
            return;
        };
        for (index, (bucket, told)) in self.buckets.iter().zip(&mut *told).enumerate().rev() {
            *told = after;
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
        if let Some(first) = told.first() {
            younger.fill(*first);
        }
        self.hang_after = HANG_LEAST.max(rare_from);
    }
}

/// The top bits of an age, which is not negative: they tell its bucket.
const fn top(age: f32) -> usize {
    (age.to_bits() >> SHIFT) as usize
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
        let rest = residual.after(f32x4::ZERO, f32x4::splat(age), f32x4::splat(in_order));
        rest.to_array()[3]
    }

    #[test]
    fn buckets_tile_the_ages() {
        assert_eq!(low_edge(0), 2.0_f32.powi(-10));
        assert_eq!(low_edge(BUCKETS), 1_024.0);
        for index in 0..BUCKETS {
            assert_eq!(top(low_edge(index)), LOWEST + index);
            assert_eq!(top(low_edge(index + 1) * (1.0 - 1e-6)), LOWEST + index);
        }
        assert!(top(f32::INFINITY) < TOPS);
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
