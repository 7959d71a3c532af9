//! The cost of a candidate: when it would finish one more request, in mean service times of the
//! pool.
//!
//! Computed for every candidate at every pick, from [`Score`]s that are kept up to date as
//! responses come in. Reads only.

use super::LeastResponseTime;
use super::tuning::{IDLE_CUT, IDLE_FULL_S, seconds};
use crate::strategy::Candidate;
use crate::time::Timestamp;

/// Advantage of a backend on trial over every other. Service times.
const TRIAL_CREDIT: f64 = 1_000.0;

/// The figures of one backend that a pick reads.
#[derive(Clone, Debug)]
pub(super) struct Score {
    /// Expected service time, in mean service times of the pool.
    pub(super) slowness: f32,
    /// Cost of its failures, in mean service times of the pool.
    pub(super) penalty: f32,
    /// Degree to which it seems to serve in order of arrival, 0.3 to 1.
    pub(super) in_order: f32,
    /// While busy: since when its oldest request can have been in service. While idle: its last
    /// pick.
    pub(super) since: Timestamp,
}

impl Score {
    pub(super) const NEW: Self = Self {
        slowness: 1.0,
        penalty: 0.0,
        in_order: 1.0,
        since: Timestamp::ZERO,
    };
}

impl LeastResponseTime {
    /// Returns when `candidate` would finish the next request, in mean service times of the pool.
    #[inline]
    pub(super) fn cost(&self, in_flight: u32, score: &Score, now: Timestamp) -> f32 {
        let elapsed_s = seconds(score.since, now);
        let services = if in_flight == 0 {
            1.0 - IDLE_CUT.min(elapsed_s * (IDLE_CUT / IDLE_FULL_S))
        } else {
            let age = elapsed_s * self.pool.per_second() / score.slowness;
            in_flight as f32 + self.residual.after(age, score.in_order)
        };
        score.slowness * services + score.penalty
    }

    /// The candidate of the least cost that may be picked; among equals the least recently picked.
    #[inline]
    pub(super) fn cheapest<'a, 's>(
        &'s self,
        candidates: impl Iterator<Item = (&'a Candidate, &'s Score)>,
        now: Timestamp,
    ) -> Option<&'a Candidate> {
        let (mut best, mut least) = (None::<&Candidate>, f32::INFINITY);
        for (candidate, score) in candidates {
            if !candidate.pickable {
                continue;
            }
            let cost = self.cost(candidate.in_flight, score, now);
            let is_older = || best.is_none_or(|best| candidate.last_pick < best.last_pick);
            if cost < least || (cost == least && is_older()) {
                (best, least) = (Some(candidate), cost);
            }
        }
        best
    }

    /// The cost of a candidate, and where it comes from.
    pub(super) fn rate(&self, candidate: &Candidate, now: Timestamp) -> (f64, String) {
        let Some(score) = self.scores.get(candidate.id.slot()) else {
            return (f64::INFINITY, "unknown".to_owned());
        };
        let Candidate { in_flight, .. } = candidate;
        if self.trial.admits(candidate) {
            let cost = f64::from(*in_flight) - TRIAL_CREDIT;
            let reason = format!("cold trial: never heard from, {in_flight} in flight");
            return (cost, reason);
        }
        let cost = f64::from(self.cost(*in_flight, score, now));
        let [slowness, penalty] = [score.slowness, score.penalty].map(f64::from);
        let services = (cost - penalty) / slowness;
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
}

/// See [`Score::since`].
pub(super) fn since(candidate: &Candidate) -> Timestamp {
    match candidate.oldest_dispatched_at {
        None => candidate.last_picked_at,
        Some(dispatched_at) => match candidate.last_completed_at {
            None => dispatched_at,
            Some(completed_at) => dispatched_at.max(completed_at),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::BackendId;

    /// A request that another worker dispatched a moment later has waited for no time.
    #[test]
    fn a_time_ahead_of_now_counts_as_now() {
        let rule = LeastResponseTime::new(1);
        let score = Score {
            since: Timestamp::from_nanos(2_000_005_000),
            ..Score::NEW
        };
        let cost = |nanos| rule.cost(0, &score, Timestamp::from_nanos(nanos));
        assert_eq!(cost(2_000_000_000), 1.0);
        assert!(cost(32_000_005_000) < 0.95);
    }

    #[test]
    fn ties_go_to_the_least_recently_picked() {
        let rule = LeastResponseTime::new(1);
        let candidate = |slot, last_pick| Candidate {
            id: BackendId::new(slot, 0),
            identity: 0,
            live: true,
            pickable: slot > 0,
            full: false,
            weight: 1,
            in_flight: 0,
            last_pick,
            last_picked_at: Timestamp::ZERO,
            last_completed_at: None,
            oldest_dispatched_at: None,
        };
        let candidates = [(0, 1), (1, 4), (2, 2), (3, 3)].map(|(slot, pick)| candidate(slot, pick));
        let scored = candidates.iter().map(|candidate| (candidate, &Score::NEW));
        let best = rule.cheapest(scored, Timestamp::ZERO);
        assert_eq!(best.map(|candidate| candidate.id.slot()), Some(2));
    }
}
