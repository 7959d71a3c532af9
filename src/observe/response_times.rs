//! How long backends take to answer: a histogram, and the quantiles that are shown of it.
//!
//! It does not know whose response times they are. Invariant: a histogram takes any duration and
//! its memory is bounded, whatever it is fed.

use hdrhistogram::Histogram;
use std::time::Duration;

/// What is told apart: 3 significant digits, 1.234 s from 1.235 s.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The longest response time that is told from a longer one, in microseconds: an hour.
const MAX_MICROS: u64 = 3_600_000_000;

/// Response times, from 1 µs to 1 h; what is shorter or longer counts as that.
///
/// It allocates nothing before its first sample, and then 8 KiB plus 4 KiB for each doubling of
/// the longest response time above 2 ms: 44 KiB for a second, 92 KiB for an hour. It grows at
/// most 21 times in its life, which is the only time that recording allocates.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseTimeHistogram(Option<Histogram<u32>>);

impl ResponseTimeHistogram {
    /// Adds one response time.
    pub(crate) fn record(&mut self, response_time: Duration) {
        let micros = u64::try_from(response_time.as_micros()).unwrap_or(u64::MAX);
        if let Some(histogram) = self.allocated() {
            // The range is bounded above, so growing cannot fail for want of address space.
            let _ = histogram.record(micros.clamp(1, MAX_MICROS));
        }
    }

    /// Adds all that `other` has seen.
    pub(super) fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0
            && let Some(histogram) = self.allocated()
        {
            // Both are bounded alike: see `record`.
            let _ = histogram.add(other);
        }
    }

    /// What is shown of it; `None` before the first sample.
    pub(crate) fn quantiles(&self) -> Option<ResponseTimes> {
        let histogram = self.0.as_ref()?;
        let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
        Some(ResponseTimes {
            samples: histogram.len(),
            min: Duration::from_micros(histogram.min()),
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            max: Duration::from_micros(histogram.max()),
        })
    }

    /// `None` only if the number of digits were not one that histograms come with.
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
pub struct ResponseTimes {
    /// How many were measured.
    pub samples: u64,
    /// The shortest.
    pub min: Duration,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 90 % of them took no longer.
    pub p90: Duration,
    /// 99 % of them took no longer.
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
    fn what_is_out_of_range_counts_as_its_end_and_memory_stays_bounded() {
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
    fn a_sum_has_seen_what_its_parts_have() {
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
