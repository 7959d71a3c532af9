//! The counters of one balancer: of the whole, and of each backend.
//!
//! Learns from records and from the two moments without a record: a pick, and an attempt that
//! failed and is repeated. Present values (connections open, exchanges in flight, states) are kept
//! elsewhere, once, and handed in for a [`Snapshot`]. Invariant: a slot's counters belong to the
//! newest backend seen there; later events of an earlier one count for the whole only.

use super::backend_stats::BackendStats;
use super::response_times::ResponseTimeHistogram;
use super::{
    BackendSnapshot, BackendView, Counters, ExchangeTimes, FaultCounts, Record, Snapshot, Standing,
};
use crate::error::Fault;
use crate::ids::PoolId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// Counts what happens. Nothing here allocates but the first sight of a backend or a fault, and
/// response times longer than any before.
#[derive(Clone, Debug)]
pub struct Metrics {
    started_at: Timestamp,
    connections_accepted: u64,
    totals: Counters,
    faults: FaultCounts,
    /// Of each pool.
    pools: Vec<PoolCounts>,
    /// Response times of backends that were removed.
    removed: ResponseTimeHistogram,
    /// Of the first pool, by slot.
    backends: Vec<Counted>,
    /// Of each further pool, by slot.
    other_pools: Vec<Vec<Counted>>,
}

/// What is counted of a pool beside its backends.
#[derive(Clone, Debug, Default)]
struct PoolCounts {
    /// Of exchanges that reached no backend, and of backends that were removed.
    others: Counters,
    /// Times of the same.
    times: ExchangeTimes,
    faults: FaultCounts,
}

/// The counters of the newest backend that was heard of in a slot.
#[derive(Clone, Debug, Default)]
struct Counted {
    /// `None`, and nothing is counted, where no backend was heard of.
    id: Option<BackendId>,
    stats: BackendStats,
}

impl Counted {
    fn without_times(&self) -> Self {
        Self {
            id: self.id,
            stats: self.stats.without_times(),
        }
    }
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
            pools: Vec::new(),
            removed: ResponseTimeHistogram::default(),
            backends: Vec::new(),
            other_pools: Vec::new(),
        }
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

    /// The backend that was picked had no room for a connection: another pick follows.
    pub fn withdrawn(&mut self, backend: BackendId) {
        if let Some(stats) = self.stats_of(backend) {
            stats.picks = stats.picks.saturating_sub(1);
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
            self.observe_fault(record, fault);
        }
        if let Some(stats) = record.backend.and_then(|backend| self.stats_of(backend)) {
            stats.observe(record);
        }
    }

    #[cold]
    fn observe_fault(&mut self, record: &Record, fault: Fault) {
        self.faults.observe(fault);
        self.with_pool(record.pool, |pool| {
            pool.faults.observe(fault);
            if record.backend.is_none() {
                pool.others.observe(record);
                pool.times.total.record(record.total_time);
            }
        });
    }

    fn with_pool(&mut self, pool: PoolId, count: impl FnOnce(&mut PoolCounts)) {
        let number = usize::from(pool.number());
        if number >= self.pools.len() {
            self.pools.resize_with(number + 1, PoolCounts::default);
        }
        if let Some(pool) = self.pools.get_mut(number) {
            count(pool);
        }
    }

    /// What was counted of a pool: its exchanges, why some did not end well, and their times.
    #[must_use]
    pub fn of_whole_pool(&self, pool: PoolId) -> (Counters, FaultCounts, ExchangeTimes) {
        let own = self.pools.get(usize::from(pool.number()));
        let own = own.cloned().unwrap_or_default();
        let (mut counters, mut times) = (own.others, own.times);
        let of_pool = BackendId::new(0, 0).of_pool(pool);
        for counted in self.of_pool(of_pool).into_iter().flatten() {
            counters.add(&counted.stats.counters);
            times.add(&counted.stats.times());
        }
        (counters, own.faults, times)
    }

    /// Forgets a backend that was removed, but for what counts for the whole.
    pub fn forget(&mut self, backend: BackendId) {
        let of_pool = self.of_pool_mut(backend);
        let counted = of_pool.and_then(|of| of.get_mut(backend.slot()));
        if let Some(counted) = counted.filter(|counted| counted.id == Some(backend)) {
            let Counted { stats, .. } = std::mem::take(counted);
            self.removed.add(&stats.response_times);
            self.with_pool(backend.pool(), |pool| {
                pool.others.add(&stats.counters);
                pool.times.add(&stats.times());
            });
        }
    }

    /// Forgets a pool that was removed, all backends of which are forgotten, but for what counts for
    /// the whole.
    pub fn forget_pool(&mut self, pool: PoolId) {
        if let Some(counts) = self.pools.get_mut(usize::from(pool.number())) {
            *counts = PoolCounts::default();
        }
    }

    /// Adds all that `other` has counted, of the same backends.
    pub fn add(&mut self, other: &Self) {
        self.connections_accepted += other.connections_accepted;
        self.totals.add(&other.totals);
        self.faults.add(&other.faults);
        self.removed.add(&other.removed);
        for (number, pool) in (0..).zip(&other.pools) {
            self.with_pool(PoolId::new(number), |own| {
                own.others.add(&pool.others);
                own.times.add(&pool.times);
                own.faults.add(&pool.faults);
            });
        }
        for Counted { id, stats } in other.counted() {
            if let Some(own) = id.and_then(|id| self.stats_of(id)) {
                own.add(stats);
            }
        }
    }

    /// The same counters without the response times, whose histograms take long to copy and to add.
    #[must_use]
    pub fn without_times(&self) -> Self {
        let bare = |of: &Vec<Counted>| of.iter().map(Counted::without_times).collect();
        Self {
            started_at: self.started_at,
            connections_accepted: self.connections_accepted,
            totals: self.totals,
            faults: self.faults.clone(),
            pools: self.pools.clone(),
            removed: ResponseTimeHistogram::default(),
            backends: bare(&self.backends),
            other_pools: self.other_pools.iter().map(bare).collect(),
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
        let mut all_response_times = self.removed.clone();
        for counted in self.counted() {
            all_response_times.add(&counted.stats.response_times);
        }
        Snapshot {
            uptime: now.since(self.started_at),
            connections_accepted: self.connections_accepted,
            connections_open,
            totals: self.totals,
            faults: self.faults.clone(),
            pools: Vec::new(),
            response_times: all_response_times.quantiles(),
            turn_times: None,
            backends: views.into_iter().map(|view| self.row(&view)).collect(),
            serial_pools: None,
            config_generation: 1,
            config_loaded_at: Duration::ZERO,
            access_log: None,
            heartbeats: None,
            memory_bytes: None,
            descriptors_open: None,
            workers: Vec::new(),
        }
    }

    fn row(&self, view: &BackendView) -> BackendSnapshot {
        let known = self.of_pool(view.id).and_then(|of| of.get(view.id.slot()));
        let stats = known
            .filter(|counted| counted.id == Some(view.id))
            .map(|counted| &counted.stats);
        BackendSnapshot {
            name: view.name.to_owned(),
            state: view.state,
            standing: Standing::default(),
            in_flight: view.in_flight,
            picks: stats.map_or(0, |stats| stats.picks),
            counters: stats.map(|stats| stats.counters).unwrap_or_default(),
            faults: stats.map(|stats| stats.faults.clone()).unwrap_or_default(),
            response_times: stats.and_then(|stats| stats.response_times.quantiles()),
            times: stats.map(BackendStats::times).unwrap_or_default(),
            heartbeat: None,
        }
    }

    /// The counters of all backends of all pools.
    fn counted(&self) -> impl Iterator<Item = &Counted> {
        let others = self.other_pools.iter().flatten();
        self.backends.iter().chain(others)
    }

    /// The counters of the backends of a backend's pool.
    fn of_pool(&self, backend: BackendId) -> Option<&Vec<Counted>> {
        match backend.pool().number().checked_sub(1) {
            None => Some(&self.backends),
            Some(other) => self.other_pools.get(usize::from(other)),
        }
    }

    fn of_pool_mut(&mut self, backend: BackendId) -> Option<&mut Vec<Counted>> {
        match backend.pool().number().checked_sub(1) {
            None => Some(&mut self.backends),
            Some(other) => self.other_pools.get_mut(usize::from(other)),
        }
    }

    /// The counters of `backend`: new ones at first sight, `None` if it has been succeeded.
    fn stats_of(&mut self, backend: BackendId) -> Option<&mut BackendStats> {
        let slot = backend.slot();
        let is_known = |known: &Counted| known.id == Some(backend);
        let of_pool = self.of_pool(backend);
        if !of_pool.is_some_and(|of| of.get(slot).is_some_and(is_known)) {
            self.meet(backend);
        }
        let counted = self.of_pool_mut(backend)?.get_mut(slot)?;
        is_known(counted).then_some(&mut counted.stats)
    }

    /// Makes room for the counters of `backend`, unless a newer one has the slot.
    #[cold]
    fn meet(&mut self, backend: BackendId) {
        let pool = usize::from(backend.pool().number());
        if pool > self.other_pools.len() {
            self.other_pools.resize_with(pool, Vec::new);
        }
        let Some(of_pool) = self.of_pool_mut(backend) else {
            return;
        };
        let slot = backend.slot();
        if slot >= of_pool.len() {
            of_pool.resize_with(slot + 1, Counted::default);
        }
        if let Some(counted) = of_pool.get_mut(slot) {
            let known = counted.id.map(BackendId::generation);
            if known.is_none_or(|known| known < backend.generation()) {
                *counted = Counted {
                    id: Some(backend),
                    stats: BackendStats::default(),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
