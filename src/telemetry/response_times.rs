//! How long backends take to answer: a histogram, and the quantiles that are shown of it.
//!
//! It does not know whose response times they are. Invariant: a histogram takes any duration and
//! its memory is bounded, whatever it is fed; what waits to be counted is shown as well.

use hdrhistogram::Histogram;
use std::mem;
use std::num::NonZeroU32;
use std::time::Duration;

/// What is told apart: 3 significant digits, 1.234 s from 1.235 s.
const SIGNIFICANT_DIGITS: u8 = 3;

/// The longest response time that is told from a longer one, in microseconds: an hour.
const MAX_MICROS: u32 = 3_600_000_000;

/// How many response times wait at most: as many as fill up the lines of memory that every
/// exchange needs of its backend's counters.
pub(super) const WAITING: usize = 8;

/// Response times, from 1 µs to 1 h; what is shorter or longer counts as that.
///
/// With many backends each is cold when its response comes, and to count in a histogram takes
/// three lines of memory or more that nothing else needs. So response times wait beside the other
/// counters until there is no place for one more, and then are counted in one go.
///
/// It allocates nothing before that. Then it counts in 8 KiB, and 4 KiB more for each doubling of
/// the longest response time above 2 ms: 44 KiB for a second, 92 KiB for an hour. It grows at
/// most 21 times in its life, which is the only time that recording allocates.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct ResponseTimeHistogram {
    waiting_micros: [Option<NonZeroU32>; WAITING],
    counted: Option<Histogram<u32>>,
}

impl ResponseTimeHistogram {
    /// Adds one response time.
    pub(crate) fn record(&mut self, response_time: Duration) {
        let micros = micros_in_range(response_time);
        match self.waiting_micros.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(micros),
            None => self.make_room_for(micros),
        }
    }

    /// Adds all that `other` has seen.
    pub(super) fn add(&mut self, other: &Self) {
        if let Some(other) = &other.counted
            && let Some(counted) = self.allocated()
        {
            // Both are bounded alike: see `count`.
            let _ = counted.add(other);
        }
        for micros in other.waiting_micros.into_iter().flatten() {
            self.count(micros);
        }
    }

    /// What is shown of it; `None` before the first sample.
    pub(crate) fn quantiles(&self) -> Option<ResponseTimes> {
        let mut all = self.clone();
        all.count_waiting();
        let counted = all.counted?;
        let [min, max] = [counted.min(), counted.max()].map(Duration::from_micros);
        let at = |quantile| match counted.value_at_quantile(quantile) {
            // It ran out of counts, as one of them is full and did not take all there were.
            0 => max,
            micros => Duration::from_micros(micros),
        };
        Some(ResponseTimes {
            samples: counted.len(),
            min,
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            max,
        })
    }

    #[cold]
    fn make_room_for(&mut self, micros: NonZeroU32) {
        self.count_waiting();
        self.count(micros);
    }

    fn count_waiting(&mut self) {
        let waiting_micros = mem::take(&mut self.waiting_micros);
        for micros in waiting_micros.into_iter().flatten() {
            self.count(micros);
        }
    }

    fn count(&mut self, micros: NonZeroU32) {
        if let Some(counted) = self.allocated() {
            // The range is bounded above, so growing cannot fail for want of address space.
            let _ = counted.record(micros.get().into());
        }
    }

    /// `None` only if the number of digits were not one that histograms come with.
    fn allocated(&mut self) -> Option<&mut Histogram<u32>> {
        if self.counted.is_none() {
            self.counted = Histogram::new(SIGNIFICANT_DIGITS).ok();
        }
        self.counted.as_mut()
    }
}

fn micros_in_range(response_time: Duration) -> NonZeroU32 {
    let micros = u32::try_from(response_time.as_micros()).unwrap_or(u32::MAX);
    NonZeroU32::new(micros.min(MAX_MICROS)).unwrap_or(NonZeroU32::MIN)
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
        assert!(histogram.counted.is_none());
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
        histogram.count_waiting();
        let counts = histogram.counted.map_or(0, |h| h.distinct_values());
        assert!(counts * size_of::<u32>() <= 92 * 1024, "{counts} counts");
    }

    #[test]
    fn what_waits_is_shown_and_is_counted_in_a_sum() {
        let millis = |range: std::ops::RangeInclusive<u64>| range.map(Duration::from_millis);
        let mut histogram = ResponseTimeHistogram::default();
        for (samples, response_time) in (1..).zip(millis(1..=WAITING as u64)) {
            histogram.record(response_time);
            let shown = histogram.quantiles().expect("it has samples");
            assert_eq!(shown.samples, samples);
            assert!(close(shown.max, response_time));
        }
        assert!(histogram.counted.is_none(), "all of them wait");
        let recorded = WAITING as u64 + 2;
        for response_time in millis(WAITING as u64 + 1..=recorded) {
            histogram.record(response_time);
        }
        let counted = histogram.counted.as_ref().map(Histogram::len);
        assert_eq!(counted, Some(recorded - 1), "the last one waits");

        let mut sum = ResponseTimeHistogram::default();
        for samples in [recorded, 2 * recorded] {
            sum.add(&histogram);
            let shown = sum.quantiles().expect("it has samples");
            assert_eq!(shown.samples, samples);
            assert!(close(shown.min, Duration::from_millis(1)));
            assert!(close(shown.max, Duration::from_millis(recorded)));
        }
        let shown = histogram.quantiles().map(|shown| shown.samples);
        assert_eq!(shown, Some(recorded));
    }

    #[test]
    fn a_count_that_is_full_does_not_make_quantiles_vanish() {
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
