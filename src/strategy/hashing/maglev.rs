//! Maglev: a table of 65,537 entries that the backends fill in turns.
//!
//! Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016),
//! section 3.4. Each backend has its own permutation of the table, and in its turn takes the first
//! entry of it that is still free. Shares are even within a percent and a lookup is one read; a
//! removed backend moves its own keys and some hundredths of the others'. A backend of half the
//! greatest weight has every other turn. Filling the table takes some milliseconds, so it is done
//! only when a backend is added, removed or weighed anew, and ignores which may be picked.

use super::Placement;
use crate::strategy::{Candidate, Rng};

/// Entries of the table: a prime, so that every step visits all of them.
const ENTRIES: u32 = 65_537;
/// An entry that no backend has taken.
const FREE: u32 = u32::MAX;

/// A table from hashes to slots.
#[derive(Clone, Debug, Default)]
pub struct Maglev {
    /// By hash; empty when there are no backends.
    table: Vec<u32>,
}

/// One backend while the table is filled.
struct Turn {
    identity: u64,
    slot: u32,
    /// The entry it wants next, and how far it goes from one to the next.
    entry: u32,
    step: u32,
    weight: u32,
    /// Credit towards its next turn, which costs the greatest weight.
    credit: u32,
}

impl Turn {
    fn new(candidate: &Candidate) -> Self {
        let mut stream = Rng::new(candidate.identity);
        Self {
            identity: candidate.identity,
            slot: candidate.id.slot() as u32,
            entry: stream.below(ENTRIES as usize) as u32,
            step: 1 + stream.below(ENTRIES as usize - 1) as u32,
            weight: candidate.weight,
            credit: 0,
        }
    }

    /// Takes the first free entry of its permutation.
    fn take(&mut self, table: &mut [u32]) {
        for _ in 0..ENTRIES {
            let entry = self.entry;
            self.entry = (entry + self.step) % ENTRIES;
            if let Some(free) = table.get_mut(entry as usize).filter(|slot| **slot == FREE) {
                *free = self.slot;
                return;
            }
        }
    }
}

impl Placement for Maglev {
    const COST: &'static str = "O(1)";
    const NANOS: (u32, u32) = (70, 85);

    fn place(&mut self, candidates: &[Candidate]) {
        self.table.clear();
        let live = candidates.iter().filter(|c| c.live);
        let mut turns: Vec<Turn> = live.map(Turn::new).collect();
        let Some(heaviest) = turns.iter().map(|turn| turn.weight).max() else {
            return;
        };
        // By name, not by slot: the order of a configuration must not decide.
        turns.sort_unstable_by_key(|turn| turn.identity);
        self.table.resize(ENTRIES as usize, FREE);
        let mut left = ENTRIES;
        while left > 0 {
            for turn in &mut turns {
                turn.credit += turn.weight;
                if turn.credit >= heaviest && left > 0 {
                    turn.credit -= heaviest;
                    turn.take(&mut self.table);
                    left -= 1;
                }
            }
        }
    }

    fn walk(&self, hash: u64) -> impl Iterator<Item = usize> + Clone {
        let wide = u128::from(hash) * self.table.len() as u128;
        let at = (wide >> 64) as usize;
        let (before, from) = self.table.split_at_checked(at).unwrap_or_default();
        from.iter().chain(before).map(|slot| *slot as usize)
    }
}
