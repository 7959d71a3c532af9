//! The pool against scripts, and against a shadow that counts everything the slow way.

mod late_binding;
mod latency_outlier;
mod load;
mod membership;
mod recovery;
mod sharing;
mod steering;

use super::*;
use crate::health::CheckFailure;
use crate::heartbeat::HeartbeatFinding;
use crate::strategy::Outcome;
use crate::strategy::{LeastConnections, NToOne, RoundRobin};
use crate::strategy::{Rng, StrategySpec};
use std::time::Duration;

const SUCCESS: Outcome = Outcome::Success {
    response_time: Some(Duration::from_millis(5)),
};

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn pool(count: usize, kind: &StrategySpec, seed: u64) -> Backends {
    let backends = (0..count).map(|n| (format!("s{n}"), 1));
    Backends::new(backends, kind.build(seed), seed)
}

fn slot(lease: &Lease) -> usize {
    lease.backend().slot()
}

#[test]
fn a_retry_goes_elsewhere_and_leaves_no_trace() {
    let mut pool = pool(2, &NToOne::ENTRY.spec(), 0);
    let first = pool.pick(0, &[], at(0)).unwrap();
    let second = pool.pick(0, &[first.backend()], at(0)).unwrap();
    assert_eq!((slot(&first), slot(&second)), (0, 1));
    let attempted = [first.backend(), second.backend()];
    assert!(pool.pick(0, &attempted, at(0)).is_none());
    assert!(pool.candidates().iter().all(|c| c.pickable));
    assert_eq!(pool.in_flight(), 2);
    pool.settle(first, SUCCESS, at(1));
    pool.settle(second, SUCCESS, at(1));
    assert_eq!(pool.in_flight(), 0);
    assert_eq!(pool.panic_picks(), 0);
}

#[test]
fn an_unreachable_backend_is_left_alone_then_tried_once_then_healthy() {
    let mut pool = pool(2, &NToOne::ENTRY.spec(), 0);
    let first = pool.pick(0, &[], at(0)).unwrap();
    let broken = first.backend();
    pool.settle(first, Outcome::Unreachable, at(0));
    let meanwhile = pool.pick(0, &[], at(999)).unwrap();
    assert_eq!(slot(&meanwhile), 1);
    let trial = pool.pick(0, &[], at(1_000)).unwrap();
    assert_eq!(trial.backend(), broken, "its cooldown of 1 s is over");
    let beside = pool.pick(0, &[], at(1_000)).unwrap();
    assert_eq!(slot(&beside), 1, "one trial at a time");
    pool.settle(trial, Outcome::Unreachable, at(1_001));
    let after = pool.pick(0, &[], at(3_000)).unwrap();
    assert_eq!(slot(&after), 1, "the cooldown has doubled");
    let trial = pool.pick(0, &[], at(3_001)).unwrap();
    assert_eq!(trial.backend(), broken);
    pool.settle(trial, SUCCESS, at(3_002));
    assert_eq!(pool.state(broken), Some(State::Healthy));
    for lease in [meanwhile, beside, after] {
        pool.settle(lease, SUCCESS, at(3_003));
    }
}

#[test]
fn when_all_are_ejected_one_is_picked_but_none_attempted_or_drained() {
    let mut pool = pool(3, &RoundRobin::ENTRY.spec(), 0);
    let ids: Vec<BackendId> = pool.candidates().iter().map(|c| c.id).collect();
    for _ in 0..3 {
        let lease = pool.pick(0, &[], at(0)).unwrap();
        pool.settle(lease, Outcome::Unreachable, at(0));
    }
    assert!(pool.candidates().iter().all(|c| !c.pickable));
    assert!(pool.drain(ids[0], at(1)));
    let lease = pool.pick(0, &[ids[1]], at(1)).unwrap();
    assert_eq!(lease.backend(), ids[2]);
    assert_eq!(pool.panic_picks(), 1);
    assert!(pool.pick(0, &[ids[1], ids[2]], at(1)).is_none());
    pool.settle(lease, SUCCESS, at(2));
    assert_eq!(pool.state(ids[2]), Some(State::Healthy));
}

#[test]
fn a_removed_backend_finishes_its_work_before_its_slot_is_given_away() {
    let mut pool = pool(1, &LeastConnections::ENTRY.spec(), 0);
    let lease = pool.pick(0, &[], at(0)).unwrap();
    let old = lease.backend();
    assert!(pool.remove(old, at(1)));
    assert!(!pool.remove(old, at(1)), "it is gone already");
    assert!(pool.pick(0, &[], at(1)).is_none());
    let other = pool.add("other".into(), 1, at(2));
    assert_ne!(other.slot(), old.slot());
    pool.settle(lease, SUCCESS, at(3));
    let third = pool.add("third".into(), 1, at(4));
    assert_eq!(third.slot(), old.slot());
    assert_eq!(third.generation(), old.generation() + 1);
    assert_eq!(pool.name(old), None, "the old id names nobody");
    assert_eq!(pool.name(third), Some("third"));
    assert!(!pool.drain(old, at(5)) && !pool.set_weight(old, 2));
}

#[test]
fn draining_gives_nothing_new_until_it_is_taken_back() {
    let mut pool = pool(2, &NToOne::ENTRY.spec(), 0);
    let first = pool.candidates()[0].id;
    assert!(pool.drain(first, at(0)));
    let lease = pool.pick(0, &[], at(0)).unwrap();
    assert_eq!(slot(&lease), 1);
    assert!(pool.undrain(first, at(1)));
    let back = pool.pick(0, &[], at(1)).unwrap();
    assert_eq!(slot(&back), 0);
    pool.settle(lease, Outcome::Inconclusive, at(2));
    pool.settle(back, Outcome::Inconclusive, at(2));
}

#[test]
fn large_pools_start_where_the_seed_says() {
    let first_of = |seed| {
        let mut pool = pool(9, &RoundRobin::ENTRY.spec(), seed);
        let lease = pool.pick(0, &[], at(0)).unwrap();
        let first = slot(&lease);
        pool.settle(lease, SUCCESS, at(0));
        first
    };
    assert_eq!(first_of(1), first_of(1));
    let starts: std::collections::HashSet<usize> = (0..50).map(first_of).collect();
    assert!(starts.len() >= 7, "{starts:?}");
}

/// Steps an pool at random and checks it against the leases held after each step.
#[test]
fn in_flight_equals_leases_held_after_every_step() {
    let outcomes = [
        SUCCESS,
        Outcome::Failure,
        Outcome::Inconclusive,
        Outcome::Unreachable,
    ];
    for seed in 0..8 {
        let mut rng = Rng::new(seed);
        let mut pool = pool(5, &LeastConnections::ENTRY.spec(), seed);
        pool.set_policy(EjectionPolicy {
            slow_start: Duration::from_secs(3),
            ..EjectionPolicy::FAILURES_ONLY
        });
        let mut held: Vec<Lease> = Vec::new();
        for step in 0..5_000_u64 {
            let now = at(step * 37);
            let ids: Vec<BackendId> = pool.candidates().iter().map(|c| c.id).collect();
            let some_id = ids[rng.below(ids.len())];
            match rng.below(40) {
                0 => drop(pool.add(format!("added{step}"), 1 + rng.below(4) as u32, now)),
                1 if ids.len() > 3 => drop(pool.remove(some_id, now)),
                2 => drop(pool.drain(some_id, now)),
                3 => drop(pool.undrain(some_id, now)),
                4 => pool.check_passed(some_id, 2, 2, now),
                5 => drop(pool.disable(some_id, now)),
                6 => pool.check_failed(some_id, 3, CheckFailure::Status(500), now),
                7 => pool.silent(some_id, Duration::from_secs(2), now),
                8 => pool.heartbeats_show(some_id, HeartbeatFinding::ProcessDead, now),
                9 => pool.heartbeats_show(some_id, HeartbeatFinding::Back, now),
                10..27 if held.len() < 40 => {
                    let attempted = if rng.below(4) == 0 { &ids[..1] } else { &[] };
                    let lease = pool.pick(step, attempted, now);
                    assert!(lease.iter().all(|l| !attempted.contains(&l.backend())));
                    held.extend(lease);
                }
                _ if !held.is_empty() => {
                    let lease = held.remove(rng.below(held.len()));
                    pool.settle(lease, outcomes[rng.below(4)], now);
                }
                _ => {}
            }
            check(&pool, &held, seed, step);
            check_changes(&mut pool);
        }
    }
}

/// No more are ejected for their responses than the policy allows, as of each change. (One that is
/// drained or removed afterwards leaves a smaller pool.)
fn check_changes(pool: &mut Backends) {
    let changes = pool.take_changes();
    let members = pool
        .selection
        .members
        .backends
        .iter()
        .filter(|b| b.state.is_member());
    let members = members.count();
    let out = pool
        .selection
        .members
        .backends
        .iter()
        .filter(|b| b.state.is_out());
    let out = out.count();
    for change in changes {
        let is_judged = matches!(
            change.cause,
            Cause::Failures { .. } | Cause::FailureShare { .. }
        );
        if is_judged && change.to.is_out() && !change.from.is_out() {
            assert!(out * 2 <= members, "{out} of {members}: {change}");
        }
    }
}

fn check(pool: &Backends, held: &[Lease], seed: u64, step: u64) {
    assert_eq!(pool.in_flight(), held.len(), "seed {seed} step {step}");
    for candidate in pool.candidates() {
        let here = || held.iter().filter(|l| l.backend() == candidate.id);
        assert_eq!(
            candidate.in_flight as usize,
            here().count(),
            "seed {seed} step {step}"
        );
        let oldest = here().map(Lease::dispatched_at).min();
        assert_eq!(
            candidate.oldest_dispatched_at, oldest,
            "seed {seed} step {step}"
        );
        let state = pool.state(candidate.id).unwrap();
        assert_eq!(
            candidate.pickable,
            state.pickable(),
            "seed {seed} step {step}"
        );
        assert_eq!(
            candidate.live,
            state != State::Removed,
            "seed {seed} step {step}"
        );
    }
}

#[test]
fn ids_name_the_pool_beside_the_slot() {
    let pool = PoolId::new(7);
    let names = ["a", "b"].map(|name| (name.to_owned(), 1));
    let mut backends = Backends::of_pool(pool, names, RoundRobin::ENTRY.spec().build(1), 1);
    let lease = backends.pick(0, &[], at(0)).unwrap();
    let id = lease.backend();
    assert_eq!((id.pool(), id.slot(), id.generation()), (pool, 0, 0));
    assert_ne!(id, BackendId::new(0, 0));
    assert_eq!(id, BackendId::new(0, 0).of_pool(pool));
    backends.settle(lease, Outcome::Inconclusive, at(1));
}
