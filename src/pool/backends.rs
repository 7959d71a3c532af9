//! The backends of a pool: which may be picked, and what is in flight at each.
//!
//! [`Backends::pick`] returns a [`Lease`], [`Backends::settle`] takes it back; in between the
//! exchange counts as in flight at its backend. Owns the strategy, keeps the candidates it chooses
//! from, and reports to it and to the [life cycle](State) how each exchange ended. Does not know
//! sockets, addresses or the clock, and allocates nothing once warm.
//!
//! Invariant: after every call `candidates` agree with the leases held and with the life cycle.
//! Nothing is recomputed at a pick; an event that changes a backend changes its candidate.

use super::in_flight::{InFlight, Queue};
use super::latency_outlier::LatencyOutlier;
use super::life_cycle::Event;
use super::outlier::OutlierDetector;
use super::shared_pick::Place;
use super::sharing::Sharing;
use super::slow_start::Ramps;
use super::window::Window;
use super::{Cause, EjectionPolicy, Lease, State, StateChange};
use crate::strategy::{BackendId, Candidate, Outcome, Settlement, Strategy, Verdict};
use crate::time::Timestamp;
use std::mem;

/// All backends of a pool, and the strategy that chooses among them.
pub struct Backends {
    /// What the strategy sees, by slot.
    pub(super) candidates: Vec<Candidate>,
    /// What it does not see, by slot.
    pub(super) backends: Vec<Backend>,
    pub(super) in_flight_list: InFlight,
    pub(super) strategy: Box<dyn Strategy>,
    /// Whether the strategy goes by something in the request.
    pub(super) is_keyed: bool,
    /// Slots that wait for a backend to be added.
    pub(super) vacant: Vec<u32>,
    /// The number of the next pick.
    pub(super) next_pick: u64,
    /// How many backends were ever added, which orders those that were never picked.
    pub(super) joined: u64,
    /// When time alone next changes a state.
    pub(super) next_change: Timestamp,
    pub(super) panic_picks: u64,
    /// Whether the strategy returned an id that is not of a candidate that may be picked.
    pub(super) has_invalid_pick: bool,
    pub(super) policy: EjectionPolicy,
    /// Who comes back.
    pub(super) ramps: Ramps,
    /// The outcomes of all backends.
    pub(super) recent: Window<4>,
    /// How long slow answers take, over all backends: the longest, forgotten bit by bit.
    pub(super) slow_response_nanos: u64,
    /// What has changed and nobody has asked for yet.
    pub(super) changes: Vec<StateChange>,
    /// How many were not kept since the last that was.
    pub(super) missed_changes: u64,
    /// What other workers have to do with it; `None` if it is alone.
    pub(super) sharing: Option<Sharing>,
}

/// The order is that of memory: the lines that each exchange needs come first.
#[repr(C, align(64))]
pub(super) struct Backend {
    pub(super) queue: Queue,
    /// Exchanges it is given at once, at most.
    pub(super) max_in_flight: u32,
    pub(super) unreachable_in_a_row: u32,
    pub(super) state: State,
    /// Exchanges dispatched before tell of an earlier time, and are no evidence.
    pub(super) judged_from: Timestamp,
    /// Whether it was said that it is not ejected because too many are.
    pub(super) is_spared: bool,
    /// Whether the other workers keep it from being picked here: its trial is under way there,
    /// or news of its state are.
    pub(super) is_barred: bool,
    pub(super) evidence: OutlierDetector,
    pub(super) latency_outlier: LatencyOutlier,
    pub(super) name: String,
}

impl Backend {
    /// Whether it may be picked, if it has room.
    pub(super) fn is_open(&self) -> bool {
        self.state.pickable() && !self.is_barred
    }

    /// Says in its candidate whether it may be picked.
    pub(super) fn judge(&self, candidate: &mut Candidate) {
        candidate.pickable = self.is_open() && candidate.in_flight < self.max_in_flight;
    }
}

impl Backends {
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

    /// Whether the strategy has named a backend that does not exist or may not be picked since this
    /// was last asked.
    pub(crate) fn take_invalid_pick(&mut self) -> bool {
        mem::take(&mut self.has_invalid_pick)
    }

    /// The candidate of a backend that is still known under this id.
    pub(super) fn candidate(&self, backend: BackendId) -> Option<&Candidate> {
        let candidate = self.candidates.get(backend.slot())?;
        (candidate.id == backend).then_some(candidate)
    }

    /// Counts an exchange at the backend that was chosen for it; `None` if another worker was
    /// faster.
    #[inline]
    pub(super) fn lease(&mut self, chosen: BackendId, now: Timestamp) -> Option<Lease> {
        let slot = chosen.slot();
        let place = match self.sharing {
            None => None,
            Some(_) => Some(self.take_place(slot, now)?),
        };
        let candidate = self.candidates.get_mut(slot).filter(|c| c.id == chosen)?;
        let backend = self.backends.get_mut(slot)?;
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
