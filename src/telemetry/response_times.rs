//! Response times of backends: a histogram and the quantiles shown of it.
//!
//! It does not know which backend. Invariant: a histogram takes any duration, and its memory is
//! bounded.

use super::time_buckets::{BUCKET_BOUNDS_MICROS, TimeBuckets};
use hdrhistogram::Histogram;
use std::time::Duration;

/// Three significant digits tell 1.234 s from 1.235 s.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Longer response times count as an hour. Microseconds.
const MAX_MICROS: u64 = 3_600_000_000;

/// Response times from 1 µs to 1 h; shorter and longer ones count as those.
///
/// It allocates at the first one: 8 KiB, and 4 KiB more for each doubling of the longest response
/// time above 2 ms, which is 44 KiB for a second and 92 KiB for an hour. It grows at most 21 times
/// in its life, which is the only time that recording allocates.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseTimeHistogram(Option<Histogram<u32>>);

impl ResponseTimeHistogram {
    /// Adds one response time.
    pub(crate) fn record(&mut self, response_time: Duration) {
        // By hand: `as_micros` works in 128 bits.
        let whole = response_time.as_secs().saturating_mul(1_000_000);
        let micros = whole.saturating_add(response_time.subsec_micros().into());
        let micros = micros.clamp(1, MAX_MICROS);
        if let Some(histogram) = self.allocated() {
            // The range is bounded above, so growing cannot fail for want of address space.
            let _ = histogram.record(micros);
        }
    }

    /// Adds the samples of another histogram.
    pub(super) fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0
            && let Some(histogram) = self.allocated()
        {
            // Both have the same bound.
            let _ = histogram.add(other);
        }
    }

    /// Its quantiles; `None` before the first sample.
    pub(crate) fn quantiles(&self) -> Option<ResponseTimes> {
        let histogram = self.0.as_ref()?;
        let [min, max] = [histogram.min(), histogram.max()].map(Duration::from_micros);
        let at = |quantile| match histogram.value_at_quantile(quantile) {
            // It ran out of counts: one of them is full and missed some samples.
            0 => max,
            micros => Duration::from_micros(micros),
        };
        Some(ResponseTimes {
            samples: histogram.len(),
            sum: Duration::from_secs_f64(histogram.mean() * histogram.len() as f64 / 1e6),
            min,
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            max,
        })
    }

    /// Its samples in fixed buckets, of whose bounds it knows three digits.
    pub(super) fn buckets(&self) -> TimeBuckets {
        let Some(histogram) = &self.0 else {
            return TimeBuckets::default();
        };
        let mut from = 0;
        let counts = BUCKET_BOUNDS_MICROS.into_iter().chain([MAX_MICROS]);
        let counts = counts.map(|bound| {
            // A value is counted with those that look the same to three digits.
            let low = std::mem::replace(&mut from, histogram.next_non_equivalent(bound));
            histogram.count_between(low, bound)
        });
        let sum = Duration::from_secs_f64(histogram.mean() * histogram.len() as f64 / 1e6);
        TimeBuckets::of(counts, sum)
    }

    /// `None` only if the crate supported no such number of digits.
    fn allocated(&mut self) -> Option<&mut Histogram<u32>> {
        if self.0.is_none() {
            self.0 = Histogram::new(SIGNIFICANT_DIGITS).ok();
        }
        self.0.as_mut()
    }
}

/// Quantiles of response times, from dispatch to the first byte of the response; exact to three
/// digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseTimes {
    /// Number of samples.
    pub samples: u64,
    /// All together, to three digits.
    pub sum: Duration,
    /// The shortest.
    pub min: Duration,
    /// Median.
    pub p50: Duration,
    /// 90th percentile.
    pub p90: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal to three digits.
    fn close(actual: Duration, expected: Duration) -> bool {
        actual.abs_diff(expected) * 1_000 <= expected
    }

    #[test]
    fn nothing_is_allocated_or_shown_before_the_first_sample() {
        let mut histogram = ResponseTimeHistogram::default();
        histogram.add(&ResponseTimeHistogram::default());
        assert!(histogram.0.is_none());
        assert_eq!(histogram.quantiles(), None);
    }

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut histogram = ResponseTimeHistogram::default();
        for millis in 1..=1_000 {
            histogram.record(Duration::from_millis(millis));
        }
        let shown = histogram.quantiles().expect("it has samples");
        assert_eq!(shown.samples, 1_000);
        for (actual, millis) in [
            (shown.min, 1),
            (shown.p50, 500),
            (shown.p90, 900),
            (shown.p99, 990),
            (shown.max, 1_000),
        ] {
            let expected = Duration::from_millis(millis);
            assert!(close(actual, expected), "{actual:?} for {expected:?}");
        }
    }

    #[test]
    fn times_out_of_range_count_as_its_ends_and_memory_stays_bounded() {
        let mut histogram = ResponseTimeHistogram::default();
        histogram.record(Duration::ZERO);
        assert_eq!(
            histogram.quantiles().map(|shown| shown.max),
            Some(Duration::from_micros(1))
        );
        histogram.record(Duration::MAX);
        let shown = histogram.quantiles().expect("it has samples");
        assert_eq!((shown.samples, shown.p50), (2, Duration::from_micros(1)));
        assert!(close(shown.max, Duration::from_secs(3_600)));
        let counts = histogram.0.map_or(0, |h| h.distinct_values());
        assert!(counts * size_of::<u32>() <= 92 * 1024, "{counts} counts");
    }

    #[test]
    fn a_full_count_does_not_make_quantiles_vanish() {
        let mut histogram = ResponseTimeHistogram::default();
        let counted = histogram.allocated().expect("these digits exist");
        for _ in 0..2 {
            counted.record_n(1_000, u32::MAX).expect("it is in range");
        }
        histogram.record(Duration::from_millis(2));
        let shown = histogram.quantiles().expect("it has samples");
        for quantile in [shown.p90, shown.p99] {
            assert!(close(quantile, Duration::from_millis(2)));
        }
    }

    #[test]
    fn every_sample_is_in_one_bucket() {
        let mut histogram = ResponseTimeHistogram::default();
        assert_eq!(histogram.buckets(), TimeBuckets::default());
        for millis in 1..=12_000 {
            histogram.record(Duration::from_millis(millis));
        }
        let buckets = histogram.buckets();
        assert_eq!(buckets.count(), 12_000);
        let mut below = 0;
        for (bound, count) in buckets.iter() {
            below += count;
            let expected = bound.map_or(12_000, |bound| bound.as_millis() as u64);
            let slack = expected / 1_000 + 1;
            assert!(below.abs_diff(expected) <= slack, "{bound:?}: {below}");
        }
        assert!(close(buckets.sum(), Duration::from_millis(72_006_000)));
    }

    #[test]
    fn histograms_add_up() {
        let [mut fast, mut slow] = [(); 2].map(|()| ResponseTimeHistogram::default());
        for _ in 0..90 {
            fast.record(Duration::from_millis(1));
        }
        for _ in 0..10 {
            slow.record(Duration::from_secs(1));
        }
        let mut sum = ResponseTimeHistogram::default();
        sum.add(&fast);
        sum.add(&slow);
        let shown = sum.quantiles().expect("it has samples");
        assert_eq!(shown.samples, 100);
        assert!(close(shown.p90, Duration::from_millis(1)));
        assert!(close(shown.p99, Duration::from_secs(1)));
    }
}
