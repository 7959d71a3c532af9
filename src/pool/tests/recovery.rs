//! Ejection and recovery of backends, by real exchanges and checks.

use super::*;
use crate::health::CheckFailure;
use crate::heartbeat::{HeartbeatFinding, Phi};
use crate::strategy::Outcome;
use crate::strategy::{
    LeastConnections, LeastResponseTime, NToOne, Random, RoundRobin, StrategySpec,
};

const RAMP: Duration = Duration::from_secs(10);

/// Round robin, so that every backend is picked in turn.
fn watched(count: usize, slow_start: Duration) -> Backends {
    let mut pool = pool(count, &RoundRobin::ENTRY.spec(), 0);
    pool.set_policy(EjectionPolicy {
        slow_start,
        ..EjectionPolicy::FAILURES_ONLY
    });
    pool
}

/// One exchange a millisecond from `from` to `to`; `outcome` decides by slot. Returns how many
/// each backend got.
fn serve(
    pool: &mut Backends,
    [from, to]: [u64; 2],
    outcome: impl Fn(usize) -> Outcome,
) -> Vec<u32> {
    let mut served = vec![0; pool.candidates().len()];
    for millis in from..to {
        let lease = pool.pick(0, &[], at(millis)).unwrap();
        let slot = slot(&lease);
        served[slot] += 1;
        pool.settle(lease, outcome(slot), at(millis));
    }
    served
}

fn words(pool: &mut Backends) -> Vec<String> {
    let changes = pool.take_changes().into_iter();
    let changes =
        changes.filter(|change| change.to != State::Healthy || change.from != State::Initial);
    changes.map(|change| change.to_string()).collect()
}

fn fails(these: &'static [usize]) -> impl Fn(usize) -> Outcome {
    move |slot| match these.contains(&slot) {
        true => Outcome::Failure,
        false => SUCCESS,
    }
}

#[test]
fn five_failures_eject_and_each_failed_trial_doubles_the_cooldown() {
    let mut pool = watched(4, RAMP);
    let served = serve(&mut pool, [0, 10_000], fails(&[2]));
    assert_eq!(served[2], 5 + 3, "five, then trials after 1, 3 and 7 s");
    let told = words(&mut pool);
    assert_eq!(
        told[0],
        "s2 initial -> ejected: exchanges failed (5 in 0.0 s)"
    );
    assert_eq!(told[1], "s2 ejected -> probation: cooldown over");
    assert_eq!(told[2], "s2 probation -> ejected: the trial failed");
    assert_eq!(told.len(), 7);
}

#[test]
fn client_errors_eject_no_backend() {
    let mut pool = watched(4, RAMP);
    serve(&mut pool, [0, 1_000], |slot| match slot {
        2 => Outcome::ClientError,
        _ => SUCCESS,
    });
    assert_eq!(words(&mut pool), [""; 0]);
}

#[test]
fn error_of_all_ejects_none_and_error_of_the_majority_no_more_than_allowed() {
    let mut pool = watched(4, RAMP);
    serve(&mut pool, [0, 3_000], fails(&[0, 1, 2, 3]));
    let out = |pool: &Backends| {
        let candidates = pool.candidates().iter();
        let states = candidates.map(|c| pool.state(c.id).unwrap());
        states.filter(|state| state.is_out()).count()
    };
    assert!(out(&pool) <= 1, "the first to fail, before the others");
    let mut pool = watched(4, RAMP);
    pool.set_policy(EjectionPolicy {
        max_ejected_percent: 25,
        ..EjectionPolicy::FAILURES_ONLY
    });
    serve(&mut pool, [0, 900], fails(&[0]));
    assert_eq!(out(&pool), 1);
    serve(&mut pool, [900, 950], fails(&[0, 1]));
    assert_eq!(out(&pool), 1, "s1 would be the second of four");
}

#[test]
fn beyond_max_ejected_the_next_is_spared_and_reported_once() {
    let mut pool = watched(2, RAMP);
    pool.set_policy(EjectionPolicy {
        max_ejected_percent: 49,
        ..EjectionPolicy::FAILURES_ONLY
    });
    let served = serve(&mut pool, [0, 500], fails(&[1]));
    assert_eq!(served, [250, 250], "it is asked all the same");
    assert_eq!(
        words(&mut pool),
        ["s1 not ejected (max-ejected reached): exchanges failed (5 in 0.0 s)"]
    );
}

#[test]
fn checks_eject_however_many_are_ejected() {
    for count in [1, 2, 3] {
        let mut pool = watched(count, RAMP);
        let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
        for (nth, id) in ids.iter().enumerate() {
            pool.check_failed(*id, 3, CheckFailure::Status(503), at(nth as u64));
            assert!(pool.state(*id).unwrap().is_out(), "{nth} of {count}");
        }
        let told = words(&mut pool);
        let failed = "health check failed: status 503 (3 in a row)";
        let (last, others) = told.split_last().unwrap();
        for (nth, line) in others.iter().enumerate() {
            assert_eq!(*line, format!("s{nth} initial -> ejected: {failed}"));
        }
        let expected = format!(
            "s{} initial -> ejected: {failed}; no backend is left, so ejected ones are tried",
            count - 1
        );
        assert_eq!(*last, expected);
        // All are tried, as none is any better.
        let served = serve(&mut pool, [10, 100], |_| Outcome::Inconclusive);
        assert!(served.iter().all(|n| *n > 0), "{served:?}");
        assert!(pool.panic_picks() > 0);
    }
}

#[test]
fn two_of_three_that_report_themselves_unwell_are_ejected() {
    let mut pool = watched(3, RAMP);
    let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
    for id in &ids[..2] {
        pool.check_failed(*id, 3, CheckFailure::Body, at(0));
    }
    let served = serve(&mut pool, [1, 50], |_| SUCCESS);
    assert_eq!(served[..2], [0, 0]);
    // Failing exchanges still eject no more than allowed: two of three are out already.
    serve(&mut pool, [50, 100], |_| Outcome::Failure);
    assert!(!pool.state(ids[2]).unwrap().is_out());
}

#[test]
fn in_need_a_backend_that_responds_to_checks_is_tried_before_a_silent_one() {
    let mut pool = watched(3, RAMP);
    let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
    pool.check_failed(ids[0], 3, CheckFailure::Timeout, at(0));
    pool.check_failed(ids[1], 3, CheckFailure::Status(503), at(0));
    pool.check_failed(ids[2], 3, CheckFailure::Unreachable, at(0));
    let served = serve(&mut pool, [1, 11], |_| Outcome::Inconclusive);
    assert_eq!(served, [0, 10, 0]);
}

#[test]
fn with_passive_off_only_checks_eject() {
    let mut pool = watched(2, RAMP);
    pool.set_policy(EjectionPolicy {
        passive: false,
        ..EjectionPolicy::FAILURES_ONLY
    });
    let id = pool.candidates()[1].id;
    serve(&mut pool, [0, 100], |slot| match slot {
        1 => Outcome::Unreachable,
        _ => SUCCESS,
    });
    assert_eq!(pool.state(id), Some(State::Initial));
    pool.check_failed(id, 3, CheckFailure::Timeout, at(100));
    assert!(pool.state(id).unwrap().is_out());
}

#[test]
fn a_share_grows_linearly_under_every_kind_of_rule() {
    let whole = |spec: &StrategySpec| match spec.name() {
        "n-to-1" => 1_000.0,
        _ => 250.0,
    };
    for kind in [
        RoundRobin::ENTRY.spec(),
        LeastConnections::ENTRY.spec(),
        NToOne::ENTRY.spec(),
        Random::ENTRY.spec(),
    ] {
        let mut pool = pool(4, &kind, 1);
        pool.set_policy(EjectionPolicy {
            slow_start: RAMP,
            ..EjectionPolicy::FAILURES_ONLY
        });
        let id = pool.candidates()[0].id;
        assert!(pool.disable(id, at(0)) && pool.undrain(id, at(0)));
        while pool.state(id).is_some_and(State::is_out) {
            let lease = pool.pick(0, &[], at(0)).unwrap();
            pool.settle(lease, SUCCESS, at(0));
        }
        for second in 0..10 {
            let span = [second * 1_000, (second + 1) * 1_000];
            let served = serve(&mut pool, span, |_| SUCCESS);
            let ideal = whole(&kind) * (second as f64 + 0.5) / 10.0;
            let got = f64::from(served[0]);
            let slack = 5.0 + whole(&kind) * 0.2;
            assert!((got - ideal).abs() <= slack, "{kind:?} {second}: {got}");
        }
        pool.pass_time(at(10_000));
        assert_eq!(pool.state(id), Some(State::Healthy));
    }
}

#[test]
fn missing_heartbeats_eject_however_many_are_ejected_and_their_return_is_a_trial() {
    let mut pool = watched(2, Duration::ZERO);
    let ids: Vec<BackendId> = pool.candidates().iter().map(|c| c.id).collect();
    let missing = HeartbeatFinding::Missing {
        phi: Phi::from_tenths(64),
        silence: Duration::from_millis(3_100),
    };
    pool.heartbeats_show(ids[0], HeartbeatFinding::Suspect, at(0));
    assert_eq!(words(&mut pool), [""; 0]);
    pool.heartbeats_show(ids[0], missing, at(0));
    pool.heartbeats_show(ids[1], HeartbeatFinding::ProcessDead, at(0));
    assert!(ids.iter().all(|id| pool.state(*id).unwrap().is_out()));
    pool.heartbeats_show(ids[0], HeartbeatFinding::Back, at(100_000));
    pool.heartbeats_show(ids[1], HeartbeatFinding::ProcessAlive, at(100_000));
    let served = serve(&mut pool, [100_000, 100_010], |_| SUCCESS);
    assert_eq!(served, [5, 5]);
    assert_eq!(
        words(&mut pool),
        [
            "s0 initial -> ejected: no heartbeat for 3.1 s (phi 6.4)",
            "s1 initial -> ejected: its process is dead, say its heartbeats; \
             no backend is left, so ejected ones are tried",
            "s0 ejected -> probation: its heartbeats are back",
            "s1 ejected -> probation: its process is alive, say its heartbeats",
            "s0 probation -> healthy: it responded",
            "s1 probation -> healthy: it responded",
        ]
    );
}

#[test]
fn heartbeats_do_not_enable_a_backend_that_the_operator_disabled() {
    let mut pool = watched(2, RAMP);
    let id = pool.candidates()[0].id;
    assert!(pool.disable(id, at(0)));
    for finding in [HeartbeatFinding::ProcessDead, HeartbeatFinding::Back] {
        pool.heartbeats_show(id, finding, at(1));
        assert_eq!(pool.state(id), Some(State::Disabled));
    }
}

#[test]
fn a_tunnel_need_not_end_for_its_backend_to_be_back() {
    let mut pool = watched(2, Duration::ZERO);
    let id = pool.candidates()[0].id;
    assert!(pool.disable(id, at(0)) && pool.undrain(id, at(0)));
    let mut lease = pool.pick(0, &[], at(0)).unwrap();
    assert_eq!(lease.backend(), id);
    pool.proved(&mut lease, at(1));
    assert_eq!(pool.state(id), Some(State::Healthy));
    pool.settle(lease, Outcome::Failure, at(2));
    assert_eq!(pool.state(id), Some(State::Healthy), "one is not five");
}

#[test]
fn draining_ends_when_nothing_is_in_flight() {
    let mut pool = watched(2, RAMP);
    let lease = pool.pick(0, &[], at(0)).unwrap();
    let id = lease.backend();
    assert!(pool.drain(id, at(1)));
    assert_eq!(pool.state(id), Some(State::Draining));
    pool.settle(lease, SUCCESS, at(2));
    assert_eq!(pool.state(id), Some(State::Disabled));
    assert_eq!(
        words(&mut pool),
        [
            "s0 initial -> draining: by the operator",
            "s0 draining -> disabled: nothing in flight any more"
        ]
    );
    assert_eq!(pool.find("s0"), Some(id));
}

#[test]
fn in_need_a_responding_backend_is_picked_before_a_silent_one() {
    let mut pool = watched(4, RAMP);
    pool.set_policy(EjectionPolicy {
        max_ejected_percent: 100,
        ..EjectionPolicy::FAILURES_ONLY
    });
    serve(&mut pool, [0, 100], |slot| match slot {
        2 => Outcome::Failure,
        _ => SUCCESS,
    });
    for id in [0, 1, 3].map(|slot: usize| pool.candidates()[slot].id) {
        pool.check_failed(id, 3, CheckFailure::Timeout, at(100));
    }
    let served = serve(&mut pool, [100, 110], |_| SUCCESS);
    assert_eq!(served, [0, 0, 10, 0]);
}

#[test]
fn failures_known_to_the_strategy_do_not_delay_a_trial() {
    let mut pool = pool(4, &LeastResponseTime::ENTRY.spec(), 0);
    pool.set_policy(EjectionPolicy::FAILURES_ONLY);
    let served = serve(&mut pool, [0, 1_000], |slot| match slot {
        2 => Outcome::Unreachable,
        _ => SUCCESS,
    });
    assert_eq!(served[2], 1);
    let served = serve(&mut pool, [1_000, 1_200], |_| SUCCESS);
    assert!(served[2] > 0, "its cooldown is over: {served:?}");
}

#[test]
fn failures_of_requests_that_choose_their_backend_eject_nothing() {
    let keyed: StrategySpec = "uri-hash".parse().unwrap();
    let mut pool = pool(6, &keyed, 0);
    pool.set_policy(EjectionPolicy::FAILURES_ONLY);
    for nth in 0..100 {
        let lease = pool.pick(0xabcd, &[], at(nth)).unwrap();
        pool.settle(lease, Outcome::Failure, at(nth));
    }
    let is_healthy = |pool: &Backends| {
        let ids = pool.candidates().iter().map(|c| c.id);
        ids.map(|id| pool.state(id).unwrap())
            .all(|state| state.pickable())
    };
    assert!(is_healthy(&pool));
    let mut pool = watched(3, RAMP);
    let id = pool.candidates()[1].id;
    for nth in 0..100 {
        let lease = pool.pick_by_affinity(id, at(nth)).unwrap();
        pool.settle(lease, Outcome::Failure, at(nth));
    }
    assert!(is_healthy(&pool));
}
