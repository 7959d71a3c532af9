//! Open work at one moment: exchanges, waiting ones, tunnels at each backend.
//!
//! Counted by looking at every exchange on demand, so that no exchange pays for it.

use super::Proxy;
use super::exchange::Phase;
use super::network::Network;
use crate::pool::PoolId;
use crate::strategy::BackendId;
use crate::telemetry::{Activity, Metrics, PoolSnapshot, Snapshot};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Open work in one worker.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay {
    /// Of each pool, by number.
    pools: Vec<Activity>,
    tunnels: BTreeMap<BackendId, u64>,
}

impl UnderWay {
    fn of(&self, pool: PoolId) -> Activity {
        let found = self.pools.get(usize::from(pool.number()));
        found.copied().unwrap_or_default()
    }

    /// Adds what is under way in another worker.
    pub(super) fn add(&mut self, other: &Self) {
        for (own, more) in self.pools.iter_mut().zip(&other.pools) {
            own.exchanges += more.exchanges;
            own.queued += more.queued;
            own.oldest_wait = own.oldest_wait.max(more.oldest_wait);
            own.slow_response_time = own.slow_response_time.max(more.slow_response_time);
        }
        for (backend, count) in &other.tunnels {
            *self.tunnels.entry(*backend).or_default() += count;
        }
    }
}

impl<N: Network> Proxy<N> {
    /// Returns the open work as of `now`.
    pub(super) fn under_way(&self, now: Timestamp) -> UnderWay {
        let pools = self.traffic.pools.iter().map(|pool| Activity {
            slow_response_time: pool.backends.slow_response_time(),
            ..Activity::default()
        });
        let mut all = UnderWay {
            pools: pools.collect(),
            tunnels: BTreeMap::new(),
        };
        for (_, exchange) in self.traffic.conns.exchanges.iter() {
            if let (Phase::Tunnel { .. }, Some(backend)) = (exchange.phase, exchange.backend()) {
                *all.tunnels.entry(backend).or_default() += 1;
            }
            let number = usize::from(exchange.pool.number());
            let Some(activity) = all.pools.get_mut(number) else {
                continue;
            };
            activity.exchanges += 1;
            if exchange.is_queued() {
                let wait = exchange.stats.queue_time(now).unwrap_or_default();
                activity.queued += 1;
                activity.oldest_wait = activity.oldest_wait.max(wait);
            }
        }
        all
    }

    /// Adds to a snapshot its pools, where each backend stands, and what is `under_way`.
    pub(super) fn show_standing(
        &self,
        snapshot: &mut Snapshot,
        metrics: &Metrics,
        under_way: &UnderWay,
        now: Timestamp,
    ) {
        let pools = self.traffic.pools.present().map(|(id, pool)| {
            let (counters, faults) = metrics.of_whole_pool(id);
            PoolSnapshot {
                name: pool.name.clone(),
                number: id.number(),
                strategy: pool.backends.strategy().name(),
                activity: under_way.of(id),
                counters,
                faults,
            }
        });
        snapshot.pools = pools.collect();
        for (row, (candidate, _)) in snapshot.backends.iter_mut().zip(self.live_backends()) {
            let pool = self.traffic.pools.get(candidate.id.pool());
            row.standing = pool.backends.standing(candidate.id, now);
            row.standing.pool.clone_from(&pool.name);
            let tunnels = under_way.tunnels.get(&candidate.id);
            row.standing.tunnels = tunnels.copied().unwrap_or_default();
        }
    }
}
