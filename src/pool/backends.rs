//! The backends of a pool: which may be picked, and what is in flight at each.
//!
//! [`Backends::pick`] returns a [`Lease`], [`Backends::settle`] takes it back; in between the
//! exchange counts as in flight at its backend. Composed of the [selection](Selection) a pick is
//! made from, the [life cycles](LifeCycles), the [evidence](Detection) of how exchanges ended, what
//! is in flight, and the limit that is learned. What others say of backends comes in by
//! [`commands`](super::commands), what they ask goes out by [`queries`](super::queries). Does not
//! know sockets, addresses or the clock, and allocates nothing once warm.
//!
//! Invariant: after every call the candidates agree with the leases held and with the life cycle.
//! Nothing is recomputed at a pick; an event that changes a backend changes its candidate.

use super::backend::Seat;
use super::in_flight::InFlight;
use super::late_binding::{LateBinding, Served};
use super::life_cycle::Event;
use super::life_cycles::{LifeCycles, Verdict};
use super::members::Members;
use super::pick::PickFor;
use super::selection::Selection;
use super::sharing::{Place, Refused};
use super::signals::{Detection, judge_latency};
use super::{Cause, Lease, Sources, State};
use crate::ids::PoolId;
use crate::strategy::{BackendId, Outcome, Settlement, Strategy};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// All backends of a pool, and the strategy that chooses among them.
pub struct Backends {
    pub(super) selection: Selection,
    pub(super) life_cycles: LifeCycles,
    pub(super) detection: Detection,
    pub(super) in_flight: InFlight,
    /// What it learns of how many exchanges backends work on at once, if it is to.
    pub(super) late_binding: Option<Box<LateBinding>>,
}

impl Backends {
    /// The first pool, of `backends`, each a name and a weight (1 to 256), in the order in which
    /// ties are broken; above 8 of them that order starts at a backend that `seed` decides.
    #[must_use]
    pub fn new(
        backends: impl IntoIterator<Item = (String, u32)>,
        strategy: Box<dyn Strategy>,
        seed: u64,
    ) -> Self {
        Self::of_pool(PoolId::FIRST, backends, strategy, seed)
    }

    /// The same for any pool.
    #[must_use]
    pub fn of_pool(
        pool: PoolId,
        backends: impl IntoIterator<Item = (String, u32)>,
        strategy: Box<dyn Strategy>,
        seed: u64,
    ) -> Self {
        Self::succeeding(pool, 0, backends, strategy, seed)
    }

    /// The same for a pool whose id others had before. The generations of its backends begin with
    /// `generation`, so that none of their ids was used before.
    #[must_use]
    pub fn succeeding(
        pool: PoolId,
        generation: u32,
        backends: impl IntoIterator<Item = (String, u32)>,
        strategy: Box<dyn Strategy>,
        seed: u64,
    ) -> Self {
        let mut members = Members::of(pool, generation);
        for (name, weight) in backends {
            let id = members.next_id();
            let seat = Seat::new(name, weight, State::Initial, Timestamp::ZERO);
            members.seat(id, seat);
        }
        members.rotate(seed);
        Self {
            selection: Selection::new(members, strategy),
            life_cycles: LifeCycles::default(),
            detection: Detection::default(),
            in_flight: InFlight::default(),
            late_binding: None,
        }
    }
}

/// Picking.
impl Backends {
    /// Picks a backend for one exchange, or `None` if there is none to pick.
    ///
    /// `key` is the hash of the part that the strategy's key source names, 0 without one. The
    /// backends in `attempted` are left out, so that a retry goes elsewhere. If no backend may be
    /// picked, ejected ones and those on probation are picked all the same, first those that at
    /// least respond: a request that may fail is better than one that must. But if a backend is
    /// only [full](Self::is_full), waiting for it is better still.
    pub fn pick(&mut self, key: u64, attempted: &[BackendId], now: Timestamp) -> Option<Lease> {
        self.pick_or_hold(key, attempted, None, now)
    }

    /// As [`pick`](Self::pick), for an exchange that can wait where `waiting` do, itself counted if
    /// it is one of them. It is held back (`None`, and [`is_full`](Self::is_full)) also where a
    /// backend has room, if the strategy expects that waiting for a full one is much better. Worth
    /// another look after [`next_change`](Self::next_change), if nothing happens before.
    pub fn pick_or_hold(
        &mut self,
        key: u64,
        attempted: &[BackendId],
        waiting: Option<usize>,
        now: Timestamp,
    ) -> Option<Lease> {
        self.pass_time(now);
        let exchange = PickFor {
            key,
            attempted,
            waiting,
            now,
        };
        if self.late_binding.is_some() {
            return self.pick_with_limit(exchange);
        }
        self.pick_for(exchange)
    }

    /// As [`pick_or_hold`](Self::pick_or_hold) where the limit of the backends is learned.
    #[inline(never)]
    fn pick_with_limit(&mut self, exchange: PickFor<'_>) -> Option<Lease> {
        let (waiting, now) = (exchange.waiting.unwrap_or(0), exchange.now);
        let selection = &mut self.selection;
        if let Some(late_binding) = &mut self.late_binding {
            late_binding.adjust_places(selection, waiting, now);
        }
        match self.pick_for(exchange) {
            None if self.lift_limit(now) => self.pick_for(exchange),
            picked => picked,
        }
    }

    /// An exchange found no room. Returns whether there is now, because the learned limit was
    /// lifted.
    #[cold]
    fn lift_limit(&mut self, now: Timestamp) -> bool {
        let selection = &mut self.selection;
        let late_binding = self.late_binding.as_mut();
        late_binding.is_some_and(|known| known.lift_limit(selection, now))
    }

    /// Always inlined, as are the parts of it: a lease handed on by value through four calls costs
    /// 100 instructions.
    #[inline(always)]
    fn pick_for(&mut self, exchange: PickFor<'_>) -> Option<Lease> {
        if self.selection.sharing.is_some() {
            return self.pick_shared(exchange);
        }
        let backend = self.choose(exchange)?;
        self.lease(backend, exchange.key, exchange.now)
    }

    #[inline(always)]
    fn choose(&mut self, exchange: PickFor<'_>) -> Option<BackendId> {
        let chosen = self.selection.choose(exchange)?;
        match self.life_cycles.crowd.has_reserve() {
            true => Some(self.overflow(chosen, exchange)),
            false => Some(chosen),
        }
    }

    /// Returns a backend that is out instead of the chosen one, if the queue there is long.
    #[cold]
    fn overflow(&mut self, chosen: BackendId, exchange: PickFor<'_>) -> BackendId {
        let crowd = &self.life_cycles.crowd;
        let Selection {
            members, picker, ..
        } = &mut self.selection;
        let Some(backend) = members.backends.get(chosen.slot()) else {
            return chosen;
        };
        let oldest = self.in_flight.oldest(&backend.queue);
        let oldest = oldest.map_or(Duration::ZERO, |at| exchange.now.since(at));
        let last_response = Duration::from_nanos(backend.evidence.last_response_nanos);
        match crowd.is_long(oldest.min(last_response)) {
            true => picker.choose_reserve(members, exchange).unwrap_or(chosen),
            false => chosen,
        }
    }

    /// Picks in a pool shared by several workers. Another one may be faster at the backend that was
    /// chosen: its candidate then says so, and the next best is chosen.
    #[inline(never)]
    fn pick_shared(&mut self, exchange: PickFor<'_>) -> Option<Lease> {
        let mut looked_at_all = self.selection.look();
        for _ in 0..=self.selection.members.candidates.len() {
            match self.choose(exchange) {
                Some(backend) if !looked_at_all && self.selection.has_changed(backend.slot()) => {}
                Some(backend) => {
                    if let Some(lease) = self.lease(backend, exchange.key, exchange.now) {
                        return Some(lease);
                    }
                }
                None if looked_at_all => return None,
                None => {
                    looked_at_all = true;
                    self.selection.refresh_all();
                }
            }
        }
        None
    }

    /// Picks this backend, to which a client is bound, if it may be picked. The strategy does not
    /// choose, but learns from the settled exchange all the same.
    pub fn pick_by_affinity(&mut self, backend: BackendId, now: Timestamp) -> Option<Lease> {
        self.pass_time(now);
        self.selection.refresh(backend.slot());
        let candidate = self.selection.members.candidate(backend);
        if !candidate.is_some_and(|c| c.live && c.pickable) {
            return None;
        }
        let mut lease = self.lease(backend, 0, now)?;
        lease.by_affinity = true;
        Some(lease)
    }

    /// Takes a place in the row of the workers.
    #[inline(never)]
    fn take_place(&mut self, slot: usize, now: Timestamp) -> Option<Place> {
        match self.selection.take_place(slot, now)? {
            Ok(place) => Some(place),
            Err(Refused::Taken) => None,
            Err(Refused::Closed) => {
                self.life_cycles
                    .note_if_emptied(&mut self.selection, slot, now);
                None
            }
        }
    }

    /// Counts an exchange at the backend that was chosen for it; `None` if another worker was
    /// faster.
    #[inline(always)]
    fn lease(&mut self, chosen: BackendId, key: u64, now: Timestamp) -> Option<Lease> {
        let slot = chosen.slot();
        let is_shared = self.selection.sharing.is_some();
        let place = match is_shared {
            false => None,
            true => Some(self.take_place(slot, now)?),
        };
        let members = &mut self.selection.members;
        let candidate = members.candidates.get_mut(slot);
        let candidate = candidate.filter(|c| c.id == chosen)?;
        let backend = members.backends.get_mut(slot)?;
        let picker = &mut self.selection.picker;
        let Place {
            ahead,
            pick,
            is_trial,
        } = place.unwrap_or(Place {
            ahead: candidate.in_flight,
            pick: picker.next_pick,
            is_trial: backend.state.awaits_trial(),
        });
        let lease = Lease {
            backend: chosen,
            dispatched_at: now,
            node: self.in_flight.push(&mut backend.queue, now),
            ahead,
            key,
            trial: is_trial,
            by_affinity: false,
            follows_source: false,
        };
        if ahead == 0 {
            backend.busy.begin(now);
        }
        candidate.in_flight = ahead + 1;
        candidate.last_pick = pick;
        candidate.last_picked_at = now;
        candidate.oldest_dispatched_at.get_or_insert(now);
        picker.next_pick += 1;
        backend.is_barred |= is_trial && is_shared;
        backend.judge(candidate);
        if is_trial && !is_shared {
            self.advance(slot, Verdict::new(Event::Picked, Cause::Responded), now);
        }
        self.selection.ramps.spend(slot);
        if self.life_cycles.crowd.is_seen_at(ahead) {
            self.life_cycles.relieve(&mut self.selection, now);
        }
        Some(lease)
    }
}

/// The end of an exchange.
impl Backends {
    /// The exchange of `lease` has shown that its backend is well, though it is not over: a
    /// trial need not last as long as a tunnel or a large body.
    pub fn proved(&mut self, lease: &mut Lease, now: Timestamp) {
        if mem::take(&mut lease.trial) {
            let event = Event::Responded { trial: true };
            let verdict = Verdict::new(event, Cause::Responded);
            self.advance(lease.backend.slot(), verdict, now);
        }
    }

    /// Returns whether an exchange that is over is to be [attributed](Self::attribute) first.
    #[inline]
    #[must_use]
    pub const fn asks_for_source(&self, outcome: Outcome) -> bool {
        self.detection.asks_for_source(outcome)
    }

    /// Says what an exchange that is over came from, before it is [settled](Self::settle): a failure
    /// may follow that and not the backend.
    #[cold]
    pub fn attribute(
        &mut self,
        lease: &mut Lease,
        outcome: Outcome,
        from: Sources,
        now: Timestamp,
    ) {
        let picker = &self.selection.picker;
        let is_kept = picker.is_keyed && !picker.is_keyed_by_target;
        self.detection.attribute(lease, outcome, from, is_kept, now);
    }

    /// Ends an exchange. The only way to end one.
    pub fn settle(&mut self, lease: Lease, outcome: Outcome, now: Timestamp) {
        let slot = lease.backend.slot();
        let is_late = outcome == Outcome::TimedOut && self.is_late(&lease, now);
        let Some((mut settlement, served)) = self.give_back(&lease, outcome, now) else {
            debug_assert!(false, "a lease of another pool");
            return;
        };
        let selection = &mut self.selection;
        settlement.is_late = is_late;
        let ended = (&lease, outcome);
        let policy = &self.life_cycles.policy;
        let evidence = match is_late {
            true => (&lease, Outcome::Inconclusive),
            false => ended,
        };
        let verdict = self.detection.judge(selection, policy, evidence, now);
        if let Some(verdict) = verdict {
            self.life_cycles.advance(selection, slot, verdict, now);
        }
        if let (Some(served), Some(late_binding)) = (served, &mut self.late_binding) {
            late_binding.note_served(selection, served, now);
        }
        let policy = &self.life_cycles.policy;
        let overtook = settlement.overtook;
        if let Some(verdict) = judge_latency(selection, policy, ended, overtook, now) {
            self.life_cycles.advance(selection, slot, verdict, now);
        }
        selection.settled(&settlement, now);
        self.life_cycles.note_if_emptied(selection, slot, now);
    }

    /// Returns whether an exchange timed out because queues are long, and not because its backend is
    /// broken.
    #[cold]
    fn is_late(&mut self, lease: &Lease, now: Timestamp) -> bool {
        let waited = now.since(lease.dispatched_at);
        self.life_cycles.crowd.timed_out(waited);
        self.selection.refresh(lease.backend.slot());
        let members = &self.selection.members;
        self.detection.is_late(members, &self.in_flight, lease, now)
    }

    /// Takes an exchange out of those in flight. Returns the account of it for the strategy and, if
    /// it is to be learned whether backends are serial, for that.
    #[inline(always)]
    fn give_back(
        &mut self,
        lease: &Lease,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<(Settlement, Option<Served>)> {
        let slot = lease.backend.slot();
        let Selection {
            members, sharing, ..
        } = &mut self.selection;
        let candidate = members.candidates.get_mut(slot)?;
        let backend = members.backends.get_mut(slot)?;
        let overtook = self.in_flight.remove(&mut backend.queue, lease.node);
        let row = sharing.as_ref().and_then(|it| it.shared_load.row(slot));
        match row {
            None => {
                candidate.in_flight = candidate.in_flight.saturating_sub(1);
                if candidate.in_flight == 0 {
                    backend.busy.end(now);
                }
                candidate.oldest_dispatched_at = self.in_flight.oldest(&backend.queue);
            }
            Some(row) => {
                row.show(candidate);
                candidate.in_flight = row.leave(now);
                if candidate.in_flight == 0
                    && let Some(sharing) = sharing.as_ref()
                {
                    sharing.note_idle(slot, true);
                }
                candidate.oldest_dispatched_at = row.oldest(candidate.in_flight);
            }
        }
        backend.judge(candidate);
        let served = match (&self.late_binding, outcome.response_time()) {
            (Some(_), Some(response_time)) => {
                let last_completed_at = candidate.last_completed_at;
                Some(Served::new(
                    lease,
                    response_time,
                    overtook,
                    last_completed_at,
                    now,
                ))
            }
            _ => None,
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
        let settlement = Settlement {
            backend: lease.backend,
            outcome,
            dispatched_at: lease.dispatched_at,
            ahead_at_dispatch: lease.ahead,
            overtook,
            remaining: candidate.in_flight,
            is_late: false,
        };
        Some((settlement, served))
    }

    #[inline]
    fn advance(&mut self, slot: usize, verdict: Verdict, now: Timestamp) {
        let selection = &mut self.selection;
        self.life_cycles.advance(selection, slot, verdict, now);
    }
}
