//! The counters of one of several workers, to be added up by the first.

use crate::telemetry::{Metrics, WorkerSnapshot};

/// The counters of one worker.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) metrics: Metrics,
    pub(super) connections_open: u64,
}

impl Report {
    /// Adds the counts of another worker.
    pub(super) fn add(&mut self, other: &Self) {
        self.metrics.add(&other.metrics);
        self.connections_open += other.connections_open;
    }

    pub(super) fn summary(&self) -> WorkerSnapshot {
        WorkerSnapshot {
            connections_open: self.connections_open,
            exchanges: self.metrics.exchanges(),
        }
    }
}
