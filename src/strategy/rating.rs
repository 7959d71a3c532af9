//! A strategy's rating of a candidate, in numbers and in words: explains to people why a backend
//! was picked. No pick depends on it, and none pays for it.

use super::{BackendId, Candidate};

/// A strategy's rating of one candidate at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Rating {
    /// The candidate.
    pub backend: BackendId,
    /// True if it may be picked at all.
    pub pickable: bool,
    /// The quantity the strategy compares, in its own unit: the least is picked. `None` if it
    /// does not compare candidates.
    pub cost: Option<f64>,
    /// The origin of the cost, in a few words.
    pub reason: String,
}

/// Rates each live candidate by the cost and reason that `rate` returns.
pub(super) fn rate_each(
    candidates: &[Candidate],
    rate: impl Fn(&Candidate) -> (f64, String),
) -> Vec<Rating> {
    let explain = |candidate: &Candidate| {
        let (cost, reason) = rate(candidate);
        Rating {
            backend: candidate.id,
            pickable: candidate.pickable,
            cost: Some(cost),
            reason,
        }
    };
    let live = candidates.iter().filter(|candidate| candidate.live);
    live.map(explain).collect()
}

/// Ratings of a strategy that compares no costs.
pub(super) fn rate_without_cost(candidates: &[Candidate]) -> Vec<Rating> {
    let explain = |candidate: &Candidate| Rating {
        backend: candidate.id,
        pickable: candidate.pickable,
        cost: None,
        reason: format!("{} in flight", candidate.in_flight),
    };
    let live = candidates.iter().filter(|candidate| candidate.live);
    live.map(explain).collect()
}

#[cfg(test)]
mod tests {
    use crate::pool::Backends;
    use crate::strategy::{LeastConnections, LeastResponseTime, Outcome, RoundRobin};
    use crate::time::Timestamp;

    /// Over traffic that leaves queues.
    #[test]
    fn the_least_cost_explained_is_picked() {
        for (spec, backends, turns) in [
            (LeastConnections::ENTRY.spec(), 5, 2_000),
            (LeastResponseTime::ENTRY.spec(), 5, 2_000),
            (LeastResponseTime::ENTRY.spec(), 75, 400),
        ] {
            let names = (0..backends).map(|n| (format!("s{n}"), 1));
            let mut pool = Backends::new(names, spec.build(1), 1);
            let mut held = std::collections::VecDeque::new();
            for turn in 0..turns {
                let now = Timestamp::from_nanos(turn * turn * 7_001);
                if held.len() > backends + backends / 2 {
                    let lease: crate::pool::Lease = held.pop_front().unwrap();
                    let response_time = Some(now.since(lease.dispatched_at()));
                    let outcome = match turn % 11 {
                        0 => Outcome::Failure,
                        _ => Outcome::Success { response_time },
                    };
                    pool.settle(lease, outcome, now);
                }
                let explained = pool.explain(0, now);
                let lease = pool.pick(0, &[], now).unwrap();
                let cost = |e: &&super::Rating| e.cost.unwrap();
                let least = explained.iter().map(|e| cost(&e)).fold(f64::MAX, f64::min);
                let picked = explained.iter().find(|e| e.backend == lease.backend());
                assert_eq!(cost(&picked.unwrap()), least, "{spec:?} turn {turn}");
                assert!(picked.unwrap().pickable);
                held.push_back(lease);
            }
            let explained = pool.explain(0, Timestamp::NEVER);
            assert!(held.len() > backends && explained.len() == backends);
        }
    }

    #[test]
    fn a_strategy_without_costs_shows_in_flight() {
        let backends = [("a".to_owned(), 1), ("b".to_owned(), 1)];
        let pool = Backends::new(backends, RoundRobin::ENTRY.spec().build(1), 1);
        let explained = pool.explain(0, Timestamp::ZERO);
        assert_eq!(explained.len(), 2);
        assert!(explained.iter().all(|e| e.cost.is_none() && e.pickable));
        assert_eq!(explained[0].reason, "0 in flight");
    }
}
