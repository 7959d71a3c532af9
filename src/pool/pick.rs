//! Who is picked: the strategy chooses, and the life cycle has its say.
//!
//! A strategy sees candidates and knows nothing of trials, growing shares or need. Those are seen
//! to here, the same way for every strategy: by giving an exchange to whoever is due, or by asking
//! the strategy again with fewer or more candidates. In the usual case, when all are well and
//! nothing was attempted before, the strategy is asked once and that is all.

use super::Backends;
use super::backends::Backend;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;

impl Backends {
    /// Chooses a backend for one exchange, as [`pick`](Self::pick) says.
    pub(super) fn choose(
        &mut self,
        key: u64,
        attempted: &[BackendId],
        now: Timestamp,
    ) -> Option<BackendId> {
        let mut chosen = if attempted.is_empty() {
            let chosen = self.strategy.pick(&self.candidates, key, now);
            self.validated(chosen)
        } else {
            self.pick_where(|_, backend| backend.is_open(), key, attempted, now)
        };
        if !self.ramps.is_empty() {
            chosen = self.welcome_back(chosen, key, attempted, now);
        }
        if chosen.is_some() || self.is_full(attempted) {
            return chosen;
        }
        let answers = |_, backend: &Backend| backend.state.answers();
        let member = |_, backend: &Backend| backend.state.is_member();
        let backend = match self.pick_where(answers, key, attempted, now) {
            Some(backend) => backend,
            None => self.pick_where(member, key, attempted, now)?,
        };
        self.panic_picks += 1;
        Some(backend)
    }

    /// Picks among the backends that are not `attempted` and that `may` be picked, by lending
    /// the strategy candidates that say so. Looks at every backend; only for the rare cases.
    fn pick_where(
        &mut self,
        may: impl Fn(usize, &Backend) -> bool,
        key: u64,
        attempted: &[BackendId],
        now: Timestamp,
    ) -> Option<BackendId> {
        for (slot, candidate) in self.candidates.iter_mut().enumerate() {
            let backend = self.backends.get(slot);
            candidate.pickable = backend.is_some_and(|backend| {
                let has_room = candidate.in_flight < backend.max_in_flight;
                may(slot, backend) && has_room && !attempted.contains(&candidate.id)
            });
        }
        let chosen = self.strategy.pick(&self.candidates, key, now);
        let chosen = self.validated(chosen);
        for (candidate, backend) in self.candidates.iter_mut().zip(&self.backends) {
            backend.judge(candidate);
        }
        chosen
    }

    /// Checks the id that a strategy returned: one of a backend that may be picked. A strategy of the
    /// user's own that errs costs its exchange a backend, not the balancer its life.
    #[inline]
    fn validated(&mut self, chosen: Option<BackendId>) -> Option<BackendId> {
        let backend = chosen?;
        let candidate = self.candidates.get(backend.slot());
        if candidate.is_some_and(|c| c.id == backend && c.pickable) {
            return chosen;
        }
        self.has_invalid_pick = true;
        None
    }

    /// Lets those come back that are to: one that is due for its trial is picked, and a chosen
    /// one whose share has not grown far enough is passed over, if there is another.
    fn welcome_back(
        &mut self,
        chosen: Option<BackendId>,
        key: u64,
        attempted: &[BackendId],
        now: Timestamp,
    ) -> Option<BackendId> {
        let spreads = self.strategy.spreads();
        let candidates = &self.candidates;
        let pickable = candidates.iter().filter(|c| c.pickable);
        let total: u64 = pickable.map(|c| u64::from(c.weight)).sum();
        let weight = |slot: usize| candidates.get(slot).map_or(0, |c| c.weight);
        let share = |slot: usize| match spreads {
            true => f64::from(weight(slot)) / total.max(1) as f64,
            false => 1.0,
        };
        self.ramps.earn(share, now);
        if spreads && let Some(trial) = self.due_for_trial(attempted) {
            return Some(trial);
        }
        let first = chosen?;
        if self.ramps.admits(first.slot()) {
            return chosen;
        }
        let ramps = mem::take(&mut self.ramps);
        let may = |slot, backend: &Backend| backend.is_open() && ramps.admits(slot);
        let other = self.pick_where(may, key, attempted, now);
        self.ramps = ramps;
        other.or(chosen)
    }

    /// The backend whose trial is the next pick, if there is one. Rules that go by the request
    /// have their reasons: there the trial is the next exchange that belongs to the backend.
    fn due_for_trial(&self, attempted: &[BackendId]) -> Option<BackendId> {
        let trials = self.ramps.trials().filter(|_| !self.is_keyed);
        let mut candidates = trials.filter_map(|slot| self.candidates.get(slot));
        let due = candidates.find(|c| c.pickable && !attempted.contains(&c.id))?;
        Some(due.id)
    }
}
