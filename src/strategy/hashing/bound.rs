//! Bounded loads: no backend gets much more than its fair share of what is in flight.
//!
//! Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016): with a bound of
//! `c` times the mean, a key goes on to the next backend of its walk when the one before is full.
//! There is always one with room, since the bounds sum up to more than is in flight.

use crate::strategy::{BackendId, Candidate};

/// In flight at a backend before it can be too much: a browser opens six connections at once, and
/// where little is going on they should all lead to one place.
const LEAST: u64 = 8;

/// The share of all exchanges in flight that one backend may have, if bounded at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadBound(Option<u32>);

impl LoadBound {
    /// A quarter more than its fair share.
    pub const DEFAULT: Self = Self(Some(125));
    /// Any number: a key stays at its backend as long as that may be picked.
    pub const OFF: Self = Self(None);

    /// Percent of its fair share, 101 to 10,000. With less there would be no backend with room;
    /// more would bound nothing.
    #[must_use]
    pub fn percent(percent: u32) -> Option<Self> {
        (101..=10_000)
            .contains(&percent)
            .then_some(Self(Some(percent)))
    }
}

impl Default for LoadBound {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Counts the exchanges in flight over all backends, and derives the bound of each.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    limit: LoadBound,
    /// Exchanges in flight over all backends.
    in_flight: u64,
    /// The weight of all live backends, pickable or not.
    weight: u64,
}

impl Bound {
    pub(super) const fn new(limit: LoadBound) -> Self {
        Self {
            limit,
            in_flight: 0,
            weight: 0,
        }
    }

    /// The first backend of a walk that may be picked and has room. The walk is begun twice.
    pub(super) fn first(
        &self,
        candidates: &[Candidate],
        mut walk: impl Iterator<Item = usize> + Clone,
    ) -> Option<BackendId> {
        // The bound over all backends is the tightest: a backend within it needs no counting.
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

    /// Notes the weights, and counts anew.
    pub(super) fn weigh(&mut self, candidates: &[Candidate]) {
        let live = candidates.iter().filter(|c| c.live);
        self.weight = live.map(|c| u64::from(c.weight)).sum();
        self.in_flight = candidates.iter().map(|c| u64::from(c.in_flight)).sum();
    }

    /// Returns whether a backend may be picked and is below its bound when `weight` shares the
    /// load.
    fn has_room(&self, candidate: &Candidate, weight: u64) -> bool {
        let below_bound = self.limit.0.is_none_or(|percent| {
            let share = (self.in_flight + 1) * u64::from(percent) * u64::from(candidate.weight);
            let bound = share.div_ceil((100 * weight).max(1)).max(LEAST);
            u64::from(candidate.in_flight) < bound
        });
        candidate.pickable && below_bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_leaves_room_for_all_that_is_in_flight() {
        assert_eq!(LoadBound::percent(125), Some(LoadBound::DEFAULT));
        for percent in [0, 100, 10_001] {
            assert_eq!(LoadBound::percent(percent), None);
        }
        assert!(LoadBound::percent(101).is_some() && LoadBound::percent(10_000).is_some());
    }
}
