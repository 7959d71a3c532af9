//! The pool of backends: who may be picked, and what is in flight where.
//!
//! [`Upstream::pick`] hands out a [`Lease`], [`Upstream::settle`] takes it back; between the two
//! the exchange counts at its backend. The upstream owns the strategy, keeps the candidates it
//! chooses from, and tells it and the [life cycle](State) how each exchange ended. It knows no
//! sockets, no addresses and no clock, and once warm it allocates nothing.
//!
//! The invariant: `candidates` agree with the leases held and with the life cycle after every
//! call. Nothing is recomputed at a pick; what changes a backend changes its candidate.

mod lease;
mod life_cycle;
mod membership;
mod outstanding;
#[cfg(test)]
mod tests;

pub use lease::Lease;
pub use life_cycle::State;

use crate::balance::{BackendId, Candidate, Outcome, Settlement, Strategy, Verdict};
use crate::time::Timestamp;
use life_cycle::Event;
use outstanding::{Outstanding, Queue};

/// The pool of backends. Owns the strategy.
pub struct Upstream {
    /// What the strategy sees, by slot.
    candidates: Vec<Candidate>,
    /// What it does not see, by slot.
    backends: Vec<Backend>,
    outstanding: Outstanding,
    strategy: Box<dyn Strategy>,
    /// Slots that wait for a backend to be added.
    vacant: Vec<u32>,
    /// The number of the next pick.
    next_pick: u64,
    /// How many backends were ever added, which orders those that were never picked.
    joined: u64,
    /// When the next cooldown ends.
    next_cooled_down: Timestamp,
    picks_in_need: u64,
}

struct Backend {
    name: String,
    state: State,
    /// Exchanges it is given at once, at most.
    max_in_flight: u32,
    queue: Queue,
}

impl Backend {
    /// Says in its candidate whether it may be picked.
    fn judge(&self, candidate: &mut Candidate) {
        candidate.pickable = self.state.pickable() && candidate.in_flight < self.max_in_flight;
    }
}

impl Upstream {
    /// Picks a backend for one exchange, or `None` if there is none to pick.
    ///
    /// `key` is the hash of what the strategy's key source names, 0 if nothing. The backends in
    /// `tried` are left out, so that a retry goes elsewhere. When nobody may be picked, those that
    /// are ejected or on probation are picked all the same: a request that may fail is better
    /// than one that must. But where somebody is only [full](Self::is_full), waiting for it is
    /// better still.
    pub fn pick(&mut self, key: u64, tried: &[BackendId], now: Timestamp) -> Option<Lease> {
        if now >= self.next_cooled_down {
            self.end_cooldowns(now);
        }
        let chosen = if tried.is_empty() {
            self.strategy.pick(&self.candidates, key, now)
        } else {
            self.pick_where(|state| state.pickable(), key, tried, now)
        };
        if let Some(backend) = chosen {
            return self.lease(backend, now);
        }
        if self.is_full(tried) {
            return None;
        }
        let backend = self.pick_where(State::pickable_in_need, key, tried, now)?;
        self.picks_in_need += 1;
        self.lease(backend, now)
    }

    /// Picks this backend, to which a client is bound, if it may be picked. The strategy has no
    /// say, and is told of the exchange all the same when it is settled.
    pub fn pick_bound(&mut self, backend: BackendId, now: Timestamp) -> Option<Lease> {
        if now >= self.next_cooled_down {
            self.end_cooldowns(now);
        }
        let may = self
            .candidate(backend)
            .is_some_and(|c| c.live && c.pickable);
        if may { self.lease(backend, now) } else { None }
    }

    /// Ends an exchange. The only way to end one.
    pub fn settle(&mut self, lease: Lease, outcome: Outcome, now: Timestamp) {
        let slot = lease.backend.slot();
        let (Some(candidate), Some(backend)) =
            (self.candidates.get_mut(slot), self.backends.get_mut(slot))
        else {
            debug_assert!(false, "a lease of another upstream");
            return;
        };
        let overtook = self.outstanding.remove(&mut backend.queue, lease.node);
        candidate.in_flight = candidate.in_flight.saturating_sub(1);
        backend.judge(candidate);
        candidate.oldest_dispatched_at = self.outstanding.oldest(&backend.queue);
        let settlement = Settlement {
            backend: lease.backend,
            outcome,
            dispatched_at: lease.dispatched_at,
            ahead_at_dispatch: lease.ahead,
            overtook,
            remaining: candidate.in_flight,
            previous_completion: candidate.last_completed_at,
        };
        if matches!(outcome, Outcome::Success { .. } | Outcome::Failure) {
            candidate.last_completed_at = Some(now);
        }
        self.advance(slot, event(outcome, lease.trial), now);
        self.strategy.settled(&self.candidates, &settlement, now);
        self.vacate_if_finished(slot);
    }

    /// A backend passed an active check: it is forgiven, and an ejected one is tried at once.
    pub fn probe_passed(&mut self, backend: BackendId, now: Timestamp) {
        if self.candidate(backend).is_some() {
            self.advance(backend.slot(), Event::ProbePassed, now);
            self.strategy.cleared(backend);
        }
    }

    /// Whether a backend that may be picked, and is not in `tried`, has all the exchanges it is
    /// given at once: one that comes now should wait.
    #[must_use]
    pub fn is_full(&self, tried: &[BackendId]) -> bool {
        let mut pool = self.candidates.iter().zip(&self.backends);
        pool.any(|(candidate, backend)| {
            backend.state.pickable()
                && candidate.in_flight >= backend.max_in_flight
                && !tried.contains(&candidate.id)
        })
    }

    /// What the strategy sees, by slot; the slots of removed backends are not `live`.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Exchanges in flight over all backends: the leases held.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.outstanding.len()
    }

    /// How often somebody was picked who may not be, because nobody may.
    #[must_use]
    pub const fn picks_in_need(&self) -> u64 {
        self.picks_in_need
    }

    /// The rule by which backends are picked.
    #[must_use]
    pub fn strategy(&self) -> &dyn Strategy {
        self.strategy.as_ref()
    }

    /// What the strategy makes of each backend at this moment: whom [`pick`](Self::pick) would
    /// pick, and why. For people; changes nothing.
    #[must_use]
    pub fn explain(&self, key: u64, now: Timestamp) -> Vec<Verdict> {
        self.strategy.explain(&self.candidates, key, now)
    }

    /// What a backend is called.
    #[must_use]
    pub fn name(&self, backend: BackendId) -> Option<&str> {
        self.candidate(backend)?;
        Some(&self.backends.get(backend.slot())?.name)
    }

    /// Where in its life a backend is.
    #[must_use]
    pub fn state(&self, backend: BackendId) -> Option<State> {
        self.candidate(backend)?;
        Some(self.backends.get(backend.slot())?.state)
    }

    /// The candidate of a backend that is still known under this id.
    fn candidate(&self, backend: BackendId) -> Option<&Candidate> {
        let candidate = self.candidates.get(backend.slot())?;
        (candidate.id == backend).then_some(candidate)
    }

    /// Picks among the backends that are not `tried` and whose state `may` be picked, by lending
    /// the strategy candidates that say so. Looks at every backend; only for the rare cases.
    fn pick_where(
        &mut self,
        may: fn(State) -> bool,
        key: u64,
        tried: &[BackendId],
        now: Timestamp,
    ) -> Option<BackendId> {
        for (candidate, backend) in self.candidates.iter_mut().zip(&self.backends) {
            let has_room = candidate.in_flight < backend.max_in_flight;
            candidate.pickable = may(backend.state) && has_room && !tried.contains(&candidate.id);
        }
        let chosen = self.strategy.pick(&self.candidates, key, now);
        for (candidate, backend) in self.candidates.iter_mut().zip(&self.backends) {
            backend.judge(candidate);
        }
        chosen
    }

    /// Counts an exchange at the backend that was chosen for it.
    fn lease(&mut self, chosen: BackendId, now: Timestamp) -> Option<Lease> {
        let slot = chosen.slot();
        let candidate = self.candidates.get_mut(slot).filter(|c| c.id == chosen);
        let (Some(candidate), Some(backend)) = (candidate, self.backends.get_mut(slot)) else {
            debug_assert!(false, "the strategy chose a backend that is not here");
            return None;
        };
        let lease = Lease {
            backend: chosen,
            dispatched_at: now,
            node: self.outstanding.push(&mut backend.queue, now),
            ahead: candidate.in_flight,
            trial: backend.state.awaits_trial(),
        };
        candidate.in_flight += 1;
        candidate.last_pick = self.next_pick;
        candidate.last_picked_at = now;
        candidate.oldest_dispatched_at.get_or_insert(now);
        self.next_pick += 1;
        backend.judge(candidate);
        if lease.trial {
            self.advance(slot, Event::Picked, now);
        }
        Some(lease)
    }

    /// Moves a backend on in its life, and its candidate with it.
    fn advance(&mut self, slot: usize, event: Event, now: Timestamp) {
        let (Some(candidate), Some(backend)) =
            (self.candidates.get_mut(slot), self.backends.get_mut(slot))
        else {
            return;
        };
        if backend.state == State::Healthy && event == Event::Answered {
            return; // what nearly always happens
        }
        let state = backend.state.after(event, now);
        backend.state = state;
        backend.judge(candidate);
        if let Some(until) = state.cooled_down_at() {
            self.next_cooled_down = self.next_cooled_down.min(until);
        }
    }

    /// Ends the cooldowns that are over. Looks at every backend, but only when one is due.
    fn end_cooldowns(&mut self, now: Timestamp) {
        self.next_cooled_down = Timestamp::NEVER;
        for slot in 0..self.backends.len() {
            self.advance(slot, Event::TimePassed, now);
        }
        let ends = self
            .backends
            .iter()
            .filter_map(|b| b.state.cooled_down_at());
        self.next_cooled_down = ends.min().unwrap_or(Timestamp::NEVER);
    }
}

/// What an outcome means for the life of its backend.
const fn event(outcome: Outcome, trial: bool) -> Event {
    match outcome {
        Outcome::Success { .. } => Event::Answered,
        Outcome::Failure | Outcome::Neutral => Event::Inconclusive { trial },
        Outcome::Unreachable => Event::Unreachable { trial },
    }
}
