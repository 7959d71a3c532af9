//! What is asked about the backends of a pool. Nothing here changes them.

use super::explained::explain;
use super::{Backends, Explained, State};
use crate::config::MAX_BACKENDS;
use crate::shared::BackendLoad;
use crate::strategy::{BackendId, Candidate, Rating, Strategy};
use crate::telemetry::Standing;
use crate::time::Timestamp;
use std::time::Duration;

/// The pool as a whole.
impl Backends {
    /// Returns the candidates, by slot; those of removed backends are not `live`.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.selection.members.candidates
    }

    /// Exchanges in flight over all backends: the leases held, here and not by other workers.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The rule by which backends are picked.
    #[must_use]
    pub fn strategy(&self) -> &dyn Strategy {
        self.selection.picker.strategy.as_ref()
    }

    /// Returns the number of picks of ineligible backends, for want of eligible ones.
    #[must_use]
    pub const fn panic_picks(&self) -> u64 {
        self.selection.picker.panic_picks
    }

    /// Returns whether exchanges may have to wait for a place at a backend: one has a limit, or
    /// had.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.selection.members.is_limited
    }

    /// Returns whether a backend that may be picked, and is not in `attempted`, is at its limit, or
    /// one of any state has no room for a connection at this moment: an exchange for which none was
    /// picked should wait.
    #[must_use]
    pub fn is_full(&self, attempted: &[BackendId]) -> bool {
        let members = &self.selection.members;
        members.is_full(attempted) || members.is_congested(attempted)
    }

    /// Returns whether a backend other than `this`, and not in `attempted`, is known to respond.
    #[must_use]
    pub fn has_another(&self, this: BackendId, attempted: &[BackendId]) -> bool {
        let members = &self.selection.members;
        let mut pool = members.candidates.iter().zip(&members.backends);
        pool.any(|(candidate, backend)| {
            let id = candidate.id;
            backend.state.responds() && id != this && !attempted.contains(&id)
        })
    }

    /// Whether each backend is given one request at a time because all seem to be serial.
    #[must_use]
    pub const fn is_serial(&self) -> bool {
        self.selection.members.is_held()
    }

    /// Returns whether it learns how many exchanges backends work on at once.
    #[must_use]
    pub const fn learns_limit(&self) -> bool {
        self.late_binding.is_some()
    }

    /// Returns how long slow responses take, over all backends; zero before the first.
    #[must_use]
    pub const fn slow_response_time(&self) -> Duration {
        self.detection.slow_response_time()
    }

    /// Returns whether [`pass_time`](Self::pass_time) has something to do, changes are to be
    /// followed or slots may be [reclaimed](Self::reclaim).
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let lives = &self.life_cycles;
        now >= self.next_change() || !lives.change_log.is_empty() || lives.departures.has_removed()
    }

    /// Returns when [`pass_time`](Self::pass_time) has something to do.
    #[must_use]
    pub const fn next_change(&self) -> Timestamp {
        self.selection.next_change()
    }

    /// Returns whether it shares its backends with other workers.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.selection.sharing.is_some()
    }

    /// Returns whether it decides about the lives of its backends: it is alone, or the first of
    /// several.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.selection.decides()
    }

    /// The number of the worker it belongs to, from 0.
    #[must_use]
    pub fn worker(&self) -> usize {
        let sharing = self.selection.sharing.as_ref();
        sharing.map_or(0, |sharing| sharing.worker)
    }

    /// Returns the strategy's rating of each backend at this moment: the one that
    /// [`pick`](Self::pick) would pick, and why. For people; changes nothing.
    #[must_use]
    pub fn explain(&self, key: u64, now: Timestamp) -> Vec<Rating> {
        self.strategy().explain(self.candidates(), key, now)
    }

    /// Explains each backend, in the order of the candidates.
    #[must_use]
    pub fn explain_candidates(&self, key: u64, now: Timestamp) -> Vec<Explained> {
        explain(&self.selection.members, self.explain(key, now), now)
    }

    /// Returns whether no backend belongs to the pool but those that are about to leave it.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        let mut live = self.candidates().iter().filter(|c| c.live);
        live.all(|candidate| self.is_departing(candidate.id))
    }

    /// Backends that can be added now.
    pub(crate) fn free_slots(&self) -> usize {
        let taken = self.candidates().len() - self.selection.members.vacant_slots();
        MAX_BACKENDS.saturating_sub(taken)
    }

    /// Slots that wait for a backend.
    #[cfg(test)]
    pub(crate) fn vacant_slots(&self) -> usize {
        self.selection.members.vacant_slots()
    }
}

/// One backend.
impl Backends {
    /// The backend called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<BackendId> {
        self.selection.members.find(name)
    }

    /// The backend on this host, if there is just one.
    #[must_use]
    pub fn find_only_of_host(&self, host: &str) -> Option<BackendId> {
        self.selection.members.find_only_of_host(host)
    }

    /// The backend at this address, if there is just one.
    #[must_use]
    pub fn find_by_address(&self, address: &str) -> Option<BackendId> {
        self.selection.members.find_by_address(address)
    }

    /// Returns the configured name of a backend.
    #[must_use]
    pub fn name(&self, backend: BackendId) -> Option<&str> {
        Some(&self.selection.members.backend(backend)?.history.name)
    }

    /// Returns the address of a backend, in the user's notation.
    #[must_use]
    pub fn address(&self, backend: BackendId) -> Option<&str> {
        Some(&self.selection.members.backend(backend)?.history.address)
    }

    /// Returns where in its life a backend is.
    #[inline]
    #[must_use]
    pub fn state(&self, backend: BackendId) -> Option<State> {
        Some(self.selection.members.backend(backend)?.state)
    }

    /// Returns whether the operator wants a backend to take part: it is not drained, disabled or
    /// removed.
    #[inline]
    #[must_use]
    pub fn is_member(&self, backend: BackendId) -> bool {
        self.state(backend).is_some_and(State::is_member)
    }

    /// Whether a backend may be picked, as far as its state goes.
    pub(crate) fn is_open(&self, backend: BackendId) -> bool {
        self.state(backend).is_some_and(State::pickable)
    }

    /// Returns whether a backend drains to be removed then. Known to the first worker alone.
    #[must_use]
    pub fn is_departing(&self, backend: BackendId) -> bool {
        self.life_cycles.departures.is_departing(backend)
    }

    /// Returns whether exchanges of this worker are in flight at a backend.
    #[must_use]
    pub fn has_in_flight(&self, backend: BackendId) -> bool {
        let known = self.selection.members.backend(backend);
        known.is_some_and(|known| !known.queue.is_empty())
    }

    /// Exchanges that a backend is given at once, as it was set; `None`: any number.
    pub(super) fn own_limit(&self, backend: BackendId) -> Option<u32> {
        let known = self.selection.members.backend(backend)?;
        Some(known.own_max).filter(|max| *max != u32::MAX)
    }

    /// Returns the figures of a backend, but for its tunnels.
    pub(crate) fn standing(&self, backend: BackendId, now: Timestamp) -> Standing {
        let members = &self.selection.members;
        let (Some(candidate), Some(known)) = (members.candidate(backend), members.backend(backend))
        else {
            return Standing::default();
        };
        let row = self.selection.row(backend.slot());
        let (nanos, since) = row.map_or_else(|| known.busy.parts(), BackendLoad::busy);
        let current = match candidate.in_flight {
            0 => Duration::ZERO,
            _ => now.since(since),
        };
        let history = &known.history;
        Standing {
            pool: String::new(),
            name: history.name.clone(),
            address: history.address.clone(),
            weight: candidate.weight,
            max_in_flight: self.own_limit(backend),
            cause: history.changed.map(|(_, cause)| cause.to_string()),
            in_state: now.since(history.in_state_since()),
            ejections: history.ejections,
            busy: Duration::from_nanos(nanos) + current,
            tunnels: 0,
            is_departing: self.is_departing(backend),
        }
    }
}
