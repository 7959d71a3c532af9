//! The members of a pool: each backend's candidate, which the strategy sees, and what it does not.
//!
//! A slot is given to another backend, under a new generation, only after the last lease at the
//! old one was settled; so a lease always finds its own list.

use super::backend::{Backend, Seat};
use crate::ids::PoolId;
use crate::strategy::{BackendId, Candidate, Rng, key};
use crate::time::Timestamp;
use std::time::Duration;

/// Pools larger than this start at a random backend, or many balancers that start together would
/// all send their first requests to the same few.
const ROTATED_ABOVE: usize = 8;

/// All members, by slot.
pub(super) struct Members {
    /// The pool they belong to.
    pub(super) pool: PoolId,
    pub(super) candidates: Vec<Candidate>,
    pub(super) backends: Vec<Backend>,
    /// Slots that wait for a backend to be added.
    vacant: Vec<u32>,
    /// True once a backend has had a limit.
    pub(super) is_limited: bool,
    /// Exchanges that each backend is given at once, by what is learned of the pool;
    /// [`u32::MAX`]: as many as it was set to.
    pub(super) places: u32,
    /// Number of backends ever added, which orders those that were never picked.
    joined: u64,
    /// The generation of the first backend in a slot.
    first_generation: u32,
}

impl Members {
    /// No members of this pool yet. The generations of those to come begin with
    /// `first_generation`.
    pub(super) const fn of(pool: PoolId, first_generation: u32) -> Self {
        Self {
            first_generation,
            is_limited: false,
            places: u32::MAX,
            pool,
            candidates: Vec::new(),
            backends: Vec::new(),
            vacant: Vec::new(),
            joined: 0,
        }
    }

    /// The candidate of a backend that is still known under this id.
    pub(super) fn candidate(&self, backend: BackendId) -> Option<&Candidate> {
        let candidate = self.candidates.get(backend.slot())?;
        (candidate.id == backend).then_some(candidate)
    }

    /// The backend with this id, if it is still known.
    pub(super) fn backend(&self, backend: BackendId) -> Option<&Backend> {
        self.candidate(backend)?;
        self.backends.get(backend.slot())
    }

    /// The same, to change it.
    pub(super) fn backend_mut(&mut self, backend: BackendId) -> Option<&mut Backend> {
        self.candidate(backend)?;
        self.backends.get_mut(backend.slot())
    }

    /// Returns whether a backend belongs to the pool: it is not removed.
    pub(super) fn is_live(&self, backend: BackendId) -> bool {
        self.candidate(backend).is_some_and(|c| c.live)
    }

    /// The backend called `name`.
    #[must_use]
    pub(super) fn find(&self, name: &str) -> Option<BackendId> {
        let mut pool = self.candidates.iter().zip(&self.backends);
        let found =
            pool.find(|(candidate, backend)| candidate.live && backend.history.name == name);
        found.map(|(candidate, _)| candidate.id)
    }

    /// The backend on this host, if there is just one.
    #[must_use]
    pub(super) fn find_only_of_host(&self, host: &str) -> Option<BackendId> {
        let mut pool = self.candidates.iter().zip(&self.backends);
        let mut next = || {
            let is_there = |at: &str| at.rsplit_once(':').is_some_and(|(h, _)| h == host);
            pool.find(|(candidate, backend)| candidate.live && is_there(&backend.history.address))
        };
        match (next(), next()) {
            (Some((candidate, _)), None) => Some(candidate.id),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// The backend at this address, if there is just one.
    pub(super) fn find_by_address(&self, address: &str) -> Option<BackendId> {
        let pool = self.candidates.iter().zip(&self.backends);
        let mut found =
            pool.filter(|(candidate, it)| candidate.live && it.history.address == address);
        match (found.next(), found.next()) {
            (Some((candidate, _)), None) => Some(candidate.id),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// The id of the next backend: in a vacant slot, or in a new one.
    pub(super) fn next_id(&mut self) -> BackendId {
        let vacant = self.vacant.pop();
        let slot = vacant.unwrap_or(self.candidates.len() as u32);
        let before = self.candidates.get(slot as usize);
        let generation =
            before.map_or(self.first_generation, |c| c.id.generation().wrapping_add(1));
        BackendId::new(slot as u16, generation).of_pool(self.pool)
    }

    /// Puts a backend into the slot of its id.
    pub(super) fn seat(&mut self, id: BackendId, seat: Seat) {
        let slot = id.slot();
        let candidate = Candidate {
            id,
            identity: key::key_of(seat.name.as_bytes()),
            live: true,
            pickable: seat.state.pickable(),
            full: false,
            weight: seat.weight.clamp(1, 256),
            in_flight: 0,
            last_pick: self.joined,
            last_picked_at: Timestamp::ZERO,
            last_completed_at: None,
            oldest_dispatched_at: None,
        };
        let backend = Backend::new(seat, self.places);
        self.joined += 1;
        match (self.candidates.get_mut(slot), self.backends.get_mut(slot)) {
            (Some(old_candidate), Some(old_backend)) => {
                *old_candidate = candidate;
                *old_backend = backend;
            }
            _ => {
                self.candidates.push(candidate);
                self.backends.push(backend);
            }
        }
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is such a backend.
    pub(super) fn set_weight(&mut self, backend: BackendId, weight: u32) -> bool {
        let candidate = self.candidates.get_mut(backend.slot());
        let Some(candidate) = candidate.filter(|c| c.live && c.id == backend) else {
            return false;
        };
        candidate.weight = weight.clamp(1, 256);
        true
    }

    /// Gives a backend at most so many exchanges at once: at least one, `u32::MAX` for no limit.
    /// Returns whether there is such a backend.
    pub(super) fn set_max_in_flight(&mut self, backend: BackendId, max: u32) -> bool {
        let slot = backend.slot();
        match (self.candidates.get_mut(slot), self.backends.get_mut(slot)) {
            (Some(candidate), Some(known)) if candidate.live && candidate.id == backend => {
                known.own_max = max.max(1);
                known.max_in_flight = known.own_max.min(self.places);
                self.is_limited |= max != u32::MAX;
                known.judge(candidate);
                true
            }
            _ => false,
        }
    }

    /// Gives each backend at most so many exchanges at once, whatever it was set to.
    pub(super) fn hold_all_to(&mut self, places: u32) {
        self.places = places;
        self.is_limited = true;
        for (candidate, backend) in self.candidates.iter_mut().zip(&mut self.backends) {
            backend.max_in_flight = backend.own_max.min(places);
            backend.judge(candidate);
        }
    }

    /// Returns whether each is given fewer exchanges at once than it may have been set to.
    pub(super) const fn is_held(&self) -> bool {
        self.places != u32::MAX
    }

    /// Returns whether one more may be ejected, so that at most so many percent are. Looks at every
    /// backend; only for the rare cases.
    pub(super) fn may_eject_one_more(&self, max_percent: u8) -> bool {
        let members = self.backends.iter().filter(|b| b.state.is_member());
        let (members, out) = members.fold((0, 0), |(members, out), backend| {
            (members + 1, out + usize::from(backend.state.is_out()))
        });
        (out + 1) * 100 <= members * usize::from(max_percent)
    }

    /// Moves the start of the never-picked order to a backend that `seed` decides.
    pub(super) fn rotate(&mut self, seed: u64) {
        let count = self.candidates.len();
        if count <= ROTATED_ABOVE {
            return;
        }
        let start = Rng::new(seed).below(count);
        let (before, from) = self.candidates.split_at_mut(start);
        for (order, candidate) in from.iter_mut().chain(before).enumerate() {
            candidate.last_pick = order as u64;
        }
    }

    /// The median of how long the others take that take part, as far as that is known.
    pub(super) fn typical_of_others(&self, slot: usize, now: Timestamp) -> Option<Duration> {
        let others = self.backends.iter().enumerate();
        let others = others.filter(|(other, backend)| *other != slot && !backend.state.is_out());
        let mut medians: Vec<_> = others
            .filter_map(|(_, it)| it.evidence.latency.typical(now))
            .collect();
        let middle = medians.len() / 2;
        if medians.is_empty() {
            return None;
        }
        let (_, median, _) = medians.select_nth_unstable(middle);
        Some(*median)
    }

    /// Returns whether a backend that may be picked, and is not in `attempted`, has all the
    /// exchanges it is given at once: one that comes now should wait.
    pub(super) fn is_full(&self, attempted: &[BackendId]) -> bool {
        let mut candidates = self.candidates.iter();
        candidates.any(|candidate| candidate.full && !attempted.contains(&candidate.id))
    }

    /// Returns whether a member that is not in `attempted` has no room for a connection at this
    /// moment. Where nothing better may be picked, it will be in a moment, whatever its state.
    pub(super) fn is_congested(&self, attempted: &[BackendId]) -> bool {
        let mut members = self.candidates.iter().zip(&self.backends);
        members.any(|(candidate, backend)| {
            let is_there = candidate.live && backend.state.is_member();
            is_there && backend.is_congested() && !attempted.contains(&candidate.id)
        })
    }

    /// Slots that wait for a backend.
    pub(super) const fn vacant_slots(&self) -> usize {
        self.vacant.len()
    }

    /// Gives the slot of a removed backend away.
    pub(super) fn vacate(&mut self, slot: usize) {
        self.vacant.push(slot as u32);
    }
}
