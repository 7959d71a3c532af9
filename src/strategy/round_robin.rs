//! round-robin: each backend in turn; in proportion to the weights, smoothly, when they differ.
//!
//! *Use it* when backends and requests are alike, or when the order of picks must be foreseeable.
//! *Cost of a pick*: one look per backend that must be skipped and, with differing weights, one
//! look at every weight there is.
//!
//! The weighted order is nginx's interleaving: each pick credits every backend with its weight,
//! takes the one with the most credit, and debits it the sum of all weights. Weights 5, 1, 1 give
//! `a a b a c a a`, never five in a row. Backends of equal weight have equal credit, except those
//! that had their turn already, so they share one account and take turns within it. A backend that
//! may not be picked loses its turns to the others, in proportion to their weights.

use super::rating::rate_in_order;
use super::{BackendId, Candidate, Entry, KeyKind, Rating, Strategy};
use crate::time::Timestamp;

/// Turns that may be lost in one pick, per backend of the pool; then the least recently picked
/// backend is taken.
const LOST_TURNS: usize = 4;
/// Turns looked ahead to explain the order.
const MAX_AHEAD: usize = 2_048;

/// Each backend in turn.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    /// The slot whose turn is next, while all weights are equal.
    cursor: usize,
    /// The accounts of all weights; empty while they are equal.
    accounts: Vec<Account>,
    /// Turns taken or lost since the accounts were opened.
    turns: i64,
    /// The sum of all weights.
    total: i64,
    started: bool,
}

/// The backends of one weight.
#[derive(Clone, Debug)]
struct Account {
    weight: i64,
    /// Their slots, in the order of their turns.
    members: Vec<usize>,
    /// Index of the member whose turn is next.
    next: usize,
    /// Number of full rounds.
    rounds: i64,
}

impl Account {
    /// The slot whose turn is next, and its credit in weights.
    fn first(&self, turns: i64, total: i64) -> Option<(i64, usize)> {
        let slot = self.members.get(self.next)?;
        Some((self.weight * turns - total * self.rounds, *slot))
    }

    fn move_on(&mut self) {
        self.next += 1;
        if self.next == self.members.len() {
            self.next = 0;
            self.rounds += 1;
        }
    }
}

impl RoundRobin {
    /// Its entry in the registry.
    pub const ENTRY: Entry = Entry {
        name: "round-robin",
        aliases: &["RoundRobin"],
        key: KeyKind::None,
        help: "equal backends and requests, or an order that must be foreseeable",
        cost: "O(1); O(w) when there are w different weights",
        nanos: (60, 60),
        build: |_| Box::new(Self::default()),
    };

    fn pick_plain(&mut self, candidates: &[Candidate]) -> Option<BackendId> {
        let (before, from) = candidates
            .split_at_checked(self.cursor)
            .unwrap_or((&[], candidates));
        let chosen = from.iter().chain(before).find(|c| c.pickable)?;
        self.cursor = chosen.id.slot() + 1;
        Some(chosen.id)
    }

    fn pick_weighted(&mut self, candidates: &[Candidate]) -> Option<BackendId> {
        for _ in 0..=candidates.len() * LOST_TURNS {
            let candidate = self.take_turn(candidates)?;
            if candidate.pickable {
                return Some(candidate.id);
            }
        }
        let pickable = candidates.iter().filter(|c| c.pickable);
        pickable.min_by_key(|c| c.last_pick).map(|c| c.id)
    }

    /// Returns the backend whose turn it is, pickable or not: the one with the most credit, then
    /// the least recently picked.
    fn take_turn<'a>(&mut self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        self.turns += 1;
        let (turns, total) = (self.turns, self.total);
        let firsts = self.accounts.iter_mut().filter_map(|account| {
            let (credit, slot) = account.first(turns, total)?;
            let candidate = candidates.get(slot)?;
            Some((credit, candidate, account))
        });
        let (_, candidate, account) = firsts.reduce(|a, b| {
            let is_richer = b.0 > a.0 || (b.0 == a.0 && b.1.last_pick < a.1.last_pick);
            if is_richer { b } else { a }
        })?;
        account.move_on();
        Some(candidate)
    }

    fn open_accounts(&mut self, candidates: &[Candidate]) {
        let mut live: Vec<&Candidate> = candidates.iter().filter(|c| c.live).collect();
        live.sort_by_key(|c| (c.weight, c.last_pick));
        let accounts = live.chunk_by(|a, b| a.weight == b.weight);
        let open = |members: &[&Candidate]| Account {
            weight: members.first().map_or(0, |c| i64::from(c.weight)),
            members: members.iter().map(|c| c.id.slot()).collect(),
            next: 0,
            rounds: 0,
        };
        self.accounts = accounts.map(open).collect();
        if self.accounts.len() <= 1 {
            self.accounts.clear();
        }
        self.turns = 0;
        self.total = live.iter().map(|c| i64::from(c.weight)).sum();
    }
}

impl Strategy for RoundRobin {
    fn name(&self) -> &'static str {
        Self::ENTRY.name
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        if self.accounts.is_empty() {
            self.pick_plain(candidates)
        } else {
            self.pick_weighted(candidates)
        }
    }

    fn explain(&self, candidates: &[Candidate], _: u64, now: Timestamp) -> Vec<Rating> {
        let mut ahead = self.clone();
        let mut order = Vec::new();
        let total: u32 = candidates.iter().map(|c| c.weight).sum();
        // A full round, in which each has had a turn.
        for _ in 0..(total as usize).min(MAX_AHEAD) {
            if let Some(next) = ahead.pick(candidates, 0, now)
                && !order.contains(&next)
            {
                order.push(next);
            }
        }
        rate_in_order(candidates, &order, |place, candidate| match place {
            Some(0) => format!("it is its turn (weight {})", candidate.weight),
            Some(place) => format!("its turn is after {place} others"),
            None => "no turn".to_owned(),
        })
    }

    fn changed(&mut self, candidates: &[Candidate], _: Timestamp) {
        self.open_accounts(candidates);
        if !self.started {
            self.started = true;
            let first = candidates.iter().min_by_key(|c| c.last_pick);
            self.cursor = first.map_or(0, |c| c.id.slot());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Backends;
    use crate::strategy::Outcome;

    const NOW: Timestamp = Timestamp::ZERO;

    fn pool(weights: &[u32]) -> Backends {
        let backends = weights.iter().enumerate();
        let backends = backends.map(|(n, &weight)| (format!("s{n}"), weight));
        Backends::new(backends, Box::new(RoundRobin::default()), 0)
    }

    fn next(pool: &mut Backends) -> usize {
        let lease = pool.pick(0, &[], NOW).unwrap();
        let slot = lease.backend().slot();
        pool.settle(lease, Outcome::Inconclusive, NOW);
        slot
    }

    /// The rule as it is defined, with a credit for each backend.
    fn by_definition(weights: &[u32], picks: usize) -> Vec<usize> {
        let total: i64 = weights.iter().map(|&w| i64::from(w)).sum();
        let mut credit = vec![0; weights.len()];
        let mut last_pick: Vec<usize> = (0..weights.len()).collect();
        let pick = |nth| {
            for (credit, weight) in credit.iter_mut().zip(weights) {
                *credit += i64::from(*weight);
            }
            let richest =
                (0..weights.len()).max_by_key(|&n| (credit[n], usize::MAX - last_pick[n]));
            credit[richest.unwrap()] -= total;
            last_pick[richest.unwrap()] = weights.len() + nth;
            richest.unwrap()
        };
        (0..picks).map(pick).collect()
    }

    #[test]
    fn accounts_give_the_order_that_single_credits_would() {
        for weights in [
            &[5, 1, 1][..],
            &[1, 2, 3, 4],
            &[7, 3, 3, 7, 1, 3, 7],
            &[256, 1, 1, 255, 2, 2, 100],
        ] {
            let mut pool = pool(weights);
            let picked: Vec<usize> = (0..2_000).map(|_| next(&mut pool)).collect();
            assert_eq!(picked, by_definition(weights, 2_000), "{weights:?}");
        }
    }

    #[test]
    fn lost_turns_go_to_the_others_by_weight() {
        let mut pool = pool(&[4, 1, 2, 4]);
        let first = pool.candidates()[0].id;
        assert!(pool.drain(first, NOW));
        let mut picks = [0; 4];
        (0..700).for_each(|_| picks[next(&mut pool)] += 1);
        assert_eq!(picks, [0, 100, 200, 400]);
    }

    #[test]
    fn one_light_backend_that_is_left_is_found() {
        let mut pool = pool(&[256, 256, 256, 1]);
        for slot in 0..3 {
            let id = pool.candidates()[slot].id;
            assert!(pool.drain(id, NOW));
        }
        assert!((0..100).all(|_| next(&mut pool) == 3));
    }
}
