//! Backends that respond far too slowly, compared with the others.
//!
//! A server can fail without an error: its disk dies, it swaps, it waits for a lock. Strategies
//! that look at response times give such a backend less by themselves; the others go on sending to
//! it. This ejects it, and is meant never to be wrong rather than to be right early:
//! * the *median* of 20 responses in a row is compared, so that few slow pages do not matter;
//! * where responses come in the order of the requests, each is divided by the queue it met, so
//!   that a long queue does not look like a slow server;
//! * it has to be many times the median of the others, and half a second more besides: servers that
//!   are merely older, or further away, stay, and so do all when all are slow;
//! * keyed strategies and affinity bring each backend requests of its own kind. Their times are no
//!   evidence, and eject no backend.
//!
//! Refused: comparing means, which one long response moves; comparing a backend with its own past,
//! which a nightly job looks worse than.

use crate::time::Timestamp;
use std::time::Duration;

/// Responses that make a median.
const SAMPLES: usize = 20;
/// They have to come within this, and a median this old is none.
const RECENT: Duration = Duration::from_secs(30);
/// The least excess over the others' median for an ejection.
pub(super) const MIN_EXCESS: Duration = Duration::from_millis(500);

/// So many of them that overtook an older request show that requests do not stand in line.
const OUT_OF_ORDER: u32 = 3;

/// The facts of one response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response {
    pub(super) time: Duration,
    /// Exchanges that were in flight there before it.
    pub(super) ahead: u32,
    pub(super) overtook: bool,
}

/// The latency of one backend. The fields each response needs stand together, and so do the two
/// numbers that are kept of it.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct LatencyOutlier {
    count: u32,
    /// Number of them that overtook an older request.
    overtaking: u32,
    began_at: Timestamp,
    /// Responses since the last median.
    samples: [Sample; SAMPLES],
    /// The last median, and when it was found.
    median: Option<(Duration, Timestamp)>,
}

/// The figures kept of one response.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    time_us: u32,
    /// The same divided by the queue it met.
    share_us: u32,
}

impl LatencyOutlier {
    /// A response came. Returns the median if that makes one.
    pub(super) fn add(&mut self, response: Response, now: Timestamp) -> Option<Duration> {
        if self.count == 0 || now.since(self.began_at) > RECENT {
            (self.count, self.overtaking, self.began_at) = (0, 0, now);
        }
        let time_us = u32::try_from(response.time.as_micros()).unwrap_or(u32::MAX);
        *self.samples.get_mut(self.count as usize)? = Sample {
            time_us,
            share_us: time_us / response.ahead.saturating_add(1),
        };
        self.overtaking += u32::from(response.overtook);
        self.count += 1;
        if self.count < SAMPLES as u32 {
            return None;
        }
        self.count = 0;
        let mut times = match self.overtaking >= OUT_OF_ORDER {
            true => self.samples.map(|sample| sample.time_us),
            false => self.samples.map(|sample| sample.share_us),
        };
        let (_, median, _) = times.select_nth_unstable(SAMPLES / 2);
        let median = Duration::from_micros((*median).into());
        self.median = Some((median, now));
        Some(median)
    }

    /// Returns how long it takes, if that is known.
    pub(super) fn typical(&self, now: Timestamp) -> Option<Duration> {
        let (median, found_at) = self.median?;
        (now.since(found_at) <= RECENT).then_some(median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    fn response(millis: u64) -> Response {
        Response {
            time: Duration::from_millis(millis),
            ahead: 0,
            overtook: false,
        }
    }

    #[test]
    fn twenty_responses_make_a_median_that_few_slow_ones_do_not_move() {
        let mut latency_outlier = LatencyOutlier::default();
        let times = (0..20).map(|n| if n % 3 == 0 { 9_000 } else { n });
        let found: Vec<_> = times
            .filter_map(|n| latency_outlier.add(response(n), at(0)))
            .collect();
        assert_eq!(found, [Duration::from_millis(16)]);
        assert_eq!(latency_outlier.typical(at(30_000)), Some(found[0]));
        assert_eq!(latency_outlier.typical(at(30_001)), None);
    }

    #[test]
    fn rare_responses_make_no_median() {
        let mut latency_outlier = LatencyOutlier::default();
        for n in 0..100 {
            assert_eq!(latency_outlier.add(response(9_000), at(n * 2_000)), None);
        }
    }

    #[test]
    fn a_queue_counts_where_requests_stand_in_line() {
        for (overtaking, median) in [(0, 100), (2, 100), (3, 1_000)] {
            let mut latency_outlier = LatencyOutlier::default();
            let found = (0..20).filter_map(|n| {
                let response = Response {
                    ahead: 9,
                    overtook: n < overtaking,
                    ..response(1_000)
                };
                latency_outlier.add(response, at(0))
            });
            assert_eq!(found.last(), Some(Duration::from_millis(median)));
        }
    }
}
