//! Who belongs to the upstream: backends are added, removed, drained and weighed while exchanges
//! are in flight.
//!
//! A slot is given to another backend, under a new generation, only after the last lease at the
//! old one was settled; so a lease always finds its own list.

use super::life_cycle::Event;
use super::outstanding::{Outstanding, Queue};
use super::{Backend, State, Upstream};
use crate::balance::{BackendId, Candidate, Rng, Strategy, key};
use crate::time::Timestamp;

/// Picks are numbered from here, so that the numbers below order those never picked.
const FIRST_PICK: u64 = 1 << 32;

/// Pools larger than this start at a random backend, or many balancers that start together would
/// all send their first requests to the same few.
const ROTATED_ABOVE: usize = 8;

impl Upstream {
    /// An upstream of `backends`, each a name and a weight (1 to 256), in the order in which ties
    /// are broken; above 8 of them that order starts at a backend that `seed` decides.
    #[must_use]
    pub fn new(
        backends: impl IntoIterator<Item = (String, u32)>,
        strategy: Box<dyn Strategy>,
        seed: u64,
    ) -> Self {
        let mut upstream = Self {
            candidates: Vec::new(),
            backends: Vec::new(),
            outstanding: Outstanding::default(),
            strategy,
            vacant: Vec::new(),
            next_pick: FIRST_PICK,
            joined: 0,
            next_cooled_down: Timestamp::NEVER,
            picks_in_need: 0,
        };
        for (name, weight) in backends {
            upstream.seat(name, weight);
        }
        upstream.rotate(seed);
        upstream
            .strategy
            .changed(&upstream.candidates, Timestamp::ZERO);
        upstream
    }

    /// Adds a backend. It is the next to be tried by rules that prefer the least recently picked.
    pub fn add(&mut self, name: String, weight: u32, now: Timestamp) -> BackendId {
        let id = self.seat(name, weight);
        self.strategy.changed(&self.candidates, now);
        id
    }

    /// Removes a backend. What is in flight there is finished and settled as ever. Returns
    /// whether there was such a backend.
    pub fn remove(&mut self, backend: BackendId, now: Timestamp) -> bool {
        if !self.command(backend, Event::Remove, now) {
            return false;
        }
        if let Some(candidate) = self.candidates.get_mut(backend.slot()) {
            candidate.live = false;
        }
        self.strategy.changed(&self.candidates, now);
        if self.candidate(backend).is_some_and(|c| c.in_flight == 0) {
            self.vacant.push(backend.slot() as u32);
        }
        true
    }

    /// Lets a backend finish what it has and gives it nothing new. Returns whether there is such
    /// a backend.
    pub fn drain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Drain, now)
    }

    /// Takes a drained backend back. Returns whether there is such a backend.
    pub fn undrain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Restore, now)
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is such a backend.
    pub fn set_weight(&mut self, backend: BackendId, weight: u32, now: Timestamp) -> bool {
        let candidate = self.candidates.get_mut(backend.slot());
        let Some(candidate) = candidate.filter(|c| c.live && c.id == backend) else {
            return false;
        };
        candidate.weight = weight.clamp(1, 256);
        self.strategy.changed(&self.candidates, now);
        true
    }

    /// Gives a backend at most so many exchanges at once: at least one, `u32::MAX` for no limit.
    /// Returns whether there is such a backend.
    pub fn set_max_in_flight(&mut self, backend: BackendId, max: u32) -> bool {
        let slot = backend.slot();
        match (self.candidates.get_mut(slot), self.backends.get_mut(slot)) {
            (Some(candidate), Some(known)) if candidate.live && candidate.id == backend => {
                known.max_in_flight = max.max(1);
                known.judge(candidate);
                true
            }
            _ => false,
        }
    }

    fn command(&mut self, backend: BackendId, event: Event, now: Timestamp) -> bool {
        let here = self.candidate(backend).is_some_and(|c| c.live);
        if here {
            self.advance(backend.slot(), event, now);
        }
        here
    }

    /// Gives a removed backend's slot away once the last exchange there is settled.
    pub(super) fn vacate_if_finished(&mut self, slot: usize) {
        if let Some(candidate) = self.candidates.get(slot)
            && !candidate.live
            && candidate.in_flight == 0
        {
            self.vacant.push(slot as u32);
        }
    }

    /// Puts a backend into a vacant slot, or a new one.
    fn seat(&mut self, name: String, weight: u32) -> BackendId {
        let vacant = self.vacant.pop();
        let slot = vacant.unwrap_or(self.candidates.len() as u32);
        let before = self.candidates.get(slot as usize);
        let generation = before.map_or(0, |c| c.id.generation().wrapping_add(1));
        let id = BackendId::new(slot, generation);
        let candidate = Candidate {
            id,
            identity: key::key_of(name.as_bytes()),
            live: true,
            pickable: State::Joining.pickable(),
            weight: weight.clamp(1, 256),
            in_flight: 0,
            last_pick: self.joined,
            last_picked_at: Timestamp::ZERO,
            last_completed_at: None,
            oldest_dispatched_at: None,
        };
        let backend = Backend {
            name,
            state: State::Joining,
            max_in_flight: u32::MAX,
            queue: Queue::default(),
        };
        self.joined += 1;
        match (
            self.candidates.get_mut(slot as usize),
            self.backends.get_mut(slot as usize),
        ) {
            (Some(old_candidate), Some(old_backend)) => {
                *old_candidate = candidate;
                *old_backend = backend;
            }
            _ => {
                self.candidates.push(candidate);
                self.backends.push(backend);
            }
        }
        id
    }

    /// Moves the start of the never-picked order to a backend that `seed` decides.
    fn rotate(&mut self, seed: u64) {
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
}
