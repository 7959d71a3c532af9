//! How long backends take to answer: a histogram, and the quantiles that are shown of it.
//!
//! It does not know whose response times they are. Invariant: a histogram takes any duration and
//! its memory is bounded, whatever it is fed.
//!
//! Refused: the histogram of a library, as it is used for turns. With many backends each is cold
//! when its response comes, and one that keeps its sums and its extremes ready takes five lines of
//! memory for that. This one takes the line of its counts, and adds up when it is asked.

use std::time::Duration;

/// Times below this, in microseconds, are told apart. Above, there are half as many steps to each
/// doubling, so that a step is less than a thousandth: three significant digits.
const EXACT: usize = 2 * STEPS;
/// Steps to each doubling.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 10;

/// The longest response time that is told from a longer one, in microseconds: an hour.
const MAX_MICROS: u64 = 3_600_000_000;

/// Response times, from 1 µs to 1 h; what is shorter or longer counts as that.
///
/// It allocates nothing before its first sample, and then 8 KiB plus 4 KiB for each doubling of
/// the longest response time above 2 ms: 44 KiB for a second, 92 KiB for an hour. It grows at
/// most 21 times in its life, which is the only time that recording allocates.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseTimeHistogram(Vec<u32>);

impl ResponseTimeHistogram {
    /// Adds one response time.
    pub(crate) fn record(&mut self, response_time: Duration) {
        let micros = u64::try_from(response_time.as_micros()).unwrap_or(u64::MAX);
        let step = step_of(micros.clamp(1, MAX_MICROS));
        if step >= self.0.len() {
            self.make_room(step);
        }
        if let Some(count) = self.0.get_mut(step) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds all that `other` has seen.
    pub(super) fn add(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count = count.saturating_add(*more);
        }
    }

    /// What is shown of it; `None` before the first sample.
    pub(crate) fn quantiles(&self) -> Option<ResponseTimes> {
        let seen = |step: &usize| self.0.get(*step).is_some_and(|count| *count > 0);
        let min = (0..self.0.len()).find(seen)?;
        let max = (0..self.0.len()).rfind(seen)?;
        let samples = self.0.iter().copied().map(u64::from).sum();
        let at = |quantile| longest_of(self.at(quantile, samples).unwrap_or(max));
        Some(ResponseTimes {
            samples,
            min: shortest_of(min),
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            max: longest_of(max),
        })
    }

    /// The first step that so large a part of the samples does not exceed.
    fn at(&self, quantile: f64, samples: u64) -> Option<usize> {
        let wanted = (quantile * samples as f64).ceil() as u64;
        let mut passed = 0;
        self.0.iter().position(|count| {
            passed += u64::from(*count);
            passed >= wanted
        })
    }

    #[cold]
    fn make_room(&mut self, step: usize) {
        let steps = EXACT.max((step / STEPS + 1) * STEPS);
        self.0.reserve_exact(steps.saturating_sub(self.0.len()));
        self.0.resize(steps, 0);
    }
}

/// The step in which a time is counted.
const fn step_of(micros: u64) -> usize {
    let doublings = (u64::BITS - micros.leading_zeros()).saturating_sub(STEP_BITS + 1);
    (doublings as usize) * STEPS + (micros >> doublings) as usize
}

/// The shortest time that is counted in a step.
const fn shortest_of(step: usize) -> Duration {
    let doublings = (step / STEPS).saturating_sub(1);
    Duration::from_micros(((step - doublings * STEPS) as u64) << doublings)
}

/// The longest.
const fn longest_of(step: usize) -> Duration {
    shortest_of(step + 1).saturating_sub(Duration::from_micros(1))
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
        assert_eq!(histogram.0.capacity(), 0);
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
        let counts = histogram.0.len();
        assert!(counts * size_of::<u32>() <= 92 * 1024, "{counts} counts");
    }

    #[test]
    fn steps_follow_each_other_and_are_less_than_a_thousandth() {
        for step in 1..step_of(MAX_MICROS) {
            let (shortest, longest) = (shortest_of(step), longest_of(step));
            assert_eq!(longest + Duration::from_micros(1), shortest_of(step + 1));
            for time in [shortest, longest] {
                assert_eq!(step_of(time.as_micros() as u64), step);
                assert!(close(time, shortest));
            }
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
