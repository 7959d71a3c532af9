//! The last exchanges of all workers, while somebody watches: quantiles of the last seconds, and the
//! last picks.

use crate::ids::PoolId;
use crate::strategy::BackendId;
use crate::telemetry::Sample;
use crate::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Response times are of so long.
const WINDOW: Duration = Duration::from_secs(5);
/// Time until quantiles are made anew.
const RENEWAL: Duration = Duration::from_secs(1);
/// Samples kept for them.
const MAX_TIMES: usize = 32_768;
/// Picks kept, of all pools.
const MAX_PICKS: usize = 1_000;

/// Median and 99th percentile of response times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantiles {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What was seen lately.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    times: VecDeque<(Timestamp, BackendId, Duration)>,
    /// Oldest first.
    picks: VecDeque<Sample>,
    of_backends: HashMap<BackendId, Quantiles>,
    of_pools: HashMap<PoolId, Quantiles>,
    renewed_at: Option<Timestamp>,
}

impl Recent {
    /// Takes the exchanges that have ended since the last time, in any order.
    pub(crate) fn add(&mut self, mut samples: Vec<Sample>, now: Timestamp) {
        samples.sort_by_key(|sample| sample.ended_at);
        for sample in samples {
            if let (Some(backend), Some(time)) = (sample.backend, sample.first_byte_time) {
                self.times.push_back((sample.ended_at, backend, time));
            }
            self.picks.push_back(sample);
            if self.picks.len() > MAX_PICKS {
                self.picks.pop_front();
            }
        }
        while let Some((at, ..)) = self.times.front()
            && (now.since(*at) > WINDOW || self.times.len() > MAX_TIMES)
        {
            self.times.pop_front();
        }
        if self.renewed_at.is_none_or(|at| now.since(at) >= RENEWAL) {
            self.renewed_at = Some(now);
            self.renew();
        }
    }

    fn renew(&mut self) {
        let mut backends: HashMap<BackendId, Vec<Duration>> = HashMap::new();
        let mut pools: HashMap<PoolId, Vec<Duration>> = HashMap::new();
        for (_, backend, time) in &self.times {
            backends.entry(*backend).or_default().push(*time);
            pools.entry(backend.pool()).or_default().push(*time);
        }
        self.of_backends = quantiles_of_each(backends);
        self.of_pools = quantiles_of_each(pools);
    }

    /// The response times of a backend in the last seconds; `None` if there were none.
    pub(crate) fn of_backend(&self, backend: BackendId) -> Option<Quantiles> {
        self.of_backends.get(&backend).copied()
    }

    /// Those of all backends of a pool.
    pub(crate) fn of_pool(&self, pool: PoolId) -> Option<Quantiles> {
        self.of_pools.get(&pool).copied()
    }

    /// The last exchanges of a pool, or of one backend of it; newest first.
    pub(crate) fn picks(
        &self,
        pool: PoolId,
        backend: Option<BackendId>,
    ) -> impl Iterator<Item = &Sample> {
        let picks = self.picks.iter().rev();
        picks
            .filter(move |pick| pick.pool == pool && (backend.is_none() || pick.backend == backend))
    }
}

fn quantiles_of_each<K: std::hash::Hash + Eq>(
    times: HashMap<K, Vec<Duration>>,
) -> HashMap<K, Quantiles> {
    let each = times.into_iter();
    each.filter_map(|(key, mut times)| Some((key, quantiles(&mut times)?)))
        .collect()
}

/// By the nearest rank.
fn quantiles(times: &mut [Duration]) -> Option<Quantiles> {
    let last = times.len().checked_sub(1)?;
    let at = |times: &mut [Duration], percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        *times.select_nth_unstable(rank.min(last)).1
    };
    let p99 = at(times, 99);
    let p50 = at(times, 50);
    Some(Quantiles { p50, p99 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: Timestamp, backend: BackendId, millis: u64) -> Sample {
        Sample {
            ended_at: at,
            pool: PoolId::FIRST,
            backend: Some(backend),
            status: Some(200),
            queue_time: None,
            first_byte_time: Some(Duration::from_millis(millis)),
            total_time: Duration::from_millis(millis),
            retries: 0,
            fault: None,
        }
    }

    #[test]
    fn quantiles_are_of_the_last_seconds_alone() {
        let mut recent = Recent::default();
        let (a, b) = (BackendId::new(0, 0), BackendId::new(1, 0));
        let start = Timestamp::ZERO;
        let early = (1..=100).map(|millis| sample(start, a, millis));
        recent.add(early.collect(), start);
        let of_a = recent.of_backend(a).unwrap();
        assert_eq!(of_a.p50, Duration::from_millis(50));
        assert_eq!(of_a.p99, Duration::from_millis(99));
        assert_eq!(recent.of_backend(b), None);
        assert_eq!(recent.of_pool(PoolId::FIRST), Some(of_a));
        let later = start + WINDOW + Duration::from_nanos(1);
        recent.add(vec![sample(later, b, 7)], later);
        assert_eq!(recent.of_backend(a), None);
        let seven = Duration::from_millis(7);
        let expected = Quantiles {
            p50: seven,
            p99: seven,
        };
        assert_eq!(recent.of_backend(b), Some(expected));
    }

    #[test]
    fn the_last_picks_are_newest_first_and_bounded() {
        let mut recent = Recent::default();
        let (a, b) = (BackendId::new(0, 0), BackendId::new(1, 0));
        let at = |nanos| Timestamp::from_nanos(nanos);
        // Of two workers, one behind the other.
        let mut samples: Vec<_> = (0..MAX_PICKS as u64)
            .map(|n| sample(at(2 * n), a, n))
            .collect();
        samples.extend((0..MAX_PICKS as u64).map(|n| sample(at(2 * n + 1), b, n)));
        recent.add(samples, at(10_000));
        let all: Vec<_> = recent.picks(PoolId::FIRST, None).collect();
        assert_eq!(all.len(), MAX_PICKS);
        assert!(all.windows(2).all(|two| two[0].ended_at > two[1].ended_at));
        assert_eq!(recent.picks(PoolId::FIRST, Some(b)).count(), MAX_PICKS / 2);
        assert_eq!(recent.picks(PoolId::new(1), None).count(), 0);
    }
}
