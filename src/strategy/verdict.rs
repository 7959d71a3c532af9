//! What a strategy makes of a candidate, in numbers and in words.
//!
//! For people who wonder why a backend was picked. No pick depends on it, and none pays for it.

use super::{BackendId, Candidate};

/// What a strategy makes of one candidate at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which one.
    pub backend: BackendId,
    /// Whether it may be picked at all.
    pub pickable: bool,
    /// What the strategy goes by, in its own unit: the least is picked. `None` if it does not
    /// compare candidates.
    pub cost: Option<f64>,
    /// Where the cost comes from, in a few words.
    pub reason: String,
}

/// The verdict on each live candidate, of whose cost and reason `of` tells.
pub(super) fn of_each(
    candidates: &[Candidate],
    of: impl Fn(&Candidate) -> (f64, String),
) -> Vec<Verdict> {
    let verdict = |candidate: &Candidate| {
        let (cost, reason) = of(candidate);
        Verdict {
            backend: candidate.id,
            pickable: candidate.pickable,
            cost: Some(cost),
            reason,
        }
    };
    let live = candidates.iter().filter(|candidate| candidate.live);
    live.map(verdict).collect()
}

/// Verdicts of a strategy that has no costs to show.
pub(super) fn in_flight_alone(candidates: &[Candidate]) -> Vec<Verdict> {
    let verdict = |candidate: &Candidate| Verdict {
        backend: candidate.id,
        pickable: candidate.pickable,
        cost: None,
        reason: format!("{} in flight", candidate.in_flight),
    };
    let live = candidates.iter().filter(|candidate| candidate.live);
    live.map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use crate::pool::Backends;
    use crate::strategy::{Kind, Outcome, build};
    use crate::time::Timestamp;

    /// What is explained is what is picked, over traffic that leaves queues.
    #[test]
    fn the_least_cost_is_the_one_that_is_picked() {
        for (kind, backends, turns) in [
            (Kind::LeastConnections, 5, 2_000),
            (Kind::LeastResponseTime, 5, 2_000),
            (Kind::LeastResponseTime, 75, 400),
        ] {
            let names = (0..backends).map(|n| (format!("s{n}"), 1));
            let mut pool = Backends::new(names, build(&kind, 1), 1);
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
                let verdicts = pool.explain(0, now);
                let lease = pool.pick(0, &[], now).unwrap();
                let cost = |v: &&super::Verdict| v.cost.unwrap();
                let least = verdicts.iter().map(|v| cost(&v)).fold(f64::MAX, f64::min);
                let picked = verdicts.iter().find(|v| v.backend == lease.backend());
                assert_eq!(cost(&picked.unwrap()), least, "{kind:?} turn {turn}");
                assert!(picked.unwrap().pickable);
                held.push_back(lease);
            }
            let verdicts = pool.explain(0, Timestamp::NEVER);
            assert!(held.len() > backends && verdicts.len() == backends);
        }
    }

    #[test]
    fn a_strategy_without_costs_says_so() {
        let backends = [("a".to_owned(), 1), ("b".to_owned(), 1)];
        let pool = Backends::new(backends, build(&Kind::RoundRobin, 1), 1);
        let verdicts = pool.explain(0, Timestamp::ZERO);
        assert_eq!(verdicts.len(), 2);
        assert!(verdicts.iter().all(|v| v.cost.is_none() && v.pickable));
        assert_eq!(verdicts[0].reason, "0 in flight");
    }
}
