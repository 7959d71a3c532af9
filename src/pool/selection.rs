//! Selection: the members, the strategy that chooses among them, and the workers they are shared
//! with.
//!
//! Keeps the strategy's candidates up to date: with what the other workers have in flight and have
//! learned, and with who belongs to the pool. Knows the moment at which something is to be done
//! though nothing happens. Does not know why a backend is in its state: that is for the
//! [life cycles](super::life_cycles).
//!
//! The strategy is told once for all that changed in a turn: rebuilding a hash ring for each of
//! five hundred backends would hold up traffic for seconds.

use super::backend::Seat;
use super::members::Members;
use super::pick::{PickFor, Picker};
use super::sharing::{Place, Refused, Sharing};
use super::slow_start::Ramps;
use crate::shared::BackendLoad;
use crate::strategy::{BackendId, Settlement, Strategy};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// After how long an exchange that was held back is looked at again, if nothing happens before.
pub(super) const HELD_FOR: Duration = Duration::from_millis(10);

/// What a pick is made from.
pub(super) struct Selection {
    pub(super) members: Members,
    pub(super) picker: Picker,
    /// The backends that come back.
    pub(super) ramps: Ramps,
    /// The part of this worker in a pool shared by several; `None` if it is alone.
    pub(super) sharing: Option<Sharing>,
    /// Time at which time alone next changes something.
    next_change: Timestamp,
    /// True if the strategy is to learn of changes.
    is_unannounced: bool,
}

impl Selection {
    /// Begins with these members, which the strategy is told of.
    pub(super) fn new(members: Members, strategy: Box<dyn Strategy>) -> Self {
        let mut picker = Picker::new(strategy);
        picker
            .strategy
            .changed(&members.candidates, Timestamp::ZERO);
        Self {
            members,
            picker,
            ramps: Ramps::default(),
            sharing: None,
            next_change: Timestamp::NEVER,
            is_unannounced: false,
        }
    }

    /// Chooses a backend; `None` also where the exchange should rather wait for a full one.
    #[inline(always)]
    pub(super) fn choose(&mut self, exchange: PickFor<'_>) -> Option<BackendId> {
        let (members, ramps) = (&mut self.members, &mut self.ramps);
        let chosen = self.picker.choose(members, ramps, exchange)?;
        if self.members.is_limited && self.holds(chosen, exchange) {
            self.look_again_at(exchange.now + HELD_FOR);
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

    /// Puts a backend into the slot of its id.
    pub(super) fn seat(&mut self, id: BackendId, seat: Seat) {
        if seat.state.awaits_trial() {
            self.ramps.try_out(id.slot());
        }
        self.members.seat(id, seat);
        self.announce_later();
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is such a backend.
    pub(super) fn set_weight(&mut self, backend: BackendId, weight: u32) -> bool {
        let is_here = self.members.set_weight(backend, weight);
        if is_here {
            self.announce_later();
        }
        is_here
    }
}

/// The clock of the pool.
impl Selection {
    /// Returns when time alone next changes something.
    #[inline]
    pub(super) const fn next_change(&self) -> Timestamp {
        self.next_change
    }

    /// Something is to be done at `at`, if not before.
    #[inline]
    pub(super) fn look_again_at(&mut self, at: Timestamp) {
        self.next_change = self.next_change.min(at);
    }

    /// All that was due is done; the next is due at `at`.
    pub(super) const fn all_done_until(&mut self, at: Timestamp) {
        self.next_change = at;
    }
}

/// What the strategy knows.
impl Selection {
    /// Picks by another strategy from now on, which has learned nothing yet; nor do other workers
    /// hand on what the one before had learned.
    pub(super) fn set_strategy(&mut self, strategy: Box<dyn Strategy>, now: Timestamp) {
        self.picker.replace(strategy);
        let candidates = &self.members.candidates;
        self.picker.strategy.changed(candidates, now);
        if let Some(sharing) = &mut self.sharing {
            sharing.begin_era(&mut self.members);
        }
    }

    /// Tells the strategy of changes before the next pick. Called with the passing of time, which
    /// every pick begins with.
    pub(super) fn announce(&mut self, now: Timestamp) {
        if mem::take(&mut self.is_unannounced) {
            self.picker.strategy.changed(&self.members.candidates, now);
        }
    }

    /// Lets the strategy learn of changes before the next pick.
    pub(super) const fn announce_later(&mut self) {
        self.is_unannounced = true;
        self.next_change = Timestamp::ZERO;
    }

    /// What the strategy holds against a backend is from before: here and in the other workers.
    pub(super) fn clear(&mut self, backend: BackendId) {
        self.picker.strategy.cleared(backend);
        self.publish(backend.slot());
    }

    /// Tells the strategy of an exchange that has ended, and the other workers what it makes of it.
    #[inline]
    pub(super) fn settled(&mut self, settlement: &Settlement, now: Timestamp) {
        let slot = settlement.backend.slot();
        let is_shared = self.sharing.is_some();
        if is_shared {
            self.recall(slot);
        }
        let candidates = &self.members.candidates;
        self.picker.strategy.settled(candidates, settlement, now);
        if is_shared {
            self.publish_pool();
            self.publish(slot);
        }
    }

    /// Has the strategy take over what its like in the other workers have learned of the pool and
    /// of one backend.
    fn recall(&mut self, slot: usize) {
        if let Some(sharing) = &self.sharing {
            sharing.recall(slot, &mut self.members, self.picker.strategy.as_mut());
        }
    }

    /// Tells the other workers what the strategy has learned of one backend.
    fn publish(&mut self, slot: usize) {
        if let Some(sharing) = &self.sharing {
            sharing.publish(slot, &mut self.members, self.picker.strategy.as_ref());
        }
    }

    /// The same of the pool. It has just taken over what they knew.
    fn publish_pool(&self) {
        if let Some(sharing) = &self.sharing {
            sharing.publish_pool(self.picker.strategy.as_ref());
        }
    }
}

/// What the other workers have done.
impl Selection {
    /// Returns whether this worker decides about the lives of the backends: it is alone, or the
    /// first of several.
    pub(super) fn decides(&self) -> bool {
        self.sharing.as_ref().is_none_or(|sharing| sharing.decides)
    }

    /// The row of a backend, if the pool is shared.
    #[inline]
    pub(super) fn row(&self, slot: usize) -> Option<&BackendLoad> {
        self.sharing.as_ref()?.shared_load.row(slot)
    }

    /// Takes a place at the backend in `slot`, if there is one for this worker.
    pub(super) fn take_place(
        &mut self,
        slot: usize,
        now: Timestamp,
    ) -> Option<Result<Place, Refused>> {
        let sharing = self.sharing.as_ref()?;
        Some(sharing.take_place(slot, &mut self.members, now))
    }

    /// Looks at as many backends as there is time for before a pick. Returns whether at all.
    pub(super) fn look(&mut self) -> bool {
        let (members, strategy) = (&mut self.members, self.picker.strategy.as_mut());
        let sharing = self.sharing.as_mut();
        sharing.is_none_or(|sharing| sharing.look(members, strategy))
    }

    /// Brings all candidates up to date. What is done here is known at once; this is about the
    /// other workers.
    pub(super) fn refresh_all(&mut self) {
        self.refresh_slots(0, self.members.candidates.len());
    }

    /// The same for one backend.
    pub(super) fn refresh(&mut self, slot: usize) {
        self.refresh_slots(slot, slot + 1);
    }

    fn refresh_slots(&mut self, from: usize, to: usize) {
        if let Some(sharing) = &self.sharing {
            sharing.refresh(from, to, &mut self.members, self.picker.strategy.as_mut());
        }
    }

    /// Returns whether more is in flight at the backend in `slot` than its candidate says, which is
    /// then brought up to date.
    pub(super) fn has_changed(&mut self, slot: usize) -> bool {
        let known = self.members.candidates.get(slot).map(|it| it.in_flight);
        let has_changed = self.row(slot).map(BackendLoad::in_flight) > known;
        if has_changed {
            self.refresh(slot);
        }
        has_changed
    }

    /// Returns whether any backend may be picked at this moment.
    pub(super) fn has_room(&mut self) -> bool {
        self.refresh_all();
        let mut candidates = self.members.candidates.iter();
        candidates.any(|candidate| candidate.pickable)
    }
}
