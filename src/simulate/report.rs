//! The result of a run.
//!
//! Times are kept exactly, one a request, and sorted once at the end; choices are counted for
//! each server and second.

use crate::time::Timestamp;
use std::time::Duration;

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// From arrival to response, sorted. Nanoseconds.
    times: Vec<u64>,
    failures: u64,
    servers: usize,
    /// Choices by second and server, one second after the other.
    choices: Vec<u32>,
}

impl Report {
    /// Returns how many requests there were.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.times.len()
    }

    /// Returns how many requests failed.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// The share of requests that failed, 0 to 1.
    #[must_use]
    pub fn failure_share(&self) -> f64 {
        self.failures as f64 / self.times.len().max(1) as f64
    }

    /// The time within which this share of requests (0 to 1) was served.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let rank = (share * self.times.len() as f64).ceil() as usize;
        let time = self.times.get(rank.saturating_sub(1)).or(self.times.last());
        Duration::from_nanos(time.copied().unwrap_or_default())
    }

    /// The mean time.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let sum: u128 = self.times.iter().map(|&time| u128::from(time)).sum();
        let mean = sum / self.times.len().max(1) as u128;
        Duration::from_nanos(mean.try_into().unwrap_or(u64::MAX))
    }

    /// The share of all choices that each server got, in the order of the pool.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        self.shares_between(0, usize::MAX)
    }

    /// As [`shares`](Self::shares), in the seconds from the one to before the other.
    #[must_use]
    pub fn shares_between(&self, from_s: usize, until_s: usize) -> Vec<f64> {
        let mut sums = vec![0_u64; self.servers];
        let seconds = self.seconds().take(until_s).skip(from_s);
        for second in seconds {
            for (sum, choices) in sums.iter_mut().zip(second) {
                *sum += u64::from(*choices);
            }
        }
        let all = sums.iter().sum::<u64>().max(1) as f64;
        sums.iter().map(|&sum| sum as f64 / all).collect()
    }

    /// Returns how often each server was chosen, second by second.
    pub fn seconds(&self) -> impl Iterator<Item = &[u32]> {
        self.choices.chunks(self.servers.max(1))
    }
}

/// A report in the making.
#[derive(Debug)]
pub(super) struct Tally {
    report: Report,
    timeout: u64,
}

impl Tally {
    pub(super) fn new(servers: usize, requests: u64, timeout: Duration) -> Self {
        Self {
            report: Report {
                // What is remembered is bounded by the machine, what is reserved by good sense.
                times: Vec::with_capacity(requests.min(1 << 24) as usize),
                failures: 0,
                servers,
                choices: Vec::new(),
            },
            timeout: u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn chosen(&mut self, server: usize, now: Timestamp) {
        let second = (now.as_nanos() / 1_000_000_000) as usize;
        let Report {
            servers, choices, ..
        } = &mut self.report;
        let end = (second + 1) * *servers;
        if choices.len() < end {
            choices.resize(end, 0);
        }
        if let Some(count) = choices.get_mut(second * *servers + server) {
            *count += 1;
        }
    }

    pub(super) fn served(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.report.times.push(nanos);
    }

    pub(super) fn failed(&mut self, time: Duration) {
        self.report.failures += 1;
        self.served(time.max(Duration::from_nanos(self.timeout)));
    }

    pub(super) fn into_report(mut self) -> Report {
        self.report.times.sort_unstable();
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_given_times() {
        let mut tally = Tally::new(1, 100, Duration::from_secs(1));
        (1..=100)
            .rev()
            .for_each(|n| tally.served(Duration::from_millis(n)));
        let report = tally.into_report();
        let millis = |share: f64| report.percentile(share).as_millis();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(millis), [1, 50, 99, 100]);
        assert_eq!(report.mean(), Duration::from_micros(50_500));
    }

    #[test]
    fn failure_counts_as_the_whole_timeout() {
        let mut tally = Tally::new(1, 2, Duration::from_secs(30));
        tally.served(Duration::from_millis(1));
        tally.failed(Duration::from_millis(1));
        let report = tally.into_report();
        assert_eq!(report.percentile(1.0), Duration::from_secs(30));
        assert_eq!((report.failures(), report.failure_share()), (1, 0.5));
    }

    #[test]
    fn shares_are_counted_by_second() {
        let mut tally = Tally::new(2, 4, Duration::from_secs(1));
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        for (server, millis) in [(0, 0), (0, 999), (1, 500), (1, 2_000)] {
            tally.chosen(server, at(millis));
        }
        let report = tally.into_report();
        assert_eq!(report.shares(), [0.5, 0.5]);
        assert_eq!(report.shares_between(2, 3), [0.0, 1.0]);
        let seconds: Vec<_> = report.seconds().collect();
        assert_eq!(seconds, [&[2, 1][..], &[0, 0], &[0, 1]]);
    }

    #[test]
    fn nothing_is_a_report_too() {
        let report = Tally::new(1, 0, Duration::ZERO).into_report();
        assert_eq!(report.percentile(0.99), Duration::ZERO);
        assert_eq!(report.failure_share(), 0.0);
    }
}
