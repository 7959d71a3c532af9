//! What a pick computes: the cost of each candidate, and the least of them.
//!
//! This runs once per candidate and pick. It reads what was worked out before and allocates,
//! divides and remembers nothing.

use super::LeastResponseTime;
use super::history::Score;
use super::tuning::{COLD_CREDIT, IDLE_CUT, IDLE_FULL_S, seconds};
use crate::balance::{BackendId, Candidate};
use crate::time::Timestamp;

/// What a pick reads of one backend, beside its candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) score: Score,
    /// While busy: since when its oldest request can have been in service. While idle: when it
    /// was last picked.
    pub(super) since: Timestamp,
}

/// The best candidate so far, and what it is judged by.
pub(super) struct Best {
    cost: f64,
    last_pick: u64,
    pub(super) id: Option<BackendId>,
}

impl Best {
    pub(super) const NONE: Self = Self {
        cost: f64::INFINITY,
        last_pick: u64::MAX,
        id: None,
    };
}

impl LeastResponseTime {
    /// The best of some candidates and the best so far.
    pub(super) fn better(
        &self,
        mut best: Best,
        candidates: &[Candidate],
        standings: &[Standing],
        now: Timestamp,
    ) -> Best {
        for (candidate, standing) in candidates.iter().zip(standings) {
            if !candidate.pickable {
                continue;
            }
            let (cost, last_pick) = (self.cost(candidate, standing, now), candidate.last_pick);
            if cost < best.cost || (cost == best.cost && last_pick < best.last_pick) {
                let id = Some(candidate.id);
                best = Best {
                    cost,
                    last_pick,
                    id,
                };
            }
        }
        best
    }

    /// The cost of a candidate, and where it comes from.
    pub(super) fn verdict(&self, candidate: &Candidate, now: Timestamp) -> (f64, String) {
        let Some(standing) = self.standings.get(candidate.id.slot()) else {
            return (f64::INFINITY, "unknown".to_owned());
        };
        let (cost, score) = (self.cost(candidate, standing, now), standing.score);
        let Candidate { in_flight, .. } = candidate;
        if cost < 0.0 {
            return (
                cost,
                format!("cold trial: never heard from, {in_flight} in flight"),
            );
        }
        let (slowness, penalty) = (score.slowness, score.penalty);
        let services = (cost - penalty) * score.per_slowness;
        let terms = match in_flight {
            0 => format!("{services:.2} idle"),
            _ => {
                let residual = services - f64::from(*in_flight);
                format!("({in_flight} in flight + {residual:.2} residual)")
            }
        };
        (
            cost,
            format!("slowness {slowness:.2} x {terms} + penalty {penalty:.2}"),
        )
    }

    /// When the next request would be finished there, in mean service times of the pool; for a
    /// backend on its cold trial, less than for any other.
    fn cost(&self, candidate: &Candidate, standing: &Standing, now: Timestamp) -> f64 {
        let Standing { score, since } = standing;
        let in_flight = f64::from(candidate.in_flight);
        if !score.heard && candidate.in_flight < self.cold_budget {
            return in_flight - COLD_CREDIT;
        }
        let elapsed_s = seconds(*since, now);
        let services = if candidate.in_flight == 0 {
            1.0 - IDLE_CUT * (elapsed_s * IDLE_FULL_S.recip()).min(1.0)
        } else {
            let age = elapsed_s * score.per_slowness * self.pool.per_second();
            in_flight + self.residual.expected(age, score.in_order)
        };
        score.slowness * services + score.penalty
    }
}

/// Since when the oldest request at a busy backend can have been in service; when an idle one was
/// last picked.
pub(super) fn since(candidate: &Candidate) -> Timestamp {
    let oldest = candidate.oldest_dispatched_at;
    oldest.map_or(candidate.last_picked_at, |dispatched_at| {
        dispatched_at.max(candidate.last_completed_at.unwrap_or_default())
    })
}
