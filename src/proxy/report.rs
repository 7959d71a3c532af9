//! The counters of one of several workers, to be added up by the first.

use super::activity::UnderWay;
use crate::telemetry::{Metrics, WorkerSnapshot};

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
