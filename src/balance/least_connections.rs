//! least-conn: the backend with the fewest exchanges in flight, per weight.
//!
//! *Use it* when response times tell nothing, as for long-lived connections of unlike use.
//! *Cost of a pick*: one look at every backend; above 500 of them, at 64 drawn at random.
//!
//! Ties are most picks, so they are decided with care. Among idle backends the one that was picked
//! longest ago is taken, which spreads. Among busy ones the one that answered most recently: what
//! it works on now is the youngest there is to say about it, and it has shown that it works.

use super::sample::{SAMPLED_ABOVE, block, draw_blocks};
use super::{BackendId, Candidate, Rng, Strategy, Verdict, verdict};
use crate::time::Timestamp;
use std::cmp::Ordering;

/// The backend with the fewest exchanges in flight.
#[derive(Clone, Debug)]
pub struct LeastConnections {
    rng: Rng,
}

impl LeastConnections {
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
        "least-conn"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        if candidates.len() > SAMPLED_ABOVE {
            let blocks = draw_blocks(&mut self.rng, candidates.len());
            let best = least(blocks.iter().flat_map(|&number| block(candidates, number)));
            if best.is_some() {
                return best;
            }
        }
        least(candidates.iter())
    }

    fn explain(&self, candidates: &[Candidate], _: u64, now: Timestamp) -> Vec<Verdict> {
        verdict::of_each(candidates, |candidate| {
            let cost = f64::from(candidate.in_flight) / f64::from(candidate.weight);
            let tie = match (candidate.in_flight, candidate.last_completed_at) {
                (0, _) => {
                    let idle = now.since(candidate.last_picked_at);
                    format!("picked {idle:.1?} ago")
                }
                (_, Some(at)) => format!("answered {:.1?} ago", now.since(at)),
                (_, None) => "never answered".to_owned(),
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

/// The one with the fewest exchanges in flight of some candidates.
pub(super) fn least<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Option<BackendId> {
    candidates
        .filter(|c| c.pickable)
        .min_by(|a, b| compare(a, b))
        .map(|c| c.id)
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
            // `None` sorts before every instant, so never having answered comes last.
            _ => b.last_completed_at.cmp(&a.last_completed_at),
        })
        .then_with(|| a.last_pick.cmp(&b.last_pick))
}
