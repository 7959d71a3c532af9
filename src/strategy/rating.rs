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

/// Rates each live candidate by its place in `order`, 0 being the next pick. Those that are not in it
/// have no cost.
pub(super) fn rate_in_order(
    candidates: &[Candidate],
    order: &[BackendId],
    reason: impl Fn(Option<usize>, &Candidate) -> String,
) -> Vec<Rating> {
    let live = candidates.iter().filter(|candidate| candidate.live);
    let rate = |candidate: &Candidate| {
        let place = order.iter().position(|id| *id == candidate.id);
        Rating {
            backend: candidate.id,
            pickable: candidate.pickable,
            cost: place.map(|place| place as f64),
            reason: reason(place, candidate),
        }
    };
    live.map(rate).collect()
}

/// Rates each live candidate of a draw by lot, which compares no costs.
pub(super) fn rate_lot(
    candidates: &[Candidate],
    reason: impl Fn(f64, &Candidate) -> String,
) -> Vec<Rating> {
    let pickable = candidates.iter().filter(|candidate| candidate.pickable);
    let total: u64 = pickable.map(|candidate| u64::from(candidate.weight)).sum();
    let live = candidates.iter().filter(|candidate| candidate.live);
    let rate = |candidate: &Candidate| {
        let percent = match candidate.pickable {
            true => f64::from(candidate.weight) * 100.0 / total.max(1) as f64,
            false => 0.0,
        };
        Rating {
            backend: candidate.id,
            pickable: candidate.pickable,
            cost: None,
            reason: reason(percent, candidate),
        }
    };
    live.map(rate).collect()
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
    use crate::strategy::{
        LeastConnections, LeastResponseTime, NToOne, Outcome, Random, RoundRobin, StrategySpec,
    };
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

    /// Those that go by an order say which place each backend has.
    #[test]
    fn the_first_in_order_is_picked() {
        let maglev: StrategySpec = "ip-maglev".parse().unwrap();
        let ring: StrategySpec = "ip-hash".parse().unwrap();
        for spec in [RoundRobin::ENTRY.spec(), NToOne::ENTRY.spec(), maglev, ring] {
            let backends = (0..7).map(|n| (format!("s{n}"), 1 + n % 3));
            let mut pool = Backends::new(backends, spec.build(1), 1);
            let mut leases = Vec::new();
            for key in 1..300 {
                let explained = pool.explain(key * 7_919, Timestamp::ZERO);
                assert_eq!(explained.len(), 7);
                let first = explained.iter().find(|e| e.cost == Some(0.0)).unwrap();
                let lease = pool.pick(key * 7_919, &[], Timestamp::ZERO).unwrap();
                assert_eq!(first.backend, lease.backend(), "{spec:?}, pick {key}");
                leases.push(lease);
                if key % 5 == 0 {
                    let lease: crate::pool::Lease = leases.swap_remove(0);
                    pool.settle(lease, Outcome::Inconclusive, Timestamp::ZERO);
                }
            }
        }
    }

    #[test]
    fn a_draw_by_lot_shows_the_chance_of_each() {
        let backends = [("a".to_owned(), 3), ("b".to_owned(), 1)];
        let pool = Backends::new(backends, Random::ENTRY.spec().build(1), 1);
        let explained = pool.explain(0, Timestamp::ZERO);
        assert!(explained.iter().all(|e| e.cost.is_none() && e.pickable));
        assert_eq!(explained[0].reason, "drawn with 75 % (weight 3)");
        assert_eq!(explained[1].reason, "drawn with 25 % (weight 1)");
    }
}
