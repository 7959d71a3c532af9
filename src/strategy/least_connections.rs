//! least-conn: the backend with the fewest exchanges in flight, per weight.
//!
//! *Use it* when response times tell nothing, as for long-lived connections of unlike use.
//! *Cost of a pick*: one look at every backend; above 500 of them, at 64 drawn at random.
//!
//! Most picks are ties, so they are broken with care. Among idle backends the least recently picked
//! is taken, which spreads. Among busy ones the one that responded most recently is: it has just
//! shown that it works, and its present request is the youngest.

use super::rating::rate_each;
use super::sample::{SAMPLED_ABOVE, block, draw_blocks};
use super::{BackendId, Candidate, Entry, KeyKind, Rating, Rng, Strategy};
use crate::time::Timestamp;
use std::cmp::Ordering;

/// The backend with the fewest exchanges in flight.
#[derive(Clone, Debug)]
pub struct LeastConnections {
    rng: Rng,
}

impl LeastConnections {
    /// Its entry in the registry.
    pub const ENTRY: Entry = Entry {
        name: "least-conn",
        aliases: &["LeastConnections"],
        key: KeyKind::None,
        help: "long-lived connections, where response times tell nothing",
        cost: "O(n) up to 500, then O(1)",
        nanos: (65, 740),
        build: |args| Box::new(Self::new(args.seed)),
    };

    /// `seed` decides which part of a huge pool each pick looks at.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
        }
    }
}

impl Strategy for LeastConnections {
    fn name(&self) -> &'static str {
        Self::ENTRY.name
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        if candidates.len() > SAMPLED_ABOVE {
            let blocks = draw_blocks(&mut self.rng, candidates.len());
            let best = least(blocks.iter().flat_map(|&number| block(candidates, number)));
            if let Some(best) = best {
                return Some(best.id);
            }
        }
        least(candidates.iter()).map(|best| best.id)
    }

    fn explain(&self, candidates: &[Candidate], _: u64, now: Timestamp) -> Vec<Rating> {
        rate_each(candidates, |candidate| {
            let cost = f64::from(candidate.in_flight) / f64::from(candidate.weight);
            let tie = match (candidate.in_flight, candidate.last_completed_at) {
                (0, _) => {
                    let idle = now.since(candidate.last_picked_at);
                    format!("picked {idle:.1?} ago")
                }
                (_, Some(at)) => format!("responded {:.1?} ago", now.since(at)),
                (_, None) => "never responded".to_owned(),
            };
            let Candidate {
                in_flight, weight, ..
            } = candidate;
            (
                cost,
                format!("{in_flight} in flight / weight {weight}; {tie}"),
            )
        })
    }
}

/// The pickable candidate with the fewest exchanges in flight per weight.
pub(super) fn least<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    candidates
        .filter(|c| c.pickable)
        .min_by(|a, b| compare(a, b))
}

/// `Less` is the better choice.
fn compare(a: &Candidate, b: &Candidate) -> Ordering {
    let load = |own: &Candidate, other: &Candidate| {
        // in_flight / weight, both sides multiplied by both weights
        u64::from(own.in_flight) * u64::from(other.weight)
    };
    load(a, b)
        .cmp(&load(b, a))
        .then_with(|| match a.in_flight {
            0 => Ordering::Equal,
            // `None` sorts before every instant, so a backend that never responded comes last.
            _ => b.last_completed_at.cmp(&a.last_completed_at),
        })
        .then_with(|| a.last_pick.cmp(&b.last_pick))
}
