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
/// Exchanges kept to be replayed, and for how long.
const MAX_EXCHANGES: usize = 50_000;
const EXCHANGES_KEPT: Duration = Duration::from_secs(120);

/// Median and 99th percentile of response times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantiles {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// When an exchange came, went to its backend, and was responded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) backend: BackendId,
    pub(crate) arrived_at: Timestamp,
    pub(crate) dispatched_at: Timestamp,
    pub(crate) responded_at: Timestamp,
}

impl Exchange {
    /// That of a sample, if a backend responded.
    fn of(sample: &Sample) -> Option<Self> {
        let before_end = |time: Duration| {
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            Timestamp::from_nanos(sample.ended_at.as_nanos().saturating_sub(nanos))
        };
        let arrived_at = before_end(sample.total_time);
        let dispatched_at = arrived_at + sample.queue_time.unwrap_or_default();
        Some(Self {
            backend: sample.backend?,
            arrived_at,
            dispatched_at,
            responded_at: dispatched_at + sample.first_byte_time?,
        })
    }
}

/// What was seen lately.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    times: VecDeque<(Timestamp, BackendId, Duration)>,
    /// Oldest first.
    picks: VecDeque<Sample>,
    /// Oldest first.
    exchanges: VecDeque<Exchange>,
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
            self.exchanges.extend(Exchange::of(&sample));
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
        while let Some(first) = self.exchanges.front()
            && (now.since(first.responded_at) > EXCHANGES_KEPT
                || self.exchanges.len() > MAX_EXCHANGES)
        {
            self.exchanges.pop_front();
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

    /// The exchanges of a pool in the last while.
    #[cfg_attr(
        not(feature = "simulate"),
        expect(dead_code, reason = "they are simulated")
    )]
    pub(crate) fn exchanges(&self, pool: PoolId) -> impl Iterator<Item = &Exchange> {
        let exchanges = self.exchanges.iter();
        exchanges.filter(move |exchange| exchange.backend.pool() == pool)
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

    #[test]
    fn an_exchange_is_reckoned_from_its_end() {
        let mut recent = Recent::default();
        let backend = BackendId::new(3, 0);
        let end = Timestamp::ZERO + Duration::from_millis(900);
        let sample = Sample {
            queue_time: Some(Duration::from_millis(30)),
            total_time: Duration::from_millis(100),
            ..sample(end, backend, 50)
        };
        recent.add(vec![sample], end);
        let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
        let expected = Exchange {
            backend,
            arrived_at: at(800),
            dispatched_at: at(830),
            responded_at: at(880),
        };
        assert_eq!(
            recent.exchanges(PoolId::FIRST).collect::<Vec<_>>(),
            [&expected]
        );
        recent.add(Vec::new(), end + EXCHANGES_KEPT + Duration::from_secs(1));
        assert_eq!(recent.exchanges(PoolId::FIRST).count(), 0);
    }
}
