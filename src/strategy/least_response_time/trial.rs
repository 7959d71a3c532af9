//! The trial of backends that have never responded.
//!
//! They are picked before all others, since nothing is known of them, but only for a few requests
//! at once: a slow or dead one would have swallowed most of the traffic before that is noticed. The
//! scores of the others are not known here.

use super::tuning::{COLD_BUDGET, COLD_BUDGET_AT_START, START_RESPONSES};
use crate::strategy::sample::SAMPLED_ABOVE;
use crate::strategy::{Candidate, Rng};

/// Number of them that a pick looks at where they are very many.
const LOOKED_AT: usize = 64;

/// The backends on trial, and how many requests each may have at once.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// The slots of those that were never heard from.
    unheard: Vec<usize>,
    /// Requests each of them may have outstanding.
    budget: u32,
    /// Responses until the pool is no longer new.
    start_left: u32,
}

impl Trial {
    pub(super) const fn new() -> Self {
        Self {
            unheard: Vec::new(),
            budget: COLD_BUDGET_AT_START,
            start_left: START_RESPONSES,
        }
    }

    /// The pool has so many servers; these are the slots of those that were never heard from.
    pub(super) fn change(&mut self, servers: usize, unheard: impl Iterator<Item = usize>) {
        self.unheard.clear();
        self.unheard.extend(unheard);
        self.start_left = self.start_left.min(servers.max(1) as u32);
    }

    /// Returns whether no backend is on trial.
    pub(super) const fn is_over(&self) -> bool {
        self.unheard.is_empty()
    }

    /// Returns whether the pool is new, so that [`count`](Self::count) makes a difference.
    pub(super) const fn is_start(&self) -> bool {
        self.start_left > 0
    }

    /// Counts a response of any backend.
    pub(super) const fn count(&mut self) {
        self.start_left = self.start_left.saturating_sub(1);
        if self.start_left == 0 {
            self.budget = COLD_BUDGET;
        }
    }

    /// A backend was heard from: its trial is over.
    #[cold]
    pub(super) fn hear(&mut self, slot: usize) {
        self.unheard.retain(|unheard| *unheard != slot);
    }

    /// Returns whether a candidate is on trial and may have another request.
    pub(super) fn admits(&self, candidate: &Candidate) -> bool {
        self.is_open(candidate) && self.unheard.contains(&candidate.id.slot())
    }

    /// The one with the fewest requests outstanding; among equals, the least recently picked.
    #[cold]
    pub(super) fn pick<'a>(
        &self,
        candidates: &'a [Candidate],
        rng: &mut Rng,
    ) -> Option<&'a Candidate> {
        let (first, count) = match self.unheard.len() {
            few @ 0..=SAMPLED_ABOVE => (0, few),
            many => (rng.below(many - LOOKED_AT + 1), LOOKED_AT),
        };
        let slots = self.unheard.iter().skip(first).take(count);
        let unheard = slots.filter_map(|slot| candidates.get(*slot));
        unheard
            .filter(|candidate| self.is_open(candidate))
            .min_by_key(|candidate| (candidate.in_flight, candidate.last_pick))
    }

    const fn is_open(&self, candidate: &Candidate) -> bool {
        candidate.pickable && candidate.in_flight < self.budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::BackendId;
    use crate::time::Timestamp;

    fn candidates(count: u16) -> Vec<Candidate> {
        let candidate = |slot| Candidate {
            id: BackendId::new(slot, 0),
            identity: 0,
            live: true,
            pickable: true,
            full: false,
            weight: 1,
            in_flight: 0,
            last_pick: u64::from(slot),
            last_picked_at: Timestamp::ZERO,
            last_completed_at: None,
            oldest_dispatched_at: None,
        };
        (0..count).map(candidate).collect()
    }

    fn picked(trial: &Trial, candidates: &[Candidate]) -> Option<usize> {
        let picked = trial.pick(candidates, &mut Rng::new(1));
        picked.map(|candidate| candidate.id.slot())
    }

    #[test]
    fn least_loaded_goes_first_up_to_the_budget() {
        let (mut trial, mut pool) = (Trial::new(), candidates(3));
        trial.change(3, 1..3);
        let mut order = Vec::new();
        while let Some(slot) = picked(&trial, &pool) {
            assert!(trial.admits(&pool[slot]));
            pool[slot].in_flight += 1;
            order.push(slot);
        }
        assert_eq!(order, [1, 2, 1, 2, 1, 2], "three each, the known one not");
        assert!(pool.iter().all(|candidate| !trial.admits(candidate)));
    }

    #[test]
    fn the_budget_is_one_once_as_many_responses_came_as_there_are_servers() {
        let (mut trial, mut pool) = (Trial::new(), candidates(2));
        trial.change(2, 0..2);
        pool[0].in_flight = 1;
        trial.count();
        assert!(trial.is_start() && trial.admits(&pool[0]));
        trial.count();
        assert!(!trial.is_start() && !trial.admits(&pool[0]));
        assert_eq!(picked(&trial, &pool), Some(1));
    }

    #[test]
    fn it_ends_when_the_backend_is_heard_from() {
        let (mut trial, pool) = (Trial::new(), candidates(2));
        trial.change(2, 0..2);
        trial.hear(0);
        assert!(!trial.is_over());
        assert_eq!(picked(&trial, &pool), Some(1));
        trial.hear(1);
        assert!(trial.is_over());
        assert_eq!(picked(&trial, &pool), None);
    }

    #[test]
    fn of_a_huge_pool_a_part_is_looked_at_and_each_has_its_turn() {
        let (mut trial, mut pool) = (Trial::new(), candidates(1_000));
        trial.change(1_000, 0..1_000);
        let mut rng = Rng::new(3);
        for number in 0..2_000 {
            let slot = trial.pick(&pool, &mut rng).unwrap().id.slot();
            pool[slot].in_flight += 1;
            pool[slot].last_pick = 1_000 + number;
        }
        assert!(pool.iter().all(|candidate| candidate.in_flight <= 3));
        let tried = pool.iter().filter(|candidate| candidate.in_flight > 0);
        assert!(tried.count() > 900);
    }
}
