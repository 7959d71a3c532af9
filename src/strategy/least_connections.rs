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
use std::hint::select_unpredictable;

/// The backend with the fewest exchanges in flight.
#[derive(Clone, Debug)]
pub struct LeastConnections {
    rng: Rng,
    /// Whether the backend picked last was idle: then others probably are.
    was_idle: bool,
}

impl LeastConnections {
    /// `seed` decides which part of a huge pool each pick looks at.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            was_idle: true,
        }
    }

    /// The one with the fewest exchanges in flight of some candidates.
    fn best<'a>(
        &mut self,
        candidates: impl Iterator<Item = &'a Candidate> + Clone,
    ) -> Option<BackendId> {
        let idle = match self.was_idle {
            true => longest_idle(candidates.clone()),
            false => None,
        };
        let best = idle.or_else(|| least(candidates))?;
        self.was_idle = best.in_flight == 0;
        Some(best.id)
    }
}

impl Strategy for LeastConnections {
    fn name(&self) -> &'static str {
        "least-conn"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
        if candidates.len() > SAMPLED_ABOVE {
            let blocks = draw_blocks(&mut self.rng, candidates.len());
            let best = self.best(blocks.iter().flat_map(|&number| block(candidates, number)));
            if best.is_some() {
                return best;
            }
        }
        self.best(candidates.iter())
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
pub(super) fn least<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    candidates
        .filter(|c| c.pickable)
        .min_by(|a, b| compare(a, b))
}

/// The idle one that was picked longest ago: what [`least`] says where one is idle, in a third of
/// the time. A processor cannot guess who is idle, so nothing here branches on it.
fn longest_idle<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    let (mut longest, mut least) = (None, u64::MAX);
    for candidate in candidates {
        let is_idle = candidate.pickable & (candidate.in_flight == 0);
        let last_pick = select_unpredictable(is_idle, candidate.last_pick, u64::MAX);
        longest = select_unpredictable(last_pick < least, Some(candidate), longest);
        least = least.min(last_pick);
    }
    longest
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

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(rng: &mut Rng, most_in_flight: usize) -> Vec<Candidate> {
        let mut candidate = |slot: u32| Candidate {
            id: BackendId::new(slot, 0),
            identity: 0,
            live: true,
            pickable: rng.below(4) > 0,
            weight: 1 + rng.below(3) as u32,
            in_flight: rng.below(most_in_flight + 1) as u32,
            last_pick: rng.next() >> 1,
            last_picked_at: Timestamp::ZERO,
            last_completed_at: (rng.below(3) > 0).then_some(Timestamp::from_nanos(7)),
            oldest_dispatched_at: None,
        };
        (0..9).map(&mut candidate).collect()
    }

    #[test]
    fn looking_for_an_idle_one_first_changes_no_pick() {
        let mut rng = Rng::new(5);
        let mut idle_ones = 0;
        for most_in_flight in (0..4).cycle().take(4_000) {
            let candidates = candidates(&mut rng, most_in_flight);
            let expected = least(candidates.iter());
            let idle = longest_idle(candidates.iter());
            idle_ones += usize::from(idle.is_some());
            match expected {
                Some(best) if best.in_flight == 0 => assert_eq!(idle.map(|c| c.id), Some(best.id)),
                _ => assert!(idle.is_none()),
            }
        }
        assert!((2_000..4_000).contains(&idle_ones), "{idle_ones}");
    }
}
