//! Reports of several workers, added up to one snapshot by the first of them.
//!
//! Joins what a proxy has counted with the statistics of its loop; neither knows the other.

use crate::net::SystemNetwork;
use crate::proxy::{Proxy, Report};
use crate::telemetry::{AccessLogStats, LoopStats, Snapshot};
use crate::time::Timestamp;

/// Everything one worker has counted.
#[derive(Clone, Debug)]
pub(crate) struct WorkerReport {
    pub(crate) proxy: Report,
    pub(crate) loop_stats: LoopStats,
}

/// A snapshot of all workers as of `now`: the first one's `proxy` and loop, and the reports of
/// the `others`.
pub(crate) fn snapshot(
    proxy: &mut Proxy<SystemNetwork>,
    loop_stats: &LoopStats,
    access_log: Option<AccessLogStats>,
    others: &[WorkerReport],
    now: Timestamp,
) -> Snapshot {
    let reports: Vec<&Report> = others.iter().map(|other| &other.proxy).collect();
    let mut all_loops = loop_stats.clone();
    for other in others {
        all_loops.add(&other.loop_stats);
    }
    Snapshot {
        turn_times: all_loops.report(),
        access_log,
        ..proxy.snapshot_of_all(&reports, now)
    }
}
