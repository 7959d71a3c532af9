//! The picks that the rules prescribe, one by one.

use crate::pool::{Backends, Lease};
use crate::strategy::{LeastConnections, LeastResponseTime, NToOne, RoundRobin};
use crate::strategy::{Outcome, StrategySpec};
use crate::time::Timestamp;
use std::time::Duration;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn pool(kind: &StrategySpec, weights: &[u32]) -> Backends {
    let backends = weights.iter().enumerate();
    let backends = backends.map(|(n, &weight)| (format!("s{n}"), weight));
    Backends::new(backends, kind.build(0), 0)
}

fn settle(pool: &mut Backends, lease: Lease, now: Timestamp) {
    let response_time = Some(now.since(lease.dispatched_at()));
    pool.settle(lease, Outcome::Success { response_time }, now);
}

/// Picks every 100 ms; `completions` says at which slot, after which pick, the oldest completes.
fn picks(
    kind: &StrategySpec,
    weights: &[u32],
    count: usize,
    completions: &[(usize, usize)],
) -> Vec<usize> {
    let mut pool = pool(kind, weights);
    let mut held: Vec<Lease> = Vec::new();
    let mut picked = Vec::new();
    for nth in 1..=count {
        let now = at(nth as u64 * 100);
        let lease = pool.pick(0, &[], now).unwrap();
        picked.push(lease.backend().slot());
        held.push(lease);
        for (_, slot) in completions.iter().filter(|(after, _)| *after == nth) {
            let oldest = held
                .iter()
                .position(|l| l.backend().slot() == *slot)
                .unwrap();
            settle(&mut pool, held.remove(oldest), now);
        }
    }
    picked
}

const FOUR: &[u32] = &[1, 1, 1, 1];
const COMPLETIONS: &[(usize, usize)] = &[(5, 0), (6, 3), (7, 2), (8, 0)];

#[test]
fn with_nothing_completed_they_take_turns() {
    for kind in [
        RoundRobin::ENTRY.spec(),
        LeastConnections::ENTRY.spec(),
        LeastResponseTime::ENTRY.spec(),
    ] {
        assert_eq!(
            picks(&kind, FOUR, 8, &[]),
            [0, 1, 2, 3, 0, 1, 2, 3],
            "{kind:?}"
        );
    }
}

/// Ties go to the least recently picked, however the pool is cut into parts to be looked at.
#[test]
fn in_a_large_pool_they_take_turns_too() {
    for kind in [
        LeastConnections::ENTRY.spec(),
        LeastResponseTime::ENTRY.spec(),
    ] {
        let first = picks(&kind, &[1; 77], 154, &[]);
        let (first, second) = first.split_at(77);
        assert_eq!(first, second, "{kind:?}");
        let steps = first.windows(2).map(|pair| (pair[1] + 77 - pair[0]) % 77);
        assert!(steps.clone().all(|step| step == 1), "{kind:?}: {first:?}");
    }
}

#[test]
fn n_to_one_is_always_the_first() {
    assert_eq!(picks(&NToOne::ENTRY.spec(), FOUR, 4, &[]), [0, 0, 0, 0]);
}

#[test]
fn least_conn_prefers_the_idle_then_the_last_to_respond() {
    let picked = picks(&LeastConnections::ENTRY.spec(), FOUR, 8, COMPLETIONS);
    assert_eq!(picked, [0, 1, 2, 3, 0, 0, 3, 2]);
}

#[test]
fn least_rt_gives_the_unheard_of_their_trial_first() {
    let picked = picks(&LeastResponseTime::ENTRY.spec(), FOUR, 8, COMPLETIONS);
    assert_eq!(picked, [0, 1, 2, 3, 0, 1, 2, 1]);
}

#[test]
fn weighted_round_robin_interleaves() {
    let picked = picks(&RoundRobin::ENTRY.spec(), &[5, 1, 1], 14, &[]);
    assert_eq!(picked, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn round_robin_skips_ineligible_backends_and_goes_on() {
    let mut pool = pool(&RoundRobin::ENTRY.spec(), FOUR);
    let second = pool.candidates()[1].id;
    pool.drain(second, at(0));
    let mut next = || {
        let lease = pool.pick(0, &[], at(0)).unwrap();
        let slot = lease.backend().slot();
        settle(&mut pool, lease, at(1));
        slot
    };
    assert_eq!([next(), next(), next(), next()], [0, 2, 3, 0]);
}

#[test]
fn n_to_one_falls_to_the_next_and_returns() {
    let mut pool = pool(&NToOne::ENTRY.spec(), FOUR);
    let first = pool.candidates()[0].id;
    pool.drain(first, at(0));
    let lease = pool.pick(0, &[], at(0)).unwrap();
    assert_eq!(lease.backend().slot(), 1);
    pool.undrain(first, at(1));
    let again = pool.pick(0, &[], at(1)).unwrap();
    assert_eq!(again.backend(), first);
    settle(&mut pool, lease, at(2));
    settle(&mut pool, again, at(2));
}
