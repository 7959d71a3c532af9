//! Which backend is picked: the strategy chooses, and the life cycle has its say.
//!
//! A strategy sees candidates and knows nothing of trials, growing shares or panic. Those are
//! handled here, the same way for every strategy: by giving an exchange to the backend that is due
//! for its trial, or by asking the strategy again with fewer or more candidates. In the usual case,
//! when all are healthy and nothing was attempted before, the strategy is asked once and that is
//! all.

use super::backend::Backend;
use super::members::Members;
use super::slow_start::Ramps;
use crate::shared::FIRST_PICK;
use crate::strategy::{BackendId, Candidate, KeySource, Strategy};
use crate::time::Timestamp;

/// The strategy, and the counters of its picks.
pub(super) struct Picker {
    pub(super) strategy: Box<dyn Strategy>,
    /// True if the strategy is keyed by a part of the request.
    pub(super) is_keyed: bool,
    /// True if that is the target.
    pub(super) is_keyed_by_target: bool,
    /// The number of the next pick.
    pub(super) next_pick: u64,
    /// Picks of backends that are out, because all are.
    pub(super) panic_picks: u64,
    /// True if the strategy returned an id that is not of a candidate that may be picked.
    pub(super) has_invalid_pick: bool,
}

/// The exchange to pick for.
#[derive(Clone, Copy)]
pub(super) struct PickFor<'a> {
    /// The hash of what the strategy's key source names; 0 if nothing.
    pub(super) key: u64,
    /// Backends at which it has failed.
    pub(super) attempted: &'a [BackendId],
    /// Number of exchanges that wait, if this one can wait too.
    pub(super) waiting: Option<usize>,
    pub(super) now: Timestamp,
}

impl Picker {
    pub(super) fn new(strategy: Box<dyn Strategy>) -> Self {
        Self {
            is_keyed: strategy.key_source() != KeySource::None,
            is_keyed_by_target: strategy.key_source() == KeySource::Target,
            strategy,
            next_pick: FIRST_PICK,
            panic_picks: 0,
            has_invalid_pick: false,
        }
    }

    /// Picks by another strategy from now on.
    pub(super) fn replace(&mut self, strategy: Box<dyn Strategy>) {
        *self = Self {
            next_pick: self.next_pick,
            panic_picks: self.panic_picks,
            ..Self::new(strategy)
        };
    }

    /// Chooses a backend; `None`: there is none, or those that may be picked are full.
    #[inline(always)]
    pub(super) fn choose(
        &mut self,
        members: &mut Members,
        ramps: &mut Ramps,
        exchange: PickFor<'_>,
    ) -> Option<BackendId> {
        let chosen = match exchange.attempted.is_empty() {
            true => {
                let candidates = &members.candidates;
                let chosen = self.strategy.pick(candidates, exchange.key, exchange.now);
                self.validated(chosen, members)
            }
            false => self.pick_where(members, exchange, |_, backend, _| backend.is_open()),
        };
        match ramps.is_empty() && chosen.is_some() {
            true => chosen,
            false => self.reconsider(chosen, members, ramps, exchange),
        }
    }

    /// Chooses where backends come back or none may be picked.
    #[inline(never)]
    fn reconsider(
        &mut self,
        mut chosen: Option<BackendId>,
        members: &mut Members,
        ramps: &mut Ramps,
        exchange: PickFor<'_>,
    ) -> Option<BackendId> {
        if !ramps.is_empty() {
            chosen = self.readmit(chosen, members, ramps, exchange);
        }
        if chosen.is_some() || members.is_full(exchange.attempted) {
            return chosen;
        }
        let responds = |_, backend: &Backend, _: &Candidate| backend.state.responds();
        let member = |_, backend: &Backend, _: &Candidate| backend.state.is_member();
        let backend = match self.pick_where(members, exchange, responds) {
            Some(backend) => backend,
            None => self.pick_where(members, exchange, member)?,
        };
        self.panic_picks += 1;
        Some(backend)
    }

    /// Chooses among the backends that are out and do respond.
    #[cold]
    pub(super) fn choose_reserve(
        &mut self,
        members: &mut Members,
        exchange: PickFor<'_>,
    ) -> Option<BackendId> {
        let is_reserve = |_, it: &Backend, _: &Candidate| it.state.is_out() && it.state.responds();
        let backend = self.pick_where(members, exchange, is_reserve)?;
        self.panic_picks += 1;
        Some(backend)
    }

    /// Picks among the backends that were not attempted and that `may` be picked, by lending the
    /// strategy candidates that say so. Looks at every backend; only for the rare cases.
    fn pick_where(
        &mut self,
        members: &mut Members,
        exchange: PickFor<'_>,
        may: impl Fn(usize, &Backend, &Candidate) -> bool,
    ) -> Option<BackendId> {
        for (slot, candidate) in members.candidates.iter_mut().enumerate() {
            let backend = members.backends.get(slot);
            candidate.pickable = backend.is_some_and(|backend| {
                let has_room = candidate.in_flight < backend.max_in_flight;
                may(slot, backend, candidate)
                    && has_room
                    && !exchange.attempted.contains(&candidate.id)
            });
        }
        let candidates = &members.candidates;
        let chosen = self.strategy.pick(candidates, exchange.key, exchange.now);
        let chosen = self.validated(chosen, members);
        for (candidate, backend) in members.candidates.iter_mut().zip(&members.backends) {
            backend.judge(candidate);
        }
        chosen
    }

    /// Checks the id that a strategy returned: one of a backend that may be picked. A strategy of
    /// the user's own that errs costs its exchange a backend, not the balancer its life.
    #[inline]
    fn validated(&mut self, chosen: Option<BackendId>, members: &Members) -> Option<BackendId> {
        let backend = chosen?;
        let candidate = members.candidates.get(backend.slot());
        if candidate.is_some_and(|c| c.id == backend && c.pickable) {
            return chosen;
        }
        self.has_invalid_pick = true;
        None
    }

    /// Lets backends come back: one that is due for its trial is picked, and a chosen one whose
    /// share has not grown far enough is passed over, if there is another without a much longer
    /// queue.
    fn readmit(
        &mut self,
        chosen: Option<BackendId>,
        members: &mut Members,
        ramps: &mut Ramps,
        exchange: PickFor<'_>,
    ) -> Option<BackendId> {
        let spreads = self.strategy.spreads();
        let candidates = &members.candidates;
        let pickable = candidates.iter().filter(|c| c.pickable);
        let total: u64 = pickable.map(|c| u64::from(c.weight)).sum();
        let weight = |slot: usize| candidates.get(slot).map_or(0, |c| c.weight);
        let share = |slot: usize| match spreads {
            true => f64::from(weight(slot)) / total.max(1) as f64,
            false => 1.0,
        };
        ramps.earn(share, exchange.now);
        if spreads && let Some(trial) = self.due_for_trial(members, ramps, exchange.attempted) {
            return Some(trial);
        }
        let first = chosen?;
        if ramps.admits(first.slot()) {
            return chosen;
        }
        // The queues as they would be, per weight.
        let queue = |candidate: &Candidate| {
            (f64::from(candidate.in_flight) + 1.0) / f64::from(candidate.weight)
        };
        let own = members.candidates.get(first.slot()).map_or(0.0, queue);
        let longest = own / ramps.height(first.slot(), exchange.now);
        let may = |slot, backend: &Backend, candidate: &Candidate| {
            backend.is_open() && ramps.admits(slot) && queue(candidate) <= longest
        };
        self.pick_where(members, exchange, may).or(chosen)
    }

    /// The backend whose trial is the next pick, if there is one. Under a keyed strategy the trial
    /// is the next exchange that belongs to the backend.
    fn due_for_trial(
        &self,
        members: &Members,
        ramps: &Ramps,
        attempted: &[BackendId],
    ) -> Option<BackendId> {
        let trials = ramps.trials().filter(|_| !self.is_keyed);
        let mut candidates = trials.filter_map(|slot| members.candidates.get(slot));
        let due = candidates.find(|c| c.pickable && !attempted.contains(&c.id))?;
        Some(due.id)
    }
}
