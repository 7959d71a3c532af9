//! The counters of one balancer: of the whole, and of each backend.
//!
//! It learns from records and from the two moments that no record tells of: a pick, and an
//! attempt that failed and is repeated. What is true right now (connections open, exchanges in
//! flight, states) is kept elsewhere, once, and handed in for a [`Snapshot`].
//! Invariant: a slot's counters belong to the newest backend that was heard of there; what is
//! still told of an earlier one counts for the whole only.

use super::backend_stats::BackendStats;
use super::response_times::ResponseTimeHistogram;
use super::{BackendSnapshot, BackendView, Counters, FaultCounts, Record, Snapshot, Turns};
use crate::balance::BackendId;
use crate::error::Fault;
use crate::time::Timestamp;

/// Counts what happens. Nothing here allocates but the first sight of a backend or a fault, and
/// response times longer than any before.
#[derive(Clone, Debug)]
pub struct Metrics {
    started_at: Timestamp,
    connections_accepted: u64,
    totals: Counters,
    faults: FaultCounts,
    /// By slot; `None` where no backend was heard of.
    backends: Vec<Option<(BackendId, BackendStats)>>,
    turns: Turns,
}

impl Metrics {
    /// All zero; the uptime counts from `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            started_at: now,
            connections_accepted: 0,
            totals: Counters::default(),
            faults: FaultCounts::default(),
            backends: Vec::new(),
            turns: Turns::default(),
        }
    }

    /// What watches the turns of the loop.
    pub(crate) fn turns(&mut self) -> &mut Turns {
        &mut self.turns
    }

    /// A client connection was accepted.
    pub fn accepted(&mut self) {
        self.connections_accepted += 1;
    }

    /// A backend was picked for an exchange, for the first attempt or a further one.
    pub fn picked(&mut self, backend: BackendId) {
        if let Some(stats) = self.stats_of(backend) {
            stats.picks += 1;
        }
    }

    /// An attempt at `backend` failed with `fault` and is repeated, there or elsewhere: its
    /// exchange goes on, and its record will tell only of the last attempt.
    pub fn retried(&mut self, backend: BackendId, fault: Fault) {
        self.totals.observe_retry();
        if let Some(stats) = self.stats_of(backend) {
            stats.observe_retry(fault);
        }
    }

    /// An exchange is over.
    pub fn record(&mut self, record: &Record) {
        self.totals.observe(record);
        if let Some(fault) = record.fault {
            self.faults.observe(fault);
        }
        if let Some(stats) = record.backend.and_then(|backend| self.stats_of(backend)) {
            stats.observe(record);
        }
    }

    /// Adds all that `other` has counted, of the same backends.
    pub fn add(&mut self, other: &Self) {
        self.connections_accepted += other.connections_accepted;
        self.totals.add(&other.totals);
        self.faults.add(&other.faults);
        self.turns.add(&other.turns);
        for (id, stats) in other.backends.iter().flatten() {
            if let Some(own) = self.stats_of(*id) {
                own.add(stats);
            }
        }
    }

    /// Exchanges that are over.
    #[must_use]
    pub const fn exchanges(&self) -> u64 {
        self.totals.exchanges
    }

    /// Everything that was counted, as of `now`, for the backends in `views`, in their order.
    #[must_use]
    pub fn snapshot<'a>(
        &self,
        now: Timestamp,
        connections_open: u64,
        views: impl IntoIterator<Item = BackendView<'a>>,
    ) -> Snapshot {
        let mut all_response_times = ResponseTimeHistogram::default();
        for (_, stats) in self.backends.iter().flatten() {
            all_response_times.add(&stats.response_times);
        }
        Snapshot {
            uptime: now.since(self.started_at),
            connections_accepted: self.connections_accepted,
            connections_open,
            totals: self.totals,
            faults: self.faults.clone(),
            response_times: all_response_times.quantiles(),
            turn_times: self.turns.times(),
            backends: views.into_iter().map(|view| self.row(&view)).collect(),
            heartbeats: None,
            workers: Vec::new(),
        }
    }

    fn row(&self, view: &BackendView) -> BackendSnapshot {
        let known = self.backends.get(view.id.slot()).and_then(Option::as_ref);
        let stats = known
            .filter(|(id, _)| *id == view.id)
            .map(|(_, stats)| stats);
        BackendSnapshot {
            name: view.name.to_owned(),
            state: view.state,
            in_flight: view.in_flight,
            picks: stats.map_or(0, |stats| stats.picks),
            counters: stats.map(|stats| stats.counters).unwrap_or_default(),
            faults: stats.map(|stats| stats.faults.clone()).unwrap_or_default(),
            response_times: stats.and_then(|stats| stats.response_times.quantiles()),
            heartbeat: None,
        }
    }

    /// The counters of `backend`: new ones at first sight, `None` if it has been succeeded.
    fn stats_of(&mut self, backend: BackendId) -> Option<&mut BackendStats> {
        let slot = backend.slot();
        let is_known = |known: &Option<_>| matches!(known, Some((id, _)) if *id == backend);
        if !self.backends.get(slot).is_some_and(is_known) {
            self.meet(backend);
        }
        let (id, stats) = self.backends.get_mut(slot)?.as_mut()?;
        (*id == backend).then_some(stats)
    }

    /// Makes room for the counters of `backend`, unless a newer one has the slot.
    #[cold]
    fn meet(&mut self, backend: BackendId) {
        let slot = backend.slot();
        if slot >= self.backends.len() {
            self.backends.resize_with(slot + 1, || None);
        }
        if let Some(known) = self.backends.get_mut(slot) {
            let generation = known.as_ref().map(|(id, _)| id.generation());
            if generation.is_none_or(|generation| generation < backend.generation()) {
                *known = Some((backend, BackendStats::default()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
