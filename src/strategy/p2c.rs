//! p2c: of two random backends, the one with fewer exchanges in flight, per weight.
//!
//! *Use it* for pools of thousands, and to compare: a balancer that sees all of its traffic knows
//! more than two draws show it.
//! *Cost of a pick*: constant, as for [`random`](super::Random).

use super::random::Lot;
use super::rating::rate_lot;
use super::{BackendId, Candidate, Entry, KeyKind, Rating, Strategy};
use crate::time::Timestamp;

/// Draws for a second backend that differs from the first.
const REDRAWS: usize = 4;

/// The less busy of two random backends.
#[derive(Clone, Debug)]
pub struct TwoChoices {
    lot: Lot,
}

impl TwoChoices {
    /// Its entry in the registry.
    pub const ENTRY: Entry = Entry {
        name: "p2c",
        aliases: &["TwoChoices"],
        key: KeyKind::None,
        help: "pools of thousands, or comparing with balancers that do so",
        cost: "O(1)",
        nanos: (75, 80),
        build: |args| Box::new(Self::new(args.seed)),
    };

    /// `seed` decides the draws.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            lot: Lot::new(seed),
        }
    }
}

impl Strategy for TwoChoices {
    fn name(&self) -> &'static str {
        Self::ENTRY.name
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        let first = self.lot.draw(candidates)?;
        let mut second = first;
        for _ in 0..REDRAWS {
            second = self.lot.draw(candidates)?;
            if second.id != first.id {
                break;
            }
        }
        // in_flight / weight, both sides multiplied by both weights
        let first_load = u64::from(first.in_flight) * u64::from(second.weight);
        let second_load = u64::from(second.in_flight) * u64::from(first.weight);
        Some(if second_load < first_load {
            second.id
        } else {
            first.id
        })
    }

    fn explain(&self, candidates: &[Candidate], _: u64, _: Timestamp) -> Vec<Rating> {
        rate_lot(candidates, |percent, candidate| {
            let Candidate {
                in_flight, weight, ..
            } = candidate;
            format!(
                "one of two drawn, each with {percent:.0} %; the less busy is taken: \
                 {in_flight} in flight / weight {weight}"
            )
        })
    }

    fn changed(&mut self, candidates: &[Candidate], _: Timestamp) {
        self.lot.weigh(candidates);
    }
}
