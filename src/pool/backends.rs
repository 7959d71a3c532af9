//! The backends of a pool: which may be picked, and what is in flight at each.
//!
//! [`Backends::pick`] returns a [`Lease`], [`Backends::settle`] takes it back; in between the
//! exchange counts as in flight at its backend. Owns the strategy, keeps the candidates it chooses
//! from, and reports to it and to the [life cycle](State) how each exchange ended. Does not know
//! sockets, addresses or the clock, and allocates nothing once warm.
//!
//! Invariant: after every call `candidates` agree with the leases held and with the life cycle.
//! Nothing is recomputed at a pick; an event that changes a backend changes its candidate.

use super::in_flight::InFlight;
use super::late_binding::{LateBinding, Served};
use super::life_cycle::Event;
use super::members::{Members, Seat};
use super::membership::Departures;
use super::pick::{PickFor, Picker};
use super::sharing::{Place, Sharing};
use super::signals::Detection;
use super::slow_start::Ramps;
use super::state_change::ChangeLog;
use super::{Cause, EjectionPolicy, Lease, Sources, State};
use crate::ids::PoolId;
use crate::strategy::{BackendId, Candidate, Outcome, Rating, Settlement, Strategy};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// After how long an exchange that was held back is looked at again, if nothing happens before.
pub(super) const HELD_FOR: Duration = Duration::from_millis(10);

/// All backends of a pool, and the strategy that chooses among them.
pub struct Backends {
    pub(super) members: Members,
    pub(super) in_flight: InFlight,
    pub(super) picker: Picker,
    pub(super) detection: Detection,
    /// The backends that come back.
    pub(super) ramps: Ramps,
    pub(super) departures: Departures,
    /// Time at which time alone next changes a state.
    pub(super) next_change: Timestamp,
    pub(super) change_log: ChangeLog,
    /// What it learns of how many exchanges backends work on at once, if it is to.
    pub(super) late_binding: Option<Box<LateBinding>>,
    /// In flight at a picked backend from which on those ejected for their responses are tried
    /// again; the maximum while there are none.
    pub(super) crowded_from: u32,
    /// The part of this worker in a pool shared by several; `None` if it is alone.
    pub(super) sharing: Option<Sharing>,
}

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
        self.adjust_places(exchange.waiting.unwrap_or(0), exchange.now);
        match self.pick_for(exchange) {
            None if self.lift_limit(exchange.now) => self.pick_for(exchange),
            picked => picked,
        }
    }

    /// Always inlined, as are the parts of it: a lease handed on by value through four calls costs
    /// 100 instructions.
    #[inline(always)]
    fn pick_for(&mut self, exchange: PickFor<'_>) -> Option<Lease> {
        if self.sharing.is_some() {
            return self.pick_shared(exchange);
        }
        let backend = self.choose(exchange)?;
        self.lease(backend, exchange.key, exchange.now)
    }

    #[inline(always)]
    pub(super) fn choose(&mut self, exchange: PickFor<'_>) -> Option<BackendId> {
        let (members, ramps) = (&mut self.members, &mut self.ramps);
        let chosen = self.picker.choose(members, ramps, exchange)?;
        if self.members.is_limited && self.holds(chosen, exchange) {
            self.next_change = self.next_change.min(exchange.now + HELD_FOR);
            return None;
        }
        Some(chosen)
    }

    /// Returns whether the exchange should rather wait for a full backend than go to the chosen
    /// one. One that has failed elsewhere goes where it can, and so does a trial.
    fn holds(&self, chosen: BackendId, exchange: PickFor<'_>) -> bool {
        let Some(waiting) = exchange.waiting.filter(|_| exchange.attempted.is_empty()) else {
            return false;
        };
        let backend = self.members.backends.get(chosen.slot());
        let candidates = &self.members.candidates;
        let strategy = &self.picker.strategy;
        !backend.is_some_and(|backend| backend.state.is_out())
            && strategy.holds(candidates, chosen, waiting, exchange.now)
    }

    /// Picks this backend, to which a client is bound, if it may be picked. The strategy does not
    /// choose, but learns from the settled exchange all the same.
    pub fn pick_by_affinity(&mut self, backend: BackendId, now: Timestamp) -> Option<Lease> {
        self.pass_time(now);
        self.refresh(backend.slot());
        let may = self
            .members
            .candidate(backend)
            .is_some_and(|c| c.live && c.pickable);
        if !may {
            return None;
        }
        let mut lease = self.lease(backend, 0, now)?;
        lease.by_affinity = true;
        Some(lease)
    }

    /// Returns whether an exchange that is over is to be [attributed](Self::attribute) first.
    #[inline]
    #[must_use]
    pub fn asks_for_source(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Failure | Outcome::TimedOut => true,
            Outcome::Success { .. } | Outcome::ClientError => !self.detection.sources.is_empty(),
            Outcome::Unreachable | Outcome::Inconclusive => false,
        }
    }

    /// Says what an exchange that is over came from, before it is [settled](Self::settle): a failure
    /// may follow that and not the backend.
    #[cold]
    pub fn attribute(
        &mut self,
        lease: &mut Lease,
        outcome: Outcome,
        mut from: Sources,
        now: Timestamp,
    ) {
        let is_kept = self.picker.is_keyed && !self.picker.is_keyed_by_target;
        from.key = if is_kept { lease.key } else { 0 };
        let known = &mut self.detection.sources;
        match outcome {
            Outcome::Failure | Outcome::TimedOut => {
                lease.follows_source = known.failed(from, lease.backend, is_kept, now);
            }
            Outcome::Success { .. } | Outcome::ClientError => {
                known.succeeded(from, lease.backend, now);
            }
            Outcome::Unreachable | Outcome::Inconclusive => {}
        }
    }

    /// Ends an exchange. The only way to end one.
    pub fn settle(&mut self, lease: Lease, outcome: Outcome, now: Timestamp) {
        let slot = lease.backend.slot();
        let (Some(candidate), Some(backend)) = (
            self.members.candidates.get_mut(slot),
            self.members.backends.get_mut(slot),
        ) else {
            debug_assert!(false, "a lease of another pool");
            return;
        };
        let overtook = self.in_flight.remove(&mut backend.queue, lease.node);
        let row = self.sharing.as_ref().and_then(|s| s.shared_load.row(slot));
        match row {
            None => {
                candidate.in_flight = candidate.in_flight.saturating_sub(1);
                if candidate.in_flight == 0 {
                    let busy = now.as_nanos().saturating_sub(backend.busy_since.as_nanos());
                    backend.busy_nanos += busy;
                }
                candidate.oldest_dispatched_at = self.in_flight.oldest(&backend.queue);
            }
            Some(row) => {
                row.show(candidate);
                candidate.in_flight = row.leave(now);
                candidate.oldest_dispatched_at = row.oldest(candidate.in_flight);
            }
        }
        backend.judge(candidate);
        let served = match (&self.late_binding, outcome.response_time()) {
            (Some(_), Some(response_time)) => {
                let nanos_since = |at: Timestamp| now.as_nanos().saturating_sub(at.as_nanos());
                let began_at = candidate.last_completed_at.max(Some(lease.dispatched_at));
                Some(Served {
                    slot,
                    in_service_nanos: nanos_since(began_at.unwrap_or(now)),
                    life_nanos: nanos_since(lease.dispatched_at),
                    response_nanos: response_time.as_nanos() as u64,
                    ahead: lease.ahead,
                    overtook,
                })
            }
            _ => None,
        };
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
        if let Some(served) = served {
            self.note_served(served, now);
        }
        self.note_latency(&lease, outcome, overtook, now);
        let is_shared = self.sharing.is_some();
        if is_shared {
            self.recall(slot);
        }
        self.picker
            .strategy
            .settled(&self.members.candidates, &settlement, now);
        if is_shared {
            self.publish_pool();
            self.publish(slot);
        }
        self.note_if_emptied(slot, now);
    }

    /// Returns whether a backend is given a limited number of exchanges at once, or was.
    #[must_use]
    pub const fn has_limits(&self) -> bool {
        self.members.is_limited
    }

    /// Returns whether a backend that may be picked, and is not in `attempted`, is at its limit, or
    /// one of any state has no room for a connection at this moment: an exchange for which none was
    /// picked should wait.
    #[must_use]
    pub fn is_full(&self, attempted: &[BackendId]) -> bool {
        self.members.is_full(attempted) || self.members.is_congested(attempted)
    }

    /// Returns whether a backend other than `this`, and not in `attempted`, is known to respond.
    #[must_use]
    pub fn has_another(&self, this: BackendId, attempted: &[BackendId]) -> bool {
        let mut pool = self.members.candidates.iter().zip(&self.members.backends);
        pool.any(|(candidate, backend)| {
            let id = candidate.id;
            backend.state.responds() && id != this && !attempted.contains(&id)
        })
    }

    /// Returns the candidates, by slot; those of removed backends are not `live`.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.members.candidates
    }

    /// Exchanges in flight over all backends: the leases held, here and not by other workers.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns the number of picks of ineligible backends, for want of eligible ones.
    #[must_use]
    pub const fn panic_picks(&self) -> u64 {
        self.picker.panic_picks
    }

    /// The rule by which backends are picked.
    #[must_use]
    pub fn strategy(&self) -> &dyn Strategy {
        self.picker.strategy.as_ref()
    }

    /// Returns the strategy's rating of each backend at this moment: the one that
    /// [`pick`](Self::pick) would pick, and why. For people; changes nothing.
    #[must_use]
    pub fn explain(&self, key: u64, now: Timestamp) -> Vec<Rating> {
        self.picker
            .strategy
            .explain(&self.members.candidates, key, now)
    }

    /// Returns the configured name of a backend.
    #[must_use]
    pub fn name(&self, backend: BackendId) -> Option<&str> {
        Some(&self.members.backend(backend)?.name)
    }

    /// Returns the address of a backend, in the user's notation.
    #[must_use]
    pub fn address(&self, backend: BackendId) -> Option<&str> {
        Some(&self.members.backend(backend)?.address)
    }

    /// The backend at this address, if there is just one.
    #[must_use]
    pub fn find_by_address(&self, address: &str) -> Option<BackendId> {
        self.members.find_by_address(address)
    }

    /// Returns where in its life a backend is.
    #[inline]
    #[must_use]
    pub fn state(&self, backend: BackendId) -> Option<State> {
        Some(self.members.backend(backend)?.state)
    }

    /// Returns whether the strategy has returned the id of an unknown or ineligible backend since
    /// the last call.
    pub(crate) fn take_invalid_pick(&mut self) -> bool {
        mem::take(&mut self.picker.has_invalid_pick)
    }

    /// Counts an exchange at the backend that was chosen for it; `None` if another worker was
    /// faster.
    #[inline(always)]
    pub(super) fn lease(&mut self, chosen: BackendId, key: u64, now: Timestamp) -> Option<Lease> {
        let slot = chosen.slot();
        let place = match self.sharing {
            None => None,
            Some(_) => Some(self.take_place(slot, now)?),
        };
        let candidate = self.members.candidates.get_mut(slot);
        let candidate = candidate.filter(|c| c.id == chosen)?;
        let backend = self.members.backends.get_mut(slot)?;
        let Place {
            ahead,
            pick,
            is_trial,
        } = place.unwrap_or(Place {
            ahead: candidate.in_flight,
            pick: self.picker.next_pick,
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
            backend.busy_since = now;
        }
        candidate.in_flight = ahead + 1;
        candidate.last_pick = pick;
        candidate.last_picked_at = now;
        candidate.oldest_dispatched_at.get_or_insert(now);
        self.picker.next_pick += 1;
        backend.is_barred |= is_trial && self.sharing.is_some();
        backend.judge(candidate);
        if is_trial && self.sharing.is_none() {
            self.advance(slot, Event::Picked, Cause::Responded, now);
        }
        self.ramps.spend(slot);
        if ahead >= self.crowded_from {
            self.relieve(now);
        }
        Some(lease)
    }
}

/// Membership.
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
        let mut pool = Self {
            members: Members::of(pool, generation),
            in_flight: InFlight::default(),
            picker: Picker::new(strategy),
            detection: Detection::default(),
            ramps: Ramps::default(),
            departures: Departures::default(),
            next_change: Timestamp::NEVER,
            change_log: ChangeLog::default(),
            crowded_from: u32::MAX,
            late_binding: None,
            sharing: None,
        };
        for (name, weight) in backends {
            let id = pool.members.next_id();
            let seat = Seat {
                address: name.clone(),
                name,
                weight,
                state: State::Initial,
                at: Timestamp::ZERO,
            };
            pool.members.seat(id, seat);
        }
        pool.members.rotate(seed);
        pool.picker
            .strategy
            .changed(&pool.members.candidates, Timestamp::ZERO);
        pool
    }

    /// Sets what it takes to eject a backend, and how it comes back.
    pub fn set_policy(&mut self, policy: EjectionPolicy) {
        self.detection.policy = policy;
    }

    /// Exchanges that a backend is given at once, as it was set; `None`: any number.
    pub(super) fn own_limit(&self, backend: BackendId) -> Option<u32> {
        let known = self.members.backend(backend)?;
        Some(known.own_max).filter(|max| *max != u32::MAX)
    }

    /// The backend called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<BackendId> {
        self.members.find(name)
    }

    /// The backend on this host, if there is just one.
    #[must_use]
    pub fn find_only_of_host(&self, host: &str) -> Option<BackendId> {
        self.members.find_only_of_host(host)
    }

    /// Lets a backend finish what it has and gives it nothing new; when it has finished, it is
    /// disabled. Returns whether there is such a backend.
    pub fn drain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        let here = self.command(backend, Event::Drain, now);
        self.note_if_emptied(backend.slot(), now);
        here
    }

    /// Disables a backend, even with exchanges in flight. Returns whether it exists.
    pub fn disable(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Disable, now)
    }

    /// Takes a drained or disabled backend back, on probation. Returns whether there is such a
    /// backend.
    pub fn undrain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.cancel_departure(backend);
        self.command(backend, Event::Restore, now)
    }

    /// Returns whether the operator wants a backend to take part: it is not drained, disabled or
    /// removed.
    #[inline]
    #[must_use]
    pub fn is_member(&self, backend: BackendId) -> bool {
        self.state(backend).is_some_and(State::is_member)
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is such a backend.
    pub fn set_weight(&mut self, backend: BackendId, weight: u32) -> bool {
        let candidate = self.members.candidates.get_mut(backend.slot());
        let Some(candidate) = candidate.filter(|c| c.live && c.id == backend) else {
            return false;
        };
        candidate.weight = weight.clamp(1, 256);
        self.announce_later();
        true
    }

    /// Returns whether exchanges may have to wait for a place at a backend.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.members.is_limited
    }

    /// Gives a backend at most so many exchanges at once: at least one, `u32::MAX` for no limit.
    /// Returns whether there is such a backend.
    pub fn set_max_in_flight(&mut self, backend: BackendId, max: u32) -> bool {
        let slot = backend.slot();
        let places = self.places_now();
        match (
            self.members.candidates.get_mut(slot),
            self.members.backends.get_mut(slot),
        ) {
            (Some(candidate), Some(known)) if candidate.live && candidate.id == backend => {
                known.own_max = max.max(1);
                known.max_in_flight = known.own_max.min(places);
                self.members.is_limited |= max != u32::MAX;
                known.judge(candidate);
                true
            }
            _ => false,
        }
    }

    pub(super) fn command(&mut self, backend: BackendId, event: Event, now: Timestamp) -> bool {
        let here = self.is_live(backend);
        if here {
            self.advance(backend.slot(), event, Cause::Operator, now);
        }
        here
    }
}
