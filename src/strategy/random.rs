//! random: a random backend, in proportion to the weights.
//!
//! *Use it* where many balancers must not act alike, or as the baseline that others must beat.
//! *Cost of a pick*: constant while most backends may be picked and weights are alike; else one
//! look at every backend.

use super::rating::rate_lot;
use super::{BackendId, Candidate, Entry, KeyKind, Rating, Rng, Strategy};
use crate::time::Timestamp;

/// Draws before falling back to one look at every backend.
const DRAWS: usize = 16;

/// A random backend, in proportion to the weights.
#[derive(Clone, Debug)]
pub struct Random {
    lot: Lot,
}

impl Random {
    /// Its entry in the registry.
    pub const ENTRY: Entry = Entry {
        name: "random",
        aliases: &[],
        key: KeyKind::None,
        help: "many balancers that must not act alike, or a baseline",
        cost: "O(1)",
        nanos: (65, 75),
        build: |args| Box::new(Self::new(args.seed)),
    };

    /// `seed` decides the picks.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            lot: Lot::new(seed),
        }
    }
}

impl Strategy for Random {
    fn name(&self) -> &'static str {
        Self::ENTRY.name
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        self.lot.draw(candidates).map(|c| c.id)
    }

    fn explain(&self, candidates: &[Candidate], _: u64, _: Timestamp) -> Vec<Rating> {
        rate_lot(candidates, |percent, candidate| {
            format!("drawn with {percent:.0} % (weight {})", candidate.weight)
        })
    }

    fn changed(&mut self, candidates: &[Candidate], _: Timestamp) {
        self.lot.weigh(candidates);
    }
}

/// Draws candidates that may be picked, in proportion to their weights.
#[derive(Clone, Debug)]
pub(super) struct Lot {
    rng: Rng,
    heaviest: u32,
}

impl Lot {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            heaviest: 1,
        }
    }

    /// Notes the greatest weight.
    pub(super) fn weigh(&mut self, candidates: &[Candidate]) {
        let live = candidates.iter().filter(|c| c.live);
        self.heaviest = live.map(|c| c.weight).max().unwrap_or(1);
    }

    /// Draws a candidate and accepts it with the probability of its weight over the heaviest: no
    /// table is needed. After too many rejections it adds up the weights instead.
    pub(super) fn draw<'a>(&mut self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        for _ in 0..DRAWS {
            let drawn = candidates.get(self.rng.below(candidates.len()))?;
            let lot = self.rng.below(self.heaviest as usize) as u32;
            if drawn.pickable && lot < drawn.weight {
                return Some(drawn);
            }
        }
        self.draw_counting(candidates)
    }

    fn draw_counting<'a>(&mut self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        let mut pickable = candidates.iter().filter(|c| c.pickable);
        let total: u64 = pickable.clone().map(|c| u64::from(c.weight)).sum();
        let mut lot = self.rng.below(total as usize) as u64;
        pickable.find(|c| {
            let hit = lot < u64::from(c.weight);
            lot = lot.saturating_sub(u64::from(c.weight));
            hit
        })
    }
}
