//! The pool of backends: who may be picked, and what is in flight where.
//!
//! [`Pool::pick`] hands out a [`Lease`], [`Pool::settle`] takes it back; between the two
//! the exchange counts at its backend. The pool owns the strategy, keeps the candidates it
//! chooses from, and tells it and the [life cycle](State) how each exchange ended. It knows no
//! sockets, no addresses and no clock, and once warm it allocates nothing.
//!
//! The invariant: `candidates` agree with the leases held and with the life cycle after every
//! call. Nothing is recomputed at a pick; what changes a backend changes its candidate.

mod heartbeats;
mod in_flight;
mod latency_outlier;
mod lease;
mod life_cycle;
mod membership;
mod outlier;
mod pick;
mod shared_pick;
mod sharing;
mod signals;
mod slow_start;
mod state_change;
#[cfg(test)]
mod tests;
mod transition;
mod window;

pub use lease::Lease;
pub use life_cycle::{Grounds, State};
pub use sharing::Signal;
pub use signals::Policy;
pub use state_change::{Cause, CheckFailure, StateChange};
pub(crate) use window::Window;

use crate::strategy::{BackendId, Candidate, Outcome, Settlement, Strategy, Verdict};
use crate::time::Timestamp;
use in_flight::{InFlight, Queue};
use latency_outlier::LatencyOutlier;
use life_cycle::Event;
use outlier::OutlierDetector;
use shared_pick::Place;
use sharing::Sharing;
use slow_start::Ramps;

/// The pool of backends. Owns the strategy.
pub struct Pool {
    /// What the strategy sees, by slot.
    candidates: Vec<Candidate>,
    /// What it does not see, by slot.
    backends: Vec<Backend>,
    in_flight_list: InFlight,
    strategy: Box<dyn Strategy>,
    /// Whether the strategy goes by something in the request.
    is_keyed: bool,
    /// Slots that wait for a backend to be added.
    vacant: Vec<u32>,
    /// The number of the next pick.
    next_pick: u64,
    /// How many backends were ever added, which orders those that were never picked.
    joined: u64,
    /// When time alone next changes a state.
    next_change: Timestamp,
    panic_picks: u64,
    policy: Policy,
    /// Who comes back.
    ramps: Ramps,
    /// The outcomes of all backends.
    recent: Window<4>,
    /// How long slow answers take, over all backends: the longest, forgotten bit by bit.
    slow_response_nanos: u64,
    /// What has changed and nobody has asked for yet.
    changes: Vec<StateChange>,
    /// How many were not kept since the last that was.
    missed_changes: u64,
    /// What other workers have to do with it; `None` if it is alone.
    sharing: Option<Sharing>,
}

/// The order is that of memory: the lines that each exchange needs come first.
#[repr(C, align(64))]
struct Backend {
    queue: Queue,
    /// Exchanges it is given at once, at most.
    max_in_flight: u32,
    unreachable_in_a_row: u32,
    state: State,
    /// Exchanges dispatched before tell of an earlier time, and are no evidence.
    judged_from: Timestamp,
    /// Whether it was said that it is not ejected because too many are.
    is_spared: bool,
    /// Whether the other workers keep it from being picked here: its trial is under way there,
    /// or news of its state are.
    is_barred: bool,
    evidence: OutlierDetector,
    latency_outlier: LatencyOutlier,
    name: String,
}

impl Backend {
    /// Whether it may be picked, if it has room.
    fn is_open(&self) -> bool {
        self.state.pickable() && !self.is_barred
    }

    /// Says in its candidate whether it may be picked.
    fn judge(&self, candidate: &mut Candidate) {
        candidate.pickable = self.is_open() && candidate.in_flight < self.max_in_flight;
    }
}

impl Pool {
    /// Picks a backend for one exchange, or `None` if there is none to pick.
    ///
    /// `key` is the hash of what the strategy's key source names, 0 if nothing. The backends in
    /// `attempted` are left out, so that a retry goes elsewhere. When nobody may be picked, those that
    /// are ejected or on probation are picked all the same, first those that at least answer: a
    /// request that may fail is better than one that must. But where somebody is only
    /// [full](Self::is_full), waiting for it is better still.
    pub fn pick(&mut self, key: u64, attempted: &[BackendId], now: Timestamp) -> Option<Lease> {
        self.pass_time(now);
        if self.sharing.is_some() {
            return self.pick_shared(key, attempted, now);
        }
        let backend = self.choose(key, attempted, now)?;
        self.lease(backend, now)
    }

    /// Picks this backend, to which a client is bound, if it may be picked. The strategy has no
    /// say, and is told of the exchange all the same when it is settled.
    pub fn pick_by_affinity(&mut self, backend: BackendId, now: Timestamp) -> Option<Lease> {
        self.pass_time(now);
        self.refresh(backend.slot());
        let may = self
            .candidate(backend)
            .is_some_and(|c| c.live && c.pickable);
        if !may {
            return None;
        }
        let mut lease = self.lease(backend, now)?;
        lease.by_affinity = true;
        Some(lease)
    }

    /// Ends an exchange. The only way to end one.
    pub fn settle(&mut self, lease: Lease, outcome: Outcome, now: Timestamp) {
        let slot = lease.backend.slot();
        let (Some(candidate), Some(backend)) =
            (self.candidates.get_mut(slot), self.backends.get_mut(slot))
        else {
            debug_assert!(false, "a lease of another pool");
            return;
        };
        let overtook = self.in_flight_list.remove(&mut backend.queue, lease.node);
        let row = self.sharing.as_ref().and_then(|s| s.shared_load.row(slot));
        match row {
            None => {
                candidate.in_flight = candidate.in_flight.saturating_sub(1);
                candidate.oldest_dispatched_at = self.in_flight_list.oldest(&backend.queue);
            }
            Some(row) => {
                row.show(candidate);
                candidate.in_flight = row.leave();
                candidate.oldest_dispatched_at = row.oldest(candidate.in_flight);
            }
        }
        backend.judge(candidate);
        let settlement = Settlement {
            backend: lease.backend,
            outcome,
            dispatched_at: lease.dispatched_at,
            ahead_at_dispatch: lease.ahead,
            overtook,
            remaining: candidate.in_flight,
        };
        if matches!(
            outcome,
            Outcome::Success { .. } | Outcome::ClientError | Outcome::Failure
        ) {
            candidate.last_completed_at = Some(now);
            if let Some(row) = row {
                row.completed(now);
            }
        }
        self.judge(&lease, outcome, now);
        self.note_pace(&lease, outcome, overtook, now);
        self.strategy.settled(&self.candidates, &settlement, now);
        self.note_if_emptied(slot, now);
        if settlement.remaining == 0 {
            self.vacate_if_removed(slot);
        }
    }

    /// Whether a backend that may be picked, and is not in `attempted`, has all the exchanges it is
    /// given at once: one that comes now should wait.
    #[must_use]
    pub fn is_full(&self, attempted: &[BackendId]) -> bool {
        let mut pool = self.candidates.iter().zip(&self.backends);
        pool.any(|(candidate, backend)| {
            backend.is_open()
                && candidate.in_flight >= backend.max_in_flight
                && !attempted.contains(&candidate.id)
        })
    }

    /// Whether a backend other than `this`, and not in `attempted`, answers, as far as is known.
    #[must_use]
    pub fn has_another(&self, this: BackendId, attempted: &[BackendId]) -> bool {
        let mut pool = self.candidates.iter().zip(&self.backends);
        pool.any(|(candidate, backend)| {
            let id = candidate.id;
            backend.state.answers() && id != this && !attempted.contains(&id)
        })
    }

    /// What the strategy sees, by slot; the slots of removed backends are not `live`.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Exchanges in flight over all backends: the leases held, here and not by other workers.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight_list.len()
    }

    /// How often somebody was picked who may not be, because nobody may.
    #[must_use]
    pub const fn panic_picks(&self) -> u64 {
        self.panic_picks
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

    /// Counts an exchange at the backend that was chosen for it; `None` if another worker was
    /// faster.
    #[inline]
    fn lease(&mut self, chosen: BackendId, now: Timestamp) -> Option<Lease> {
        let slot = chosen.slot();
        let place = match self.sharing {
            None => None,
            Some(_) => Some(self.take_place(slot, now)?),
        };
        let candidate = self.candidates.get_mut(slot).filter(|c| c.id == chosen);
        let (Some(candidate), Some(backend)) = (candidate, self.backends.get_mut(slot)) else {
            debug_assert!(false, "the strategy chose a backend that is not here");
            return None;
        };
        let Place {
            ahead,
            pick,
            is_trial,
        } = place.unwrap_or(Place {
            ahead: candidate.in_flight,
            pick: self.next_pick,
            is_trial: backend.state.awaits_trial(),
        });
        let lease = Lease {
            backend: chosen,
            dispatched_at: now,
            node: self.in_flight_list.push(&mut backend.queue, now),
            ahead,
            trial: is_trial,
            by_affinity: false,
        };
        candidate.in_flight = ahead + 1;
        candidate.last_pick = pick;
        candidate.last_picked_at = now;
        candidate.oldest_dispatched_at.get_or_insert(now);
        self.next_pick += 1;
        backend.is_barred |= is_trial && self.sharing.is_some();
        backend.judge(candidate);
        if is_trial && self.sharing.is_none() {
            self.advance(slot, Event::Picked, Cause::Answered, now);
        }
        self.ramps.spend(slot);
        Some(lease)
    }
}
