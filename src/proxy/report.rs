//! The counters of one of several workers, to be added up by the first.

use super::Proxy;
use super::activity::UnderWay;
use super::network::Network;
use crate::pool::{Explained, PoolId};
use crate::strategy::BackendId;
use crate::telemetry::{Metrics, Sample, Snapshot, WorkerSnapshot};
use crate::time::Timestamp;

/// The counters of one worker.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) metrics: Metrics,
    pub(super) connections_open: u64,
    pub(super) under_way: UnderWay,
}

impl Report {
    /// Adds the counts of another worker.
    pub(super) fn add(&mut self, other: &Self) {
        self.metrics.add(&other.metrics);
        self.connections_open += other.connections_open;
        self.under_way.add(&other.under_way);
    }

    pub(super) fn summary(&self) -> WorkerSnapshot {
        WorkerSnapshot {
            connections_open: self.connections_open,
            exchanges: self.metrics.exchanges(),
        }
    }
}

/// For those who watch.
impl<N: Network> Proxy<N> {
    /// Its counters without response times, several times a second.
    pub(crate) fn light_report(&self, now: Timestamp) -> Report {
        Report {
            under_way: self.under_way(now),
            metrics: self.traffic.log.metrics.without_times(),
            connections_open: self.open_clients() as u64,
        }
    }

    /// A snapshot of all workers as one, as of `now`; this is the first, `others` are the reports
    /// of the rest.
    #[must_use]
    pub fn snapshot_of_all(&mut self, others: &[&Report], now: Timestamp) -> Snapshot {
        if others.is_empty() {
            return self.snapshot(now);
        }
        self.refresh_backends();
        self.combined(&self.report(now), others, now)
    }

    /// A snapshot of all workers without response times; `others` are the reports of the rest.
    pub(crate) fn light_snapshot(&mut self, others: &[&Report], now: Timestamp) -> Snapshot {
        self.refresh_backends();
        self.combined(&self.light_report(now), others, now)
    }

    fn refresh_backends(&mut self) {
        for pool in self.traffic.pools.ids() {
            self.traffic.pools.get_mut(pool).backends.refresh_all();
        }
    }

    /// The reports of all workers, of which `own` is the first, as one snapshot.
    fn combined(&self, own: &Report, others: &[&Report], now: Timestamp) -> Snapshot {
        let mut all = own.clone();
        for other in others {
            all.add(other);
        }
        let workers = std::iter::once(own).chain(others.iter().copied());
        Snapshot {
            workers: workers.map(Report::summary).collect(),
            ..self.show(&all.metrics, all.connections_open, &all.under_way, now)
        }
    }

    /// The backends of all pools in the order of a snapshot.
    pub(crate) fn backend_ids(&self) -> Vec<BackendId> {
        self.live_backends()
            .map(|(candidate, _)| candidate.id)
            .collect()
    }

    /// The number of its worker, from 0.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    /// The exchanges that have ended since the last look.
    pub(crate) fn look(&mut self, now: Timestamp) -> Vec<Sample> {
        self.traffic.log.look(now)
    }

    /// What the strategy of a pool makes of each backend now.
    pub(crate) fn explain(&mut self, pool: PoolId, key: u64, now: Timestamp) -> Vec<Explained> {
        let backends = &mut self.traffic.pools.get_mut(pool).backends;
        backends.refresh_all();
        backends.explain_candidates(key, now)
    }
}
