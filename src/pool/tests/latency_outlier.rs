//! Ejection of latency outliers, and its limits.

use super::*;
use crate::strategy::Outcome;
use crate::strategy::{LeastConnections, Random, RoundRobin, StrategySpec, TwoChoices};

/// Round robin, watching response times.
fn watching(kind: &StrategySpec) -> Backends {
    let mut pool = pool(4, kind, 0);
    pool.set_policy(EjectionPolicy {
        slow_outlier: Some(20),
        ..EjectionPolicy::FAILURES_ONLY
    });
    pool
}

/// One exchange every 10 ms for so many seconds; `takes` gives the milliseconds of the `nth` at a
/// slot. Returns the backends that were ejected or spared.
fn live(pool: &mut Backends, seconds: u64, takes: impl Fn(usize, u64) -> u64) -> Vec<StateChange> {
    for nth in 0..seconds * 100 {
        let (now, key) = (at(nth * 10), nth.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let lease = pool.pick(key, &[], now).unwrap();
        let response_time = Some(Duration::from_millis(takes(slot(&lease), nth)));
        pool.settle(lease, Outcome::Success { response_time }, now);
    }
    let changes = pool.take_changes().into_iter();
    let is_out = |state| matches!(state, State::Ejected { .. });
    changes
        .filter(|it| is_out(it.to) || it.is_spared())
        .collect()
}

/// The same for ten seconds, as text.
fn serve(pool: &mut Backends, takes: impl Fn(usize, u64) -> u64) -> Vec<String> {
    let changes = live(pool, 10, takes);
    changes.iter().map(StateChange::to_string).collect()
}

fn second_is_slow(slot: usize, _: u64) -> u64 {
    if slot == 2 { 2_000 } else { 20 }
}

#[test]
fn slow_outlier_is_ejected() {
    for kind in [
        RoundRobin::ENTRY.spec(),
        LeastConnections::ENTRY.spec(),
        Random::ENTRY.spec(),
        TwoChoices::ENTRY.spec(),
    ] {
        let told = serve(&mut watching(&kind), second_is_slow);
        assert_eq!(
            told[0], "s2 healthy -> ejected: it answers in 2.00 s, the others in 0.02 s (medians)",
            "{kind:?}"
        );
    }
}

#[test]
fn outlier_that_stays_slow_is_ejected_for_longer_each_time() {
    let mut pool = watching(&RoundRobin::ENTRY.spec());
    pool.life_cycles.policy.slow_start = Duration::from_secs(10);
    let changes = live(&mut pool, 60, second_is_slow);
    let cooldowns = changes.iter().map(|change| match change.to {
        State::Ejected { cooldown, .. } => cooldown.as_secs(),
        _ => 0,
    });
    assert_eq!(cooldowns.take(4).collect::<Vec<_>>(), [1, 2, 4, 8]);
}

#[test]
fn a_slower_machine_is_no_outlier() {
    for slow in [200, 390] {
        let told = serve(
            &mut watching(&RoundRobin::ENTRY.spec()),
            |slot, _| match slot {
                2 => slow,
                _ => 20,
            },
        );
        assert_eq!(told, [""; 0], "{slow} ms");
    }
    let told = serve(
        &mut watching(&RoundRobin::ENTRY.spec()),
        |slot, _| match slot {
            2 => 90,
            _ => 1,
        },
    );
    assert_eq!(
        told, [""; 0],
        "ninety times as slow, and not by half a second"
    );
}

#[test]
fn slow_pages_a_slow_pool_and_a_lone_backend_are_no_outliers() {
    let told = serve(&mut watching(&RoundRobin::ENTRY.spec()), |_, nth| {
        match nth % 3 {
            0 => 5_000,
            _ => 20,
        }
    });
    assert_eq!(
        told, [""; 0],
        "a third of the pages is slow, whoever serves them"
    );
    let told = serve(&mut watching(&RoundRobin::ENTRY.spec()), |slot, _| {
        2_000 + slot as u64 * 500
    });
    assert_eq!(told, [""; 0], "all are slow");
    let mut lone = watching(&RoundRobin::ENTRY.spec());
    for slot in 1..4 {
        let id = lone.candidates()[slot].id;
        assert!(lone.disable(id, at(0)));
    }
    assert_eq!(serve(&mut lone, |_, _| 60_000), [""; 0]);
}

#[test]
fn rules_that_go_by_the_request_are_not_compared() {
    for entry in crate::strategy::registry::ENTRIES.iter() {
        if !entry.key.is_keyed() {
            continue;
        }
        let told = serve(&mut watching(&entry.spec()), |slot, _| {
            if slot == 2 { 9_000 } else { 1 }
        });
        assert_eq!(told, [""; 0], "{}", entry.name);
    }
}

#[test]
fn no_more_are_ejected_for_it_than_may_be() {
    let mut pool = watching(&RoundRobin::ENTRY.spec());
    let told = serve(&mut pool, |slot, _| if slot > 0 { 9_000 } else { 1 });
    let out = pool
        .selection
        .members
        .backends
        .iter()
        .filter(|backend| backend.state.is_out());
    assert!(out.count() <= 2, "{told:?}");
}
