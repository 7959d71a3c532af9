//! Traffic of the last minute, from all lbs together.

use super::Sample;
use crate::fleet::time::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// How far back it reaches.
pub(super) const LENGTH: Duration = Duration::from_secs(60);
/// Samples kept: a minute of sixteen lbs that are asked once a second.
const MOST: usize = 1_024;

/// The samples of the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    samples: VecDeque<(Moment, String, Sample)>,
    first: Option<Moment>,
}

impl Window {
    pub(super) fn push(&mut self, source: &str, at: Moment, sample: Sample) {
        self.first = self.first.or(Some(at.minus(sample.span)));
        self.samples.push_back((at, source.to_owned(), sample));
        while self
            .samples
            .front()
            .is_some_and(|(then, ..)| at.since(*then) >= LENGTH || self.samples.len() > MOST)
        {
            self.samples.pop_front();
        }
    }

    pub(super) fn last(&self) -> Option<Moment> {
        self.samples.back().map(|(at, ..)| *at)
    }

    /// Arrivals a second over the last `span`, and how many seconds that was measured over.
    pub(super) fn rate(&self, now: Moment, span: Duration) -> Option<(f64, f64)> {
        let known = now.since(self.first?);
        let seconds = span.min(known).as_secs_f64();
        if seconds < 1.0 {
            return None;
        }
        let recent = self.samples.iter().filter(|(at, ..)| now.since(*at) < span);
        let arrivals: f64 = recent.map(|(_, _, sample)| sample.arrivals).sum();
        Some((arrivals / seconds, seconds))
    }

    /// Responses, their durations and the busy time of the servers over the window.
    pub(super) fn work(&self) -> (f64, f64, f64) {
        self.samples
            .iter()
            .fold((0.0, 0.0, 0.0), |sum, (_, _, sample)| {
                (
                    sum.0 + sample.responses,
                    sum.1 + sample.response_seconds,
                    sum.2 + sample.busy_seconds,
                )
            })
    }

    /// Requests in queues by the latest sample of each lb.
    pub(super) fn queued(&self, now: Moment) -> f64 {
        let mut seen: Vec<&str> = Vec::new();
        let mut queued = 0.0;
        for (at, source, sample) in self.samples.iter().rev() {
            if now.since(*at) > Duration::from_secs(3) {
                break;
            }
            if !seen.contains(&source.as_str()) {
                seen.push(source);
                queued += sample.queued;
            }
        }
        queued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(arrivals: f64, queued: f64) -> Sample {
        Sample {
            span: Duration::from_secs(1),
            arrivals,
            queued,
            ..Sample::default()
        }
    }

    #[test]
    fn rates_are_of_what_was_measured() {
        let mut window = Window::default();
        for second in 1..=10_u64 {
            window.push("a", Moment(second * 1_000), sample(10.0, 0.0));
            window.push("b", Moment(second * 1_000), sample(5.0, 0.0));
        }
        let now = Moment(10_000);
        let (rate, seconds) = window.rate(now, LENGTH).expect("ten seconds are known");
        assert_eq!((rate, seconds), (15.0, 10.0));
        assert_eq!(window.rate(now, Duration::from_secs(5)), Some((15.0, 5.0)));
    }

    #[test]
    fn queues_of_all_lbs_add_up_and_only_the_latest_counts() {
        let mut window = Window::default();
        window.push("a", Moment(1_000), sample(0.0, 99.0));
        window.push("a", Moment(2_000), sample(0.0, 3.0));
        window.push("b", Moment(2_000), sample(0.0, 4.0));
        assert_eq!(window.queued(Moment(2_500)), 7.0);
        assert_eq!(window.queued(Moment(9_000)), 0.0);
    }

    #[test]
    fn forgets_what_is_older_than_a_minute() {
        let mut window = Window::default();
        for second in 1..=200_u64 {
            window.push("a", Moment(second * 1_000), sample(1.0, 0.0));
        }
        assert_eq!(window.samples.len(), 60);
    }
}
