//! Membership: backends that come and go while exchanges are under way.
//!
//! A backend that is added comes through probation and slow start, unless it is [warm](Entrance).
//! One that is removed drains first, up to a deadline; then it is removed whatever is still in
//! flight there, which the proxy cuts off. Its slot is given to another backend, under a new
//! generation, when nothing in any worker refers to it any more.
//!
//! With several workers the first decides, and gives the slots: the others follow by
//! [`Admitted`] and [`StateChange`], in the order of the decisions. Each of them
//! [reports](Backends::reclaim) when it has let go of a removed backend. Refused: freeing the slot
//! when the shared row shows nothing in flight. A worker that has not heard of the removal could
//! then take a place at the successor for the backend it still knows.
//!
//! The strategy is told once for all that changed in a turn: rebuilding a hash ring for each of
//! five hundred backends would hold up traffic for seconds.

use super::life_cycle::{Event, FIRST_COOLDOWN};
use super::members::Seat;
use super::{Backends, Cause, ConnectSpec, Pool, State, StateChange};
use crate::address::Address;
use crate::config::MAX_BACKENDS;
use crate::ids::BackendConnId;
use crate::shared::BackendLoad;
use crate::strategy::BackendId;
use crate::telemetry::Standing;
use crate::time::Timestamp;
use std::fmt::{self, Display, Formatter};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// The state in which an added backend begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entrance {
    /// On probation: one exchange at a time, then a growing share.
    #[default]
    Trial,
    /// With its whole share at once: it is known to be well.
    Warm,
}

/// A backend to be added to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBackend {
    /// Its name, which no other backend of the pool has.
    pub name: String,
    /// Its address as people write it.
    pub address: String,
    /// Its addresses: at least one. All are tried.
    pub addresses: Vec<Address>,
    /// Its share relative to the others, 1 to 256.
    pub weight: u32,
    /// Exchanges it is given at once, at least one; `None` for the default of the pool.
    pub max_in_flight: Option<u32>,
    /// The state in which it begins.
    pub entrance: Entrance,
}

/// A backend that the first worker has added, for the others.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The id it was given.
    pub id: BackendId,
    /// Its settings.
    pub backend: Arc<NewBackend>,
}

/// The reason why a backend was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdded {
    /// Another backend of the pool has the name.
    NameTaken(String),
    /// The pool has as many backends as it may: [`MAX_BACKENDS`].
    TooMany,
    /// lb itself listens at the address.
    OwnAddress(String),
    /// The pool is no more in the configuration.
    PoolLeaves,
    /// A UNIX socket cannot be pinged, as the pool's health checks do.
    CannotBePinged(String),
}

impl Display for NotAdded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(name) => write!(
                f,
                "there is a backend {name} already; remove it first, or choose another name"
            ),
            Self::TooMany => write!(f, "a pool has at most {MAX_BACKENDS} backends"),
            Self::OwnAddress(address) => {
                write!(f, "{address}: lb itself listens there; name another server")
            }
            Self::PoolLeaves => write!(f, "the pool is no more in the configuration"),
            Self::CannotBePinged(address) => write!(
                f,
                "{address} is a UNIX socket, which cannot be pinged; check health by tcp or http"
            ),
        }
    }
}

impl std::error::Error for NotAdded {}

/// The state in which a backend begins that is not known to be well.
const fn on_trial() -> State {
    State::on_probation(FIRST_COOLDOWN)
}

/// Changes in progress in a pool's membership.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Backends that drain before they are removed, and until when.
    draining: Vec<(BackendId, Timestamp)>,
    /// Removed backends whose slots are not vacant yet.
    removed: Vec<Removed>,
    /// True if the strategy is to learn of changes.
    is_unannounced: bool,
}

#[derive(Debug)]
struct Removed {
    backend: BackendId,
    /// Other workers that have not let go of it yet.
    elsewhere: usize,
}

impl Departures {
    /// Returns whether slots of removed backends wait to be vacated.
    pub(super) fn has_removed(&self) -> bool {
        !self.removed.is_empty()
    }

    fn deadline(&self, backend: BackendId) -> Option<Timestamp> {
        let mut all = self.draining.iter();
        all.find(|(id, _)| *id == backend).map(|(_, at)| *at)
    }

    fn cancel(&mut self, backend: BackendId) {
        self.draining.retain(|(id, _)| *id != backend);
    }

    /// Returns the time of the next deadline.
    pub(super) fn next(&self) -> Timestamp {
        let deadlines = self.draining.iter().map(|(_, at)| *at);
        deadlines.min().unwrap_or(Timestamp::NEVER)
    }
}

/// The first worker's decisions.
impl Backends {
    /// Adds a backend, on probation.
    pub fn add(&mut self, name: String, weight: u32, now: Timestamp) -> BackendId {
        self.reclaim();
        let id = self.members.next_id();
        let address = name.clone();
        self.seat(
            id,
            Seat {
                name,
                address,
                weight,
                state: on_trial(),
                at: now,
            },
        );
        id
    }

    /// Adds a backend, and says under which id.
    ///
    /// # Errors
    /// The name is taken, or there are too many backends.
    pub(super) fn admit(
        &mut self,
        backend: &NewBackend,
        now: Timestamp,
    ) -> Result<BackendId, NotAdded> {
        if self.find(&backend.name).is_some() {
            return Err(NotAdded::NameTaken(backend.name.clone()));
        }
        let id = self.members.next_id();
        if id.slot() >= MAX_BACKENDS {
            return Err(NotAdded::TooMany);
        }
        if let Some(sharing) = &self.sharing
            && let Some(row) = sharing.shared_load.row(id.slot())
        {
            row.renew();
        }
        self.follow_admission(id, backend, now);
        Ok(id)
    }

    /// Lets a backend finish what it has, at most until `deadline`, and removes it then. Returns
    /// whether there is such a backend.
    pub fn depart(&mut self, backend: BackendId, deadline: Timestamp, now: Timestamp) -> bool {
        if !self.is_live(backend) {
            return false;
        }
        if deadline <= now {
            return self.remove(backend, now);
        }
        self.departures.cancel(backend);
        self.departures.draining.push((backend, deadline));
        self.next_change = self.next_change.min(deadline);
        self.advance(backend.slot(), Event::Depart, Cause::Departs, now);
        self.note_if_emptied(backend.slot(), now);
        true
    }

    /// Removes a backend at once. What is in flight there is settled as ever. Returns whether there
    /// was such a backend.
    pub fn remove(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Remove, now)
    }

    /// Removes backends whose time to drain is over.
    pub(super) fn end_departures(&mut self, now: Timestamp) {
        if self.departures.next() > now {
            return;
        }
        let draining = self.departures.draining.iter();
        let due: Vec<_> = draining.filter(|(_, at)| *at <= now).copied().collect();
        for (backend, _) in due {
            self.refresh(backend.slot());
            let in_flight = self.members.candidate(backend).map_or(0, |c| c.in_flight);
            let cause = match in_flight {
                0 => Cause::Emptied,
                in_flight => Cause::DrainTimeout { in_flight },
            };
            self.advance(backend.slot(), Event::Remove, cause, now);
            self.departures.cancel(backend);
        }
    }

    /// Ends draining when nothing is in flight any more.
    pub(super) fn note_if_emptied(&mut self, slot: usize, now: Timestamp) {
        let state = self.members.backends.get(slot).map(|backend| backend.state);
        if state != Some(State::Draining) {
            return;
        }
        self.refresh(slot);
        let candidate = self.members.candidates.get(slot);
        let Some(id) = candidate.filter(|c| c.in_flight == 0).map(|c| c.id) else {
            return;
        };
        let event = match self.departures.deadline(id) {
            Some(_) => Event::Remove,
            None => Event::Emptied,
        };
        self.advance(slot, event, Cause::Emptied, now);
    }

    /// A backend is wanted again: it is not removed.
    pub(super) fn cancel_departure(&mut self, backend: BackendId) {
        self.departures.cancel(backend);
    }

    /// Another worker has let go of a removed backend.
    pub fn let_go_elsewhere(&mut self, backend: BackendId) {
        let mut removed = self.departures.removed.iter_mut();
        if let Some(removed) = removed.find(|removed| removed.backend == backend) {
            removed.elsewhere = removed.elsewhere.saturating_sub(1);
        }
    }
}

/// The consequences in every worker.
impl Backends {
    /// Adds a backend under the id that the first worker gave it.
    pub(super) fn follow_admission(&mut self, id: BackendId, backend: &NewBackend, now: Timestamp) {
        let seat = Seat {
            name: backend.name.clone(),
            address: backend.address.clone(),
            weight: backend.weight,
            state: match backend.entrance {
                Entrance::Trial => on_trial(),
                Entrance::Warm => State::Initial,
            },
            at: now,
        };
        self.seat(id, seat);
    }

    fn seat(&mut self, id: BackendId, seat: Seat) {
        if seat.state == on_trial() {
            self.ramps.try_out(id.slot());
        }
        self.members.seat(id, seat);
        if self.late_binding.is_some() {
            // It is held to what the others are.
            self.set_max_in_flight(id, u32::MAX);
        }
        self.announce_later();
    }

    /// Notes that a backend departs, or is wanted again.
    pub(super) fn note_departure(&mut self, change: &StateChange) {
        match (change.to, change.cause) {
            (State::Draining, Cause::Departs) => {
                let departs = (change.backend, Timestamp::NEVER);
                self.departures.draining.push(departs);
            }
            _ => self.departures.cancel(change.backend),
        }
    }

    /// A backend was removed: it is picked no more, and its slot is to be vacated.
    pub(super) fn unseat(&mut self, slot: usize) {
        let Some(candidate) = self.members.candidates.get_mut(slot) else {
            return;
        };
        candidate.live = false;
        let backend = candidate.id;
        let others = self.sharing.as_ref().filter(|sharing| sharing.decides);
        let elsewhere = others.map_or(0, |sharing| sharing.shared_load.workers().saturating_sub(1));
        self.departures.cancel(backend);
        self.departures.removed.push(Removed { backend, elsewhere });
        self.announce_later();
    }

    /// Vacates the slots of removed backends that nothing refers to any more, and returns those
    /// backends, for the first worker. Called after all consequences of their removal.
    pub fn reclaim(&mut self) -> Vec<BackendId> {
        if self.departures.removed.is_empty() {
            return Vec::new();
        }
        let is_free = |removed: &Removed| {
            let backend = self.members.backends.get(removed.backend.slot());
            removed.elsewhere == 0 && backend.is_none_or(|backend| backend.queue.is_empty())
        };
        let removed = mem::take(&mut self.departures.removed);
        let (free, held): (Vec<_>, Vec<_>) = removed.into_iter().partition(is_free);
        self.departures.removed = held;
        let free: Vec<_> = free.into_iter().map(|removed| removed.backend).collect();
        if self.decides() {
            for backend in &free {
                self.members.vacate(backend.slot());
            }
        }
        free
    }

    /// Slots that wait for a backend.
    #[cfg(test)]
    pub(crate) fn vacant_slots(&self) -> usize {
        self.members.vacant_slots()
    }

    /// Returns the figures of a backend, but for its tunnels.
    pub(crate) fn standing(&self, backend: BackendId, now: Timestamp) -> Standing {
        let (Some(candidate), Some(known)) = (
            self.members.candidate(backend),
            self.members.backend(backend),
        ) else {
            return Standing::default();
        };
        let row = self.sharing.as_ref();
        let row = row.and_then(|sharing| sharing.shared_load.row(backend.slot()));
        let (nanos, since) = row.map_or((known.busy_nanos, known.busy_since), BackendLoad::busy);
        let current = match candidate.in_flight {
            0 => Duration::ZERO,
            _ => now.since(since),
        };
        let at = known.changed.map_or(known.seated_at, |(at, _)| at);
        Standing {
            pool: String::new(),
            name: known.name.clone(),
            address: known.address.clone(),
            weight: candidate.weight,
            max_in_flight: Some(known.own_max).filter(|max| *max != u32::MAX),
            cause: known.changed.map(|(_, cause)| cause.to_string()),
            in_state: now.since(at),
            ejections: known.ejections,
            busy: Duration::from_nanos(nanos) + current,
            tunnels: 0,
            is_departing: self.is_departing(backend),
        }
    }

    /// Backends that can be added now.
    pub(crate) fn free_slots(&self) -> usize {
        let taken = self.members.candidates.len() - self.members.vacant_slots();
        MAX_BACKENDS.saturating_sub(taken)
    }

    /// Whether a backend may be picked, as far as its state goes.
    pub(crate) fn is_open(&self, backend: BackendId) -> bool {
        self.members
            .backend(backend)
            .is_some_and(|known| known.state.pickable())
    }

    /// Returns whether exchanges of this worker are in flight at a backend.
    #[must_use]
    pub fn has_in_flight(&self, backend: BackendId) -> bool {
        let known = self.members.backend(backend);
        known.is_some_and(|known| !known.queue.is_empty())
    }

    /// Returns whether no backend belongs to the pool but those that are about to leave it.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        let mut live = self.members.candidates.iter().filter(|c| c.live);
        live.all(|candidate| self.is_departing(candidate.id))
    }

    /// Returns whether a backend drains to be removed then. Known to the first worker alone.
    #[must_use]
    pub fn is_departing(&self, backend: BackendId) -> bool {
        self.departures.deadline(backend).is_some()
    }

    /// Tells the strategy of changes before the next pick. Called with the passing of time, which
    /// every pick begins with.
    pub(super) fn announce(&mut self, now: Timestamp) {
        if mem::take(&mut self.departures.is_unannounced) {
            self.picker.strategy.changed(&self.members.candidates, now);
        }
    }

    /// Lets the strategy learn of changes before the next pick.
    pub(super) fn announce_later(&mut self) {
        self.departures.is_unannounced = true;
        self.next_change = Timestamp::ZERO;
    }

    pub(super) fn is_live(&self, backend: BackendId) -> bool {
        self.members.candidate(backend).is_some_and(|c| c.live)
    }
}

/// Settings of a backend beside its place among the others.
impl Pool {
    /// Adds a backend, and says under which id.
    ///
    /// # Errors
    /// The name is taken, or there are too many backends.
    pub(crate) fn admit(
        &mut self,
        backend: &NewBackend,
        now: Timestamp,
    ) -> Result<BackendId, NotAdded> {
        let id = self.backends.admit(backend, now)?;
        self.equip(id, backend);
        Ok(id)
    }

    /// Adds a backend that the first worker has added.
    pub(crate) fn follow_admission(&mut self, admitted: &Admitted, now: Timestamp) {
        let Admitted { id, backend } = admitted;
        self.backends.follow_admission(*id, backend, now);
        self.equip(*id, backend);
    }

    fn equip(&mut self, id: BackendId, backend: &NewBackend) {
        self.connect.place(id, backend.addresses.clone());
        self.limit(id, backend.max_in_flight);
        if let Some(affinity) = &mut self.affinity {
            affinity.bind(id, &backend.name);
        }
    }

    /// Gives a backend at most so many exchanges at once; `None`: as many as the pool's default.
    /// Returns whether there is such a backend.
    pub(crate) fn limit(&mut self, backend: BackendId, max: Option<u32>) -> bool {
        let default = self.limits.backend_max_in_flight.unwrap_or(u32::MAX);
        self.backends
            .set_max_in_flight(backend, max.unwrap_or(default))
    }

    /// Forgets what belongs to a backend that was removed. Returns its idle connections, to be
    /// closed.
    pub(crate) fn forget(&mut self, backend: BackendId) -> Vec<BackendConnId> {
        if let Some(affinity) = &mut self.affinity {
            affinity.unbind(backend);
        }
        self.idle.of(backend)
    }
}

impl ConnectSpec {
    /// Sets the addresses of a backend.
    pub(super) fn place(&mut self, backend: BackendId, addresses: Vec<Address>) {
        let slot = backend.slot();
        if slot >= self.addresses.len() {
            self.addresses.resize_with(slot + 1, Vec::new);
        }
        if let Some(of_backend) = self.addresses.get_mut(slot) {
            *of_backend = addresses;
        }
        self.prefer(backend, 0);
    }
}
