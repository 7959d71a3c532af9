//! Who belongs to the pool: backends are added, removed, drained and weighed while exchanges
//! are in flight.
//!
//! A slot is given to another backend, under a new generation, only after the last lease at the
//! old one was settled; so a lease always finds its own list.

use super::backends::Backend;
use super::in_flight::{InFlight, Queue};
use super::latency_outlier::LatencyOutlier;
use super::life_cycle::{Event, FIRST_COOLDOWN};
use super::outlier::OutlierDetector;
use super::slow_start::Ramps;
use super::window::Window;
use super::{Backends, Cause, EjectionPolicy, State};
use crate::shared::FIRST_PICK;
use crate::strategy::{BackendId, Candidate, KeySource, Rng, Strategy, key};
use crate::time::Timestamp;

/// Pools larger than this start at a random backend, or many balancers that start together would
/// all send their first requests to the same few.
const ROTATED_ABOVE: usize = 8;

impl Backends {
    /// An pool of `backends`, each a name and a weight (1 to 256), in the order in which ties
    /// are broken; above 8 of them that order starts at a backend that `seed` decides.
    #[must_use]
    pub fn new(
        backends: impl IntoIterator<Item = (String, u32)>,
        strategy: Box<dyn Strategy>,
        seed: u64,
    ) -> Self {
        let mut pool = Self {
            is_keyed: strategy.key_source() != KeySource::None,
            candidates: Vec::new(),
            backends: Vec::new(),
            in_flight_list: InFlight::default(),
            strategy,
            vacant: Vec::new(),
            next_pick: FIRST_PICK,
            joined: 0,
            next_change: Timestamp::NEVER,
            panic_picks: 0,
            has_invalid_pick: false,
            policy: EjectionPolicy::FAILURES_ONLY,
            ramps: Ramps::default(),
            recent: Window::default(),
            slow_response_nanos: 0,
            changes: Vec::new(),
            missed_changes: 0,
            sharing: None,
        };
        for (name, weight) in backends {
            pool.seat(name, weight, State::Initial);
        }
        pool.rotate(seed);
        pool.strategy.changed(&pool.candidates, Timestamp::ZERO);
        pool
    }

    /// Sets what it takes to eject a backend, and how it comes back.
    pub fn set_policy(&mut self, policy: EjectionPolicy) {
        self.policy = policy;
    }

    /// Adds a backend, on probation.
    pub fn add(&mut self, name: String, weight: u32, now: Timestamp) -> BackendId {
        let id = self.seat(name, weight, State::on_probation(FIRST_COOLDOWN));
        self.ramps.try_out(id.slot());
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

    /// Lets a backend finish what it has and gives it nothing new; when it has finished, it is
    /// disabled. Returns whether there is such a backend.
    pub fn drain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        let here = self.command(backend, Event::Drain, now);
        self.note_if_emptied(backend.slot(), now);
        here
    }

    /// Gives a backend nothing new, whatever is in flight there. Returns whether there is such a
    /// backend.
    pub fn disable(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Disable, now)
    }

    /// Takes a drained or disabled backend back, on probation. Returns whether there is such a
    /// backend.
    pub fn undrain(&mut self, backend: BackendId, now: Timestamp) -> bool {
        self.command(backend, Event::Restore, now)
    }

    /// Whether the operator wants a backend to take part: it is not drained, disabled or removed.
    #[must_use]
    pub fn is_member(&self, backend: BackendId) -> bool {
        self.state(backend).is_some_and(State::is_member)
    }

    /// The backend called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<BackendId> {
        let mut pool = self.candidates.iter().zip(&self.backends);
        let found = pool.find(|(candidate, backend)| candidate.live && backend.name == name);
        found.map(|(candidate, _)| candidate.id)
    }

    /// The backend on this host, if there is just one.
    #[must_use]
    pub fn find_only_of_host(&self, host: &str) -> Option<BackendId> {
        let mut pool = self.candidates.iter().zip(&self.backends);
        let mut next = || {
            let is_there = |name: &str| name.rsplit_once(':').is_some_and(|(h, _)| h == host);
            pool.find(|(candidate, backend)| candidate.live && is_there(&backend.name))
        };
        match (next(), next()) {
            (Some((candidate, _)), None) => Some(candidate.id),
            (Some(_), Some(_)) | (None, _) => None,
        }
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
            self.advance(backend.slot(), event, Cause::Operator, now);
        }
        here
    }

    /// Ends draining when nothing is in flight any more.
    pub(super) fn note_if_emptied(&mut self, slot: usize, now: Timestamp) {
        let state = self.backends.get(slot).map(|backend| backend.state);
        if state != Some(State::Draining) {
            return;
        }
        self.refresh(slot);
        if self.candidates.get(slot).is_some_and(|c| c.in_flight == 0) {
            self.advance(slot, Event::Emptied, Cause::Emptied, now);
        }
    }

    /// The last exchange at a backend is settled: gives its slot away if it was removed.
    pub(super) fn vacate_if_removed(&mut self, slot: usize) {
        if self.candidates.get(slot).is_some_and(|c| !c.live) {
            self.vacant.push(slot as u32);
        }
    }

    /// Puts a backend into a vacant slot, or a new one.
    fn seat(&mut self, name: String, weight: u32, state: State) -> BackendId {
        let vacant = self.vacant.pop();
        let slot = vacant.unwrap_or(self.candidates.len() as u32);
        let before = self.candidates.get(slot as usize);
        let generation = before.map_or(0, |c| c.id.generation().wrapping_add(1));
        let id = BackendId::new(slot, generation);
        let candidate = Candidate {
            id,
            identity: key::key_of(name.as_bytes()),
            live: true,
            pickable: state.pickable(),
            weight: weight.clamp(1, 256),
            in_flight: 0,
            last_pick: self.joined,
            last_picked_at: Timestamp::ZERO,
            last_completed_at: None,
            oldest_dispatched_at: None,
        };
        let backend = Backend {
            queue: Queue::default(),
            max_in_flight: u32::MAX,
            unreachable_in_a_row: 0,
            state,
            judged_from: Timestamp::ZERO,
            is_spared: false,
            is_barred: false,
            evidence: OutlierDetector::default(),
            latency_outlier: LatencyOutlier::default(),
            name,
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
