//! Open work at one moment: exchanges, waiting ones, tunnels at each backend.
//!
//! Counted by looking at every exchange on demand, so that no exchange pays for it.

use super::exchange::Phase;
use super::network::Network;
use super::traffic::Traffic;
use crate::pool::PoolId;
use crate::strategy::BackendId;
use crate::telemetry::Activity;
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
    /// Returns the open work as of `now`.
    pub(super) fn in_traffic<N: Network>(traffic: &Traffic<N>, now: Timestamp) -> Self {
        let pools = traffic.pools.iter().map(|pool| Activity {
            slow_response_time: pool.backends.slow_response_time(),
            ..Activity::default()
        });
        let mut all = Self {
            pools: pools.collect(),
            tunnels: BTreeMap::new(),
        };
        for (_, exchange) in traffic.conns.exchanges.iter() {
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

    /// That of one pool.
    pub(super) fn of(&self, pool: PoolId) -> Activity {
        let found = self.pools.get(usize::from(pool.number()));
        found.copied().unwrap_or_default()
    }

    /// Tunnels at a backend.
    pub(super) fn tunnels_at(&self, backend: BackendId) -> u64 {
        self.tunnels.get(&backend).copied().unwrap_or_default()
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
