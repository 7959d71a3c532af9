//! round-robin: each backend in turn; in proportion to the weights, smoothly, when they differ.
//!
//! *Use it* when backends and requests are alike, or when the order of picks must be foreseeable.
//! *Cost of a pick*: one look per backend that must be skipped; with differing weights, one look
//! at every backend.
//!
//! The weighted order is nginx's interleaving: each pick credits every backend that may be picked
//! with its weight and takes the richest, who pays for all. Weights 5, 1, 1 give `a a b a c a a`,
//! never five in a row.

use super::{BackendId, Candidate, Strategy};
use crate::time::Timestamp;

/// Each backend in turn.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    /// The slot whose turn is next.
    cursor: usize,
    /// Credit by slot, in weights; empty while all weights are equal.
    credit: Vec<i64>,
    started: bool,
}

impl RoundRobin {
    fn pick_plain(&mut self, candidates: &[Candidate]) -> Option<BackendId> {
        let (before, from) = candidates
            .split_at_checked(self.cursor)
            .unwrap_or((&[], candidates));
        let chosen = from.iter().chain(before).find(|c| c.pickable)?;
        self.cursor = chosen.id.slot() + 1;
        Some(chosen.id)
    }

    fn pick_weighted(&mut self, candidates: &[Candidate]) -> Option<BackendId> {
        let mut total = 0;
        let mut richest: Option<(BackendId, &mut i64, u64)> = None;
        for (candidate, credit) in candidates.iter().zip(&mut self.credit) {
            if !candidate.pickable {
                continue;
            }
            total += i64::from(candidate.weight);
            *credit += i64::from(candidate.weight);
            let richer = richest.as_ref().is_none_or(|(_, most, last_pick)| {
                *credit > **most || (*credit == **most && candidate.last_pick < *last_pick)
            });
            if richer {
                richest = Some((candidate.id, credit, candidate.last_pick));
            }
        }
        let (id, credit, _) = richest?;
        *credit -= total;
        Some(id)
    }
}

impl Strategy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        if self.credit.is_empty() {
            self.pick_plain(candidates)
        } else {
            self.pick_weighted(candidates)
        }
    }

    fn changed(&mut self, candidates: &[Candidate], _: Timestamp) {
        self.credit.clear();
        let mut weights = candidates.iter().filter(|c| c.live).map(|c| c.weight);
        let first = weights.next();
        if weights.any(|weight| Some(weight) != first) {
            self.credit.resize(candidates.len(), 0);
        }
        if !self.started {
            self.started = true;
            let first = candidates.iter().min_by_key(|c| c.last_pick);
            self.cursor = first.map_or(0, |c| c.id.slot());
        }
    }
}
