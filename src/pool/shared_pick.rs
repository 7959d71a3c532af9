//! Picking where other workers pick as well.
//!
//! Before a pick a worker looks at the rows of all backends, up to [`LOOKED_AT`]; in a larger pool
//! at the next so many in turn, so that what it knows of a backend is at most
//! `backends / LOOKED_AT` picks old, and at all of them before it finds that nobody has room. What
//! it gives a backend itself it knows at once, and limits hold whatever it knows: they are the
//! row's to keep.

use super::backends::Backend;
use super::{Backends, Lease, State};
use crate::shared::{Admission, BackendLoad};
use crate::strategy::{BackendId, Candidate};
use crate::time::Timestamp;

/// Rows looked at before a pick. Those that nobody has written since cost next to nothing.
const LOOKED_AT: usize = 64;

/// What was got with a place.
pub(super) struct Place {
    /// Exchanges in flight there before.
    pub(super) ahead: u32,
    /// The number of the pick.
    pub(super) pick: u64,
    pub(super) is_trial: bool,
}

/// Picking.
impl Backends {
    /// As [`pick`](Self::pick). Another worker may be faster at the backend that was chosen: its
    /// candidate then says so, and the next best is chosen.
    pub(super) fn pick_shared(
        &mut self,
        key: u64,
        attempted: &[BackendId],
        now: Timestamp,
    ) -> Option<Lease> {
        let count = self.candidates.len();
        self.look();
        let mut looked_at_all = count <= LOOKED_AT;
        for _ in 0..=count {
            match self.choose(key, attempted, now) {
                Some(backend) => {
                    if let Some(lease) = self.lease(backend, now) {
                        return Some(lease);
                    }
                }
                None if looked_at_all => return None,
                None => {
                    looked_at_all = true;
                    self.refresh_all();
                }
            }
        }
        None
    }

    /// Takes a place at the backend in `slot`, if there is one for this worker.
    pub(super) fn take_place(&mut self, slot: usize, now: Timestamp) -> Option<Place> {
        let sharing = self.sharing.as_ref()?;
        let candidate = self.candidates.get_mut(slot)?;
        let backend = self.backends.get_mut(slot)?;
        let row = sharing.shared_load.row(slot)?;
        let ahead = match row.enter(backend.max_in_flight) {
            Ok(ahead) => ahead,
            Err(in_flight) => {
                candidate.in_flight = in_flight;
                backend.judge(candidate);
                return None;
            }
        };
        // The first worker closes a row before it looks whether anything is in flight: so it
        // sees the place that was just taken, or the row is seen to be closed here.
        let is_closed = row.admission() == Admission::Closed;
        let is_trial = !is_closed && backend.state.awaits_trial() && row.begin_trial();
        let is_late = backend.state.is_on_probation() && !is_trial && !backend.is_barred;
        if is_closed || is_late {
            row.leave();
            backend.is_barred = true;
            backend.judge(candidate);
            if is_closed {
                // The change is under way; until it comes, this is what it amounts to.
                backend.state = State::Draining;
                self.note_if_emptied(slot, now);
            }
            return None;
        }
        let pick = sharing.shared_load.next_pick();
        row.picked(pick, ahead, now);
        Some(Place {
            ahead,
            pick,
            is_trial,
        })
    }

    /// Whether somebody may be picked at this moment.
    pub fn has_room(&mut self) -> bool {
        self.refresh_all();
        self.candidates.iter().any(|candidate| candidate.pickable)
    }
}

/// Looking at what the other workers have done.
impl Backends {
    /// Looks at as many backends as there is time for before a pick.
    fn look(&mut self) {
        let count = self.candidates.len();
        if count <= LOOKED_AT {
            return self.refresh_slots(0, count);
        }
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let from = sharing.next_look;
        let to = count.min(from + LOOKED_AT);
        sharing.next_look = if to == count { 0 } else { to };
        self.refresh_slots(from, to);
    }

    /// Brings all candidates up to date. What is done here is known at once; this is about the
    /// other workers.
    pub fn refresh_all(&mut self) {
        self.refresh_slots(0, self.candidates.len());
    }

    /// The same for one backend.
    pub(super) fn refresh(&mut self, slot: usize) {
        self.refresh_slots(slot, slot + 1);
    }

    fn refresh_slots(&mut self, from: usize, to: usize) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        let candidates = self.candidates.get_mut(from..to).unwrap_or_default();
        let backends = self.backends.get_mut(from..to).unwrap_or_default();
        for (candidate, backend) in candidates.iter_mut().zip(backends) {
            if let Some(row) = sharing.shared_load.row(candidate.id.slot()) {
                see(row, candidate, backend);
            }
        }
        self.strategy.refreshed(candidates);
    }
}

/// Makes a candidate say what a row says.
fn see(row: &BackendLoad, candidate: &mut Candidate, backend: &mut Backend) {
    row.show(candidate);
    backend.is_barred = match row.admission() {
        Admission::Open => backend.state.is_on_probation() && row.is_on_trial(),
        Admission::InNeed | Admission::Closed => true,
    };
    backend.judge(candidate);
}

impl State {
    fn is_on_probation(self) -> bool {
        matches!(self, Self::Probation { .. })
    }
}
