//! The operator's word on a pool that serves: its strategy, what was learned, how well a backend is.

use super::*;
use crate::strategy::{LeastResponseTime, NToOne, Outcome, StrategySpec};
use std::time::Duration;

fn pool(spec: &StrategySpec) -> Backends {
    let names = ["a", "b", "c"].map(|name| (name.to_owned(), 1));
    Backends::new(names, spec.build(1), 1)
}

fn good() -> Outcome {
    let response_time = Some(Duration::from_millis(3));
    Outcome::Success { response_time }
}

#[test]
fn every_strategy_takes_over_from_every_other_under_way() {
    let specs: Vec<StrategySpec> = crate::strategy::ENTRIES
        .iter()
        .map(|entry| match entry.argument() {
            Some(_) => format!("{}:x", entry.name).parse().unwrap(),
            None => entry.spec(),
        })
        .collect();
    for from in &specs {
        for to in &specs {
            let mut pool = pool(from);
            let now = Timestamp::ZERO;
            let held: Vec<_> = (1..9)
                .map(|key| pool.pick(key, &[], now).unwrap())
                .collect();
            pool.set_strategy(to.build(2), now);
            assert_eq!(pool.strategy().name(), to.name());
            for lease in held {
                pool.settle(lease, good(), now);
            }
            for key in 1..50 {
                let lease = pool.pick(key, &[], now).unwrap();
                pool.settle(lease, good(), now);
            }
            assert!(pool.candidates().iter().all(|c| c.in_flight == 0));
        }
    }
}

#[test]
fn a_backend_held_down_is_out_until_it_is_released() {
    let mut pool = pool(&NToOne::ENTRY.spec());
    let now = Timestamp::ZERO;
    let [a, b] = ["a", "b"].map(|name| pool.find(name).unwrap());
    assert!(pool.hold(a, Some(Hold::Down), now));
    assert_eq!(pool.state(a).map(State::word), Some("ejected"));
    for second in 1..100 {
        let now = now + Duration::from_secs(second);
        let lease = pool.pick(0, &[], now).unwrap();
        assert_eq!(lease.backend(), b);
        pool.settle(lease, good(), now);
    }
    let change = pool.take_changes().remove(0);
    assert_eq!(
        change.to_string(),
        "a healthy -> ejected: by the operator".replace("healthy", "initial")
    );
    pool.hold(a, None, now);
    assert_eq!(pool.state(a).map(State::word), Some("probation"));
}

#[test]
fn a_backend_held_up_is_not_ejected_and_drains_all_the_same() {
    let mut pool = pool(&NToOne::ENTRY.spec());
    let now = Timestamp::ZERO;
    let a = pool.find("a").unwrap();
    pool.hold(a, Some(Hold::Up), now);
    for _ in 0..50 {
        let lease = pool.pick(0, &[], now).unwrap();
        assert_eq!(lease.backend(), a);
        pool.settle(lease, Outcome::Unreachable, now);
    }
    pool.drain(a, now);
    assert_eq!(pool.state(a).map(State::word), Some("disabled"));
    pool.undrain(a, now);
    assert_eq!(pool.state(a).map(State::word), Some("healthy"));
    pool.hold(a, None, now);
    for _ in 0..50 {
        let lease = pool.pick(0, &[], now).unwrap();
        pool.settle(lease, Outcome::Unreachable, now);
    }
    assert_eq!(pool.state(a).map(State::word), Some("ejected"));
}

#[test]
fn what_was_learned_is_forgotten() {
    let mut pool = pool(&LeastResponseTime::ENTRY.spec());
    let now = Timestamp::ZERO;
    let lease = pool.pick(0, &[], now).unwrap();
    pool.settle(lease, good(), now);
    assert!(!pool.slow_response_time().is_zero());
    pool.forget_times();
    assert!(pool.slow_response_time().is_zero());
}
