//! random: any backend, in proportion to the weights.
//!
//! *Use it* where many balancers must not act alike, or as the baseline that others must beat.
//! *Cost of a pick*: constant while most backends may be picked and weights are alike; else one
//! look at every backend.

use super::{BackendId, Candidate, Rng, Strategy};
use crate::time::Timestamp;

/// Draws after which every backend is looked at instead.
const DRAWS: usize = 16;

/// Any backend, in proportion to the weights.
#[derive(Clone, Debug)]
pub struct Random {
    lot: Lot,
}

impl Random {
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
        "random"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        self.lot.draw(candidates).map(|c| c.id)
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

    /// Takes note of the weights.
    pub(super) fn weigh(&mut self, candidates: &[Candidate]) {
        let live = candidates.iter().filter(|c| c.live);
        self.heaviest = live.map(|c| c.weight).max().unwrap_or(1);
    }

    /// Draws any and keeps it with a probability of its weight over the heaviest, which needs no
    /// table; after too many refusals it counts.
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
