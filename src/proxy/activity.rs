//! Open work at one moment: exchanges, waiting ones, tunnels at each backend.
//!
//! Counted by looking at every exchange on demand, so that no exchange pays for it.

use super::Proxy;
use super::exchange::Phase;
use super::network::Network;
use crate::strategy::BackendId;
use crate::telemetry::{Activity, Snapshot};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Open work in one worker.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay {
    activity: Activity,
    tunnels: BTreeMap<BackendId, u64>,
}

impl UnderWay {
    /// Adds what is under way in another worker.
    pub(super) fn add(&mut self, other: &Self) {
        let (own, more) = (&mut self.activity, &other.activity);
        own.exchanges += more.exchanges;
        own.queued += more.queued;
        own.oldest_wait = own.oldest_wait.max(more.oldest_wait);
        own.slow_response_time = own.slow_response_time.max(more.slow_response_time);
        for (backend, count) in &other.tunnels {
            *self.tunnels.entry(*backend).or_default() += count;
        }
    }
}

impl<N: Network> Proxy<N> {
    /// Returns the open work as of `now`.
    pub(super) fn under_way(&self, now: Timestamp) -> UnderWay {
        let mut all = UnderWay::default();
        for (_, exchange) in self.traffic.conns.exchanges.iter() {
            all.activity.exchanges += 1;
            if exchange.is_queued() {
                let wait = exchange.stats.queue_time(now).unwrap_or_default();
                all.activity.queued += 1;
                all.activity.oldest_wait = all.activity.oldest_wait.max(wait);
            }
            if let (Phase::Tunnel { .. }, Some(backend)) = (exchange.phase, exchange.backend()) {
                *all.tunnels.entry(backend).or_default() += 1;
            }
        }
        let slow = self
            .traffic
            .pools
            .iter()
            .map(|pool| pool.backends.slow_response_time());
        all.activity.slow_response_time = slow.max().unwrap_or_default();
        all
    }

    /// Adds to a snapshot where each backend stands, and what is `under_way`.
    pub(super) fn show_standing(
        &self,
        snapshot: &mut Snapshot,
        under_way: &UnderWay,
        now: Timestamp,
    ) {
        snapshot.activity = under_way.activity;
        for (row, (candidate, _)) in snapshot.backends.iter_mut().zip(self.live_backends()) {
            let backends = &self.traffic.pools.get(candidate.id.pool()).backends;
            row.standing = backends.standing(candidate.id, now);
            let tunnels = under_way.tunnels.get(&candidate.id);
            row.standing.tunnels = tunnels.copied().unwrap_or_default();
        }
    }
}
