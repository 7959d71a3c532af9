//! Departures: backends that are about to leave a pool.
//!
//! One that departs drains first, up to a deadline; then it is removed whatever is still in flight
//! there, which the proxy cuts off. Its slot is given to another backend, under a new generation,
//! when nothing in any worker refers to it any more: each worker reports when it has let go of it.
//! Refused: freeing the slot when the shared row shows nothing in flight. A worker that has not
//! heard of the removal could then take a place at the successor for the backend it still knows.

use super::life_cycle::Event;
use super::life_cycles::{LifeCycles, Verdict};
use super::members::Members;
use super::selection::Selection;
use super::{Cause, State, StateChange};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;

/// The backends that leave.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Those that drain before they are removed, and until when.
    draining: Vec<(BackendId, Timestamp)>,
    /// Removed ones whose slots are not vacant yet.
    removed: Vec<Removed>,
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

    /// Returns whether a backend drains to be removed then.
    pub(super) fn is_departing(&self, backend: BackendId) -> bool {
        self.draining.iter().any(|(id, _)| *id == backend)
    }

    /// Returns the time of the next deadline.
    pub(super) fn next(&self) -> Timestamp {
        let deadlines = self.draining.iter().map(|(_, at)| *at);
        deadlines.min().unwrap_or(Timestamp::NEVER)
    }

    /// A backend is wanted again, or removed already.
    pub(super) fn cancel(&mut self, backend: BackendId) {
        self.draining.retain(|(id, _)| *id != backend);
    }

    /// Notes that a backend departs, or is wanted again, as the first worker has decided.
    pub(super) fn follow(&mut self, change: &StateChange) {
        match (change.to, change.cause) {
            (State::Draining, Cause::Departs) => {
                self.draining.push((change.backend, Timestamp::NEVER));
            }
            _ => self.cancel(change.backend),
        }
    }

    /// A backend was removed here, and `elsewhere` workers have to let go of it as well.
    pub(super) fn removed(&mut self, backend: BackendId, elsewhere: usize) {
        self.cancel(backend);
        self.removed.push(Removed { backend, elsewhere });
    }

    /// Another worker has let go of a removed backend.
    pub(super) fn let_go_elsewhere(&mut self, backend: BackendId) {
        let mut removed = self.removed.iter_mut();
        if let Some(removed) = removed.find(|removed| removed.backend == backend) {
            removed.elsewhere = removed.elsewhere.saturating_sub(1);
        }
    }

    /// Takes the removed backends that nothing refers to any more.
    pub(super) fn take_free(&mut self, members: &Members) -> Vec<BackendId> {
        let is_free = |removed: &Removed| {
            let backend = members.backends.get(removed.backend.slot());
            removed.elsewhere == 0 && backend.is_none_or(|backend| backend.queue.is_empty())
        };
        let removed = mem::take(&mut self.removed);
        let (free, held): (Vec<_>, Vec<_>) = removed.into_iter().partition(is_free);
        self.removed = held;
        free.into_iter().map(|removed| removed.backend).collect()
    }
}

/// Leaving, as a part of life.
impl LifeCycles {
    /// Lets a backend finish what it has, at most until `deadline`, and removes it then. Returns
    /// whether there is such a backend.
    pub(super) fn depart(
        &mut self,
        selection: &mut Selection,
        backend: BackendId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> bool {
        if !selection.members.is_live(backend) {
            return false;
        }
        if deadline <= now {
            return self.command(selection, backend, Event::Remove, now);
        }
        self.departures.cancel(backend);
        self.departures.draining.push((backend, deadline));
        selection.look_again_at(deadline);
        let verdict = Verdict::new(Event::Depart, Cause::Departs);
        self.advance(selection, backend.slot(), verdict, now);
        self.note_if_emptied(selection, backend.slot(), now);
        true
    }

    /// Removes backends whose time to drain is over.
    pub(super) fn end_departures(&mut self, selection: &mut Selection, now: Timestamp) {
        if self.departures.next() > now {
            return;
        }
        let draining = self.departures.draining.iter();
        let due: Vec<_> = draining.filter(|(_, at)| *at <= now).copied().collect();
        for (backend, _) in due {
            selection.refresh(backend.slot());
            let candidate = selection.members.candidate(backend);
            let cause = match candidate.map_or(0, |candidate| candidate.in_flight) {
                0 => Cause::Emptied,
                in_flight => Cause::DrainTimeout { in_flight },
            };
            let verdict = Verdict::new(Event::Remove, cause);
            self.advance(selection, backend.slot(), verdict, now);
            self.departures.cancel(backend);
        }
    }

    /// Ends draining when nothing is in flight any more. Hardly any backend drains.
    #[inline(always)]
    pub(super) fn note_if_emptied(
        &mut self,
        selection: &mut Selection,
        slot: usize,
        now: Timestamp,
    ) {
        let backend = selection.members.backends.get(slot);
        if backend.is_some_and(|backend| backend.state == State::Draining) {
            self.end_draining(selection, slot, now);
        }
    }

    #[cold]
    fn end_draining(&mut self, selection: &mut Selection, slot: usize, now: Timestamp) {
        selection.refresh(slot);
        let candidate = selection.members.candidates.get(slot);
        let Some(id) = candidate.filter(|c| c.in_flight == 0).map(|c| c.id) else {
            return;
        };
        let event = match self.departures.is_departing(id) {
            true => Event::Remove,
            false => Event::Emptied,
        };
        let verdict = Verdict::new(event, Cause::Emptied);
        self.advance(selection, slot, verdict, now);
    }

    /// Vacates the slots of removed backends that nothing refers to any more, and returns those
    /// backends, for the first worker.
    pub(super) fn reclaim(&mut self, selection: &mut Selection) -> Vec<BackendId> {
        if !self.departures.has_removed() {
            return Vec::new();
        }
        let free = self.departures.take_free(&selection.members);
        if selection.decides() {
            for backend in &free {
                selection.members.vacate(backend.slot());
            }
        }
        free
    }
}
