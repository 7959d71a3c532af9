//! Reports of several workers, added up to one snapshot by the first of them.
//!
//! Joins what a proxy has counted with the statistics of its loop; neither knows the other.

use crate::net::{SystemNetwork, open_descriptors, resident_memory};
use crate::pool::{Explained, PoolId};
use crate::proxy::{Proxy, Report};
use crate::telemetry::{AccessLogStats, LoopStats, Sample, Snapshot};
use crate::time::Timestamp;

/// Everything one worker has counted.
#[derive(Clone, Debug)]
pub(crate) struct WorkerReport {
    /// Its number.
    pub(crate) worker: usize,
    pub(crate) proxy: Report,
    pub(crate) loop_stats: LoopStats,
    /// The exchanges since the last look, if they were asked for.
    pub(crate) samples: Vec<Sample>,
    /// What the worker's strategy makes of the backends, for each question about it.
    pub(crate) explained: Vec<Vec<Explained>>,
}

/// What a worker is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// Response times too, and the times of the loop, which take long to copy.
    pub(crate) with_times: bool,
    /// The exchanges that have ended since the last look.
    pub(crate) looks: bool,
    /// What the strategy of a pool makes of its backends for a key.
    pub(crate) explains: Vec<(PoolId, u64)>,
}

impl WorkerReport {
    /// Answers a question about a worker.
    pub(crate) fn of(
        question: &Question,
        proxy: &mut Proxy<SystemNetwork>,
        loop_stats: &LoopStats,
        now: Timestamp,
    ) -> Self {
        let worker = proxy.worker();
        let explained = question.explains.iter();
        let explained = explained.map(|(pool, key)| proxy.fresh_view().explain(*pool, *key, now));
        let explained = explained.collect();
        let samples = match question.looks {
            true => proxy.look(now),
            false => Vec::new(),
        };
        let (proxy, loop_stats) = match question.with_times {
            true => (proxy.view().report(now), loop_stats.clone()),
            false => (proxy.view().light_report(now), LoopStats::default()),
        };
        Self {
            worker,
            proxy,
            loop_stats,
            samples,
            explained,
        }
    }
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
        memory_bytes: resident_memory(),
        descriptors_open: open_descriptors(),
        access_log,
        ..proxy.fresh_view().snapshot_of_all(&reports, now)
    }
}

/// The same without response times.
pub(crate) fn light_snapshot(
    proxy: &mut Proxy<SystemNetwork>,
    others: &[WorkerReport],
    now: Timestamp,
) -> Snapshot {
    let reports: Vec<&Report> = others.iter().map(|other| &other.proxy).collect();
    proxy.fresh_view().light_snapshot(&reports, now)
}
