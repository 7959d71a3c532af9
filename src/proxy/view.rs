//! The proxy as people see it: snapshots, reports, explanations.
//!
//! Looks at everything and changes nothing. Made when it is asked for, so that no exchange pays for it.

use super::Generation;
use super::activity::UnderWay;
use super::heartbeats::Heartbeats;
use super::network::Network;
use super::report::Report;
use super::traffic::Traffic;
use crate::pool::{Explained, PoolId};
use crate::strategy::Candidate;
use crate::telemetry::{BackendView, Metrics, PoolSnapshot, Snapshot};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::iter;

/// A look at a proxy.
pub struct View<'a, N: Network> {
    pub(super) traffic: &'a Traffic<N>,
    pub(super) heartbeats: &'a Heartbeats<N::Stream>,
    pub(super) generation: &'a Generation,
}

impl<N: Network> View<'_, N> {
    /// Returns its counters, for the first worker to add up.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> Report {
        self.report_with(self.traffic.log.metrics.clone(), now)
    }

    /// Its counters without response times, several times a second.
    pub(crate) fn light_report(&self, now: Timestamp) -> Report {
        self.report_with(self.traffic.log.metrics.without_times(), now)
    }

    fn report_with(&self, metrics: Metrics, now: Timestamp) -> Report {
        Report {
            under_way: UnderWay::in_traffic(self.traffic, now),
            metrics,
            connections_open: self.traffic.conns.clients.len() as u64,
        }
    }

    /// A snapshot as of `now`.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.show(&self.report(now), now)
    }

    /// A snapshot of all workers as one, as of `now`; this is the first, `others` are the reports
    /// of the rest.
    #[must_use]
    pub fn snapshot_of_all(&self, others: &[&Report], now: Timestamp) -> Snapshot {
        if others.is_empty() {
            return self.snapshot(now);
        }
        self.combined(&self.report(now), others, now)
    }

    /// A snapshot of all workers without response times; `others` are the reports of the rest.
    pub(crate) fn light_snapshot(&self, others: &[&Report], now: Timestamp) -> Snapshot {
        self.combined(&self.light_report(now), others, now)
    }

    /// What the strategy of a pool makes of each backend now.
    pub(crate) fn explain(&self, pool: PoolId, key: u64, now: Timestamp) -> Vec<Explained> {
        let backends = &self.traffic.pools.get(pool).backends;
        backends.explain_candidates(key, now)
    }

    /// The reports of all workers, of which `own` is the first, as one snapshot.
    fn combined(&self, own: &Report, others: &[&Report], now: Timestamp) -> Snapshot {
        let mut all = own.clone();
        for other in others {
            all.add(other);
        }
        let workers = iter::once(own).chain(others.iter().copied());
        Snapshot {
            workers: workers.map(Report::summary).collect(),
            ..self.show(&all, now)
        }
    }

    /// The backends of all pools, with the names by which people tell them apart.
    fn live_backends(&self) -> impl Iterator<Item = (&Candidate, Cow<'_, str>)> {
        let pools = &self.traffic.pools;
        pools.iter().flat_map(|pool| {
            let candidates = pool.backends.candidates().iter().filter(|c| c.live);
            candidates.map(|candidate| {
                let name = pool.backends.name(candidate.id).unwrap_or("?");
                (candidate, pools.qualified(candidate.id.pool(), name))
            })
        })
    }
}

/// The parts of a snapshot.
impl<N: Network> View<'_, N> {
    fn show(&self, report: &Report, now: Timestamp) -> Snapshot {
        let named: Vec<_> = self.live_backends().collect();
        let views = named.iter().map(|(candidate, name)| {
            let backends = &self.traffic.pools.get(candidate.id.pool()).backends;
            BackendView {
                id: candidate.id,
                name,
                state: backends.state(candidate.id).map_or("removed", |s| s.word()),
                in_flight: candidate.in_flight,
            }
        });
        let open = report.connections_open;
        let mut snapshot = report.metrics.snapshot(now, open, views);
        self.show_standing(&mut snapshot, report, now);
        self.show_heartbeats(&mut snapshot, now);
        snapshot.config_generation = self.generation.number();
        let start = self.traffic.log.wall_clock(Timestamp::ZERO);
        snapshot.config_loaded_at = self.generation.loaded_at().unwrap_or(start);
        snapshot.serial_pools = self.serial_pools();
        snapshot
    }

    /// Adds the pools, where each backend stands, and what is under way.
    fn show_standing(&self, snapshot: &mut Snapshot, report: &Report, now: Timestamp) {
        let pools = self.traffic.pools.present().map(|(id, pool)| {
            let (counters, faults, times) = report.metrics.of_whole_pool(id);
            PoolSnapshot {
                name: pool.name.clone(),
                number: id.number(),
                strategy: pool.backends.strategy().name(),
                activity: report.under_way.of(id),
                counters,
                faults,
                times,
            }
        });
        snapshot.pools = pools.collect();
        for (row, (candidate, _)) in snapshot.backends.iter_mut().zip(self.live_backends()) {
            let pool = self.traffic.pools.get(candidate.id.pool());
            row.standing = pool.backends.standing(candidate.id, now);
            row.standing.pool.clone_from(&pool.name);
            row.standing.tunnels = report.under_way.tunnels_at(candidate.id);
        }
    }

    fn show_heartbeats(&self, snapshot: &mut Snapshot, now: Timestamp) {
        let Some(receiver) = self.heartbeats.receiver() else {
            return;
        };
        snapshot.heartbeats = Some(receiver.counts());
        for (row, (candidate, _)) in snapshot.backends.iter_mut().zip(self.live_backends()) {
            row.heartbeat = receiver.report(candidate.id, now);
        }
    }

    /// Pools whose backends are given one request at a time; `None` if no pool learns that.
    fn serial_pools(&self) -> Option<u64> {
        let pools = self.traffic.pools.iter().map(|pool| &pool.backends);
        let learning: Vec<_> = pools.filter(|pool| pool.learns_limit()).collect();
        let serial = learning.iter().filter(|pool| pool.is_serial()).count();
        (!learning.is_empty()).then_some(serial as u64)
    }
}
