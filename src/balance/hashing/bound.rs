//! Bounded loads: nobody gets more than 1.25 times its fair share of what is in flight.
//!
//! Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016): with a bound of
//! `c` times the mean, a key goes on to the next backend of its walk when the one before is full.
//! There is always one with room, since the bounds sum up to more than is in flight.

use crate::balance::{BackendId, Candidate};

/// The bound, 5/4 of the fair share.
const FACTOR: (u64, u64) = (5, 4);

/// In flight at a backend before it can be too much: a browser opens six connections at once, and
/// where little is going on they should all lead to one place.
const LEAST: u64 = 8;

/// Knows how much is in flight, and so how much is too much.
#[derive(Clone, Debug, Default)]
pub(super) struct Bound {
    /// Exchanges in flight over all backends.
    in_flight: u64,
    /// The weight of all live backends, pickable or not.
    weight: u64,
}

impl Bound {
    /// The first backend of a walk that may be picked and has room. The walk is begun twice.
    pub(super) fn first(
        &self,
        candidates: &[Candidate],
        mut walk: impl Iterator<Item = usize> + Clone,
    ) -> Option<BackendId> {
        // A bound over all backends is the tightest: who is within it needs no counting.
        let home = walk.clone().next().and_then(|slot| candidates.get(slot))?;
        if self.has_room(home, self.weight) {
            return Some(home.id);
        }
        let pickable = candidates.iter().filter(|c| c.pickable);
        let weight: u64 = pickable.clone().map(|c| u64::from(c.weight)).sum();
        if weight == 0 {
            return None;
        }
        walk.find_map(|slot| candidates.get(slot).filter(|c| self.has_room(c, weight)))
            .or_else(|| pickable.min_by_key(|c| c.in_flight))
            .map(|c| c.id)
    }

    /// Counts an exchange, if there is one.
    pub(super) fn dispatched(&mut self, is_one: bool) {
        self.in_flight += u64::from(is_one);
    }

    /// Counts an exchange that is over.
    pub(super) fn settled(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Takes note of the weights, and counts anew.
    pub(super) fn weigh(&mut self, candidates: &[Candidate]) {
        let live = candidates.iter().filter(|c| c.live);
        self.weight = live.map(|c| u64::from(c.weight)).sum();
        self.in_flight = candidates.iter().map(|c| u64::from(c.in_flight)).sum();
    }

    /// Whether a backend may be picked and is below its bound when `weight` shares the load.
    fn has_room(&self, candidate: &Candidate, weight: u64) -> bool {
        let (factor, per) = FACTOR;
        let share = (self.in_flight + 1) * factor * u64::from(candidate.weight);
        let bound = share.div_ceil((per * weight).max(1)).max(LEAST);
        candidate.pickable && u64::from(candidate.in_flight) < bound
    }
}
