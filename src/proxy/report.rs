//! How a server is, for people and programs: alone, or with the reports of other workers.

use super::Proxy;
use super::network::Network;
use crate::telemetry::{Metrics, Snapshot, WorkerSnapshot};
use crate::time::Timestamp;

/// What one of several workers has counted.
#[derive(Clone, Debug)]
pub struct Report {
    metrics: Metrics,
    connections_open: u64,
}

impl Report {
    fn summary(&self) -> WorkerSnapshot {
        WorkerSnapshot {
            connections_open: self.connections_open,
            exchanges: self.metrics.exchanges(),
        }
    }
}

impl<N: Network> Proxy<N> {
    /// What it has counted, for the first worker to add.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            metrics: self.metrics.clone(),
            connections_open: self.open_clients() as u64,
        }
    }

    /// How all workers are as one, as of `now`; this is the first, `others` are the reports of
    /// the rest.
    #[must_use]
    pub fn snapshot_of_all(&mut self, others: &[&Report], now: Timestamp) -> Snapshot {
        if others.is_empty() {
            return self.snapshot(now);
        }
        self.pool.refresh_all();
        let own = self.report();
        let mut all = own.clone();
        for other in others {
            all.metrics.add(&other.metrics);
            all.connections_open += other.connections_open;
        }
        let workers = std::iter::once(&own).chain(others.iter().copied());
        Snapshot {
            workers: workers.map(Report::summary).collect(),
            ..self.shown(&all.metrics, all.connections_open, now)
        }
    }
}
