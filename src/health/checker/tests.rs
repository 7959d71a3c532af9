use super::*;
use crate::health::script::{Host, START, Script};
use crate::health::{CheckKind, CheckSettings};
use crate::health::{CheckStreak, CheckTiming};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const TIMING: CheckTiming = CheckTiming {
    interval: Duration::from_secs(2),
    timeout: Duration::from_secs(1),
    rise: 2,
    fall: 3,
    fails_late_responses: false,
};
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const AT_ONCE: Host = Host::Accepts(Duration::from_millis(1), OK);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn target(ports: &[u16], kind: CheckKind) -> CheckTarget {
    let address = |port: &u16| SocketAddr::from(([10, 0, 0, 1], *port)).into();
    CheckTarget {
        name: "a.example:80".to_owned(),
        addresses: ports.iter().map(address).collect(),
        settings: Arc::new(CheckSettings::new(kind)),
        timing: TIMING,
    }
}

/// A script with one target at these ports, which is checked at once.
fn script(ports: &[u16], kind: CheckKind) -> Script<u32> {
    let mut checker = Checker::new(START);
    checker.add_at(7, target(ports, kind), 1, START);
    Script::new(checker)
}

fn results(finished: &[CheckFinished<u32>]) -> Vec<CheckResult> {
    finished.iter().map(|one| one.result).collect()
}

#[test]
fn every_kind_of_connection_is_checked_again_and_again() {
    for kind in [CheckKind::TCP, CheckKind::HTTP] {
        let mut script = script(&[1], kind);
        let finished = script.live(ms(20_000), |_| AT_ONCE);
        assert!((9..=12).contains(&finished.len()), "{}", finished.len());
        assert!(finished.iter().all(|one| one.result == Ok(())));
        assert!(finished.iter().all(|one| one.key == 7));
        let took = |one: &CheckFinished<u32>| one.ended_at.since(one.started_at);
        assert!(finished.iter().all(|one| took(one) == ms(1)));
    }
}

#[test]
fn failing_checks_come_faster_and_in_a_row_they_count() {
    let mut script = script(&[1], CheckKind::TCP);
    let finished = script.live(ms(1_500), |_| Host::Refuses);
    let refused = CheckFailure::Unreachable;
    let streaks: Vec<_> = finished.iter().map(|one| one.streak).take(3).collect();
    let expected = [
        CheckStreak::Failing(1),
        CheckStreak::Failing(2),
        CheckStreak::Fallen(3, refused),
    ];
    assert_eq!(streaks, expected);
}

#[test]
fn a_check_ends_with_its_time() {
    let mut script = script(&[1], CheckKind::HTTP);
    let hangs = Host::Accepts(ms(1), "");
    let finished = script.live(ms(1_100), |_| hangs);
    assert_eq!(results(&finished), [Err(CheckFailure::Timeout)]);
    let ended_at = finished[0].ended_at.since(START);
    assert!((ms(1_000)..ms(1_050)).contains(&ended_at), "{ended_at:?}");
}

#[test]
fn a_second_address_is_tried_when_the_first_refuses() {
    let mut script = script(&[1, 2, 3], CheckKind::TCP);
    let finished = script.live(ms(50), |port| match port {
        3 => AT_ONCE,
        _ => Host::Refuses,
    });
    assert_eq!(results(&finished), [Ok(())]);
    assert_eq!(script.opened.len(), 3);
    let finished = script.live(ms(1_000), |_| Host::Refuses);
    assert_eq!(results(&finished), []);
}

#[test]
fn a_second_address_is_tried_when_the_first_drops_packets() {
    for (ports, good) in [(&[1, 2][..], 2), (&[1, 2, 3], 3), (&[1, 2, 3, 4, 5], 4)] {
        for kind in [CheckKind::TCP, CheckKind::HTTP] {
            let mut script = script(ports, kind);
            let host = |port| match port == good {
                true => AT_ONCE,
                false => Host::Drops,
            };
            let finished = script.live(ms(10_000), host);
            assert!(finished.len() >= 4);
            assert!(
                finished.iter().all(|one| one.result == Ok(())),
                "{ports:?}: {:?}",
                results(&finished)
            );
            // The good address is remembered.
            let later = script.opened.iter().skip(usize::from(good));
            assert!(later.clone().count() >= 3);
            assert!(later.clone().all(|(_, port, _)| *port == good));
        }
    }
}

#[test]
fn another_address_is_found_when_the_good_one_dies() {
    let mut script = script(&[1, 2], CheckKind::TCP);
    script.live(ms(5_000), |_| AT_ONCE);
    let finished = script.live(ms(6_000), |port| match port {
        1 => Host::Drops,
        _ => AT_ONCE,
    });
    let failed = finished.iter().filter(|one| one.result.is_err()).count();
    assert!(failed <= 1, "{:?}", results(&finished));
    assert_eq!(finished.last().unwrap().result, Ok(()));
}

#[test]
fn addresses_that_are_slow_to_connect_pass_in_the_end() {
    let mut script = script(&[1, 2], CheckKind::TCP);
    let slow = Host::Accepts(ms(700), "");
    let finished = script.live(ms(20_000), |_| slow);
    let failed = finished.iter().filter(|one| one.result.is_err()).count();
    assert!(failed <= 1, "{:?}", results(&finished));
    assert!(finished.len() > 5);
}

#[test]
fn a_target_without_addresses_fails() {
    let mut script = script(&[], CheckKind::TCP);
    let finished = script.live(ms(100), |_| AT_ONCE);
    assert_eq!(results(&finished), [Err(CheckFailure::Unreachable)]);
}

#[test]
fn hastening_brings_a_check_forward_but_not_to_right_after_the_last() {
    let mut script = script(&[1], CheckKind::TCP);
    script.live(ms(10), |_| AT_ONCE);
    script.checker.hasten(7, script.now);
    script.checker.hasten(8, script.now);
    let finished = script.live(ms(440), |_| AT_ONCE);
    assert_eq!(results(&finished), []);
    let finished = script.live(ms(150), |_| AT_ONCE);
    assert_eq!(results(&finished), [Ok(())]);
}

const EAGAIN: i32 = 11;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;

#[test]
fn a_momentary_shortage_is_waited_for() {
    for error in [EAGAIN, EMFILE, ENOBUFS] {
        let mut script = script(&[1], CheckKind::TCP);
        let finished = script.live(ms(900), |_| Host::Fails(error));
        assert_eq!(results(&finished), [], "{error}");
        let asked = script.opened.len();
        assert!((10..=25).contains(&asked), "{error}: asked {asked} times");
        let finished = script.live(ms(100), |_| AT_ONCE);
        assert_eq!(results(&finished), [Ok(())], "{error}");
        assert!(
            finished[0].started_at.since(START) < ms(30),
            "the same check"
        );
    }
}

#[test]
fn a_shortage_of_our_own_that_lasts_counts_for_nothing() {
    let mut script = script(&[1, 2], CheckKind::TCP);
    let finished = script.live(ms(20_000), |_| Host::Fails(EMFILE));
    assert_eq!(results(&finished), []);
    let finished = script.live(ms(2_500), |_| AT_ONCE);
    assert_eq!(finished[0].result, Ok(()));
}

#[test]
fn a_target_that_has_no_room_for_the_time_of_a_check_times_out() {
    let mut script = script(&[1], CheckKind::HTTP);
    let finished = script.live(ms(1_100), |_| Host::Fails(EAGAIN));
    assert_eq!(results(&finished), [Err(CheckFailure::Timeout)]);
    let took = finished[0].ended_at.since(finished[0].started_at);
    assert!((ms(1_000)..ms(1_050)).contains(&took), "{took:?}");
}

#[test]
fn removed_target_that_waits_for_a_socket_is_not_asked_for_again() {
    let mut script = script(&[1], CheckKind::TCP);
    script.live(ms(100), |_| Host::Fails(EAGAIN));
    script.checker.remove(CheckId(0));
    let asked = script.opened.len();
    let finished = script.live(ms(5_000), |_| AT_ONCE);
    assert_eq!((results(&finished), script.opened.len()), (vec![], asked));
}

#[test]
fn removed_target_is_not_checked_and_its_socket_is_closed() {
    let mut script = script(&[1], CheckKind::HTTP);
    script.live(ms(100), |_| Host::Drops);
    script.checker.remove(CheckId(0));
    assert!(!script.checker.contains(7));
    let finished = script.live(ms(20_000), |_| AT_ONCE);
    assert_eq!(results(&finished), []);
    assert_eq!(script.opened.len(), 1);
}

#[test]
fn late_responses_fail_only_where_they_are_measured() {
    for (fails_late_responses, expected) in [(false, Ok(())), (true, Err(CheckFailure::Timeout))] {
        let timing = CheckTiming {
            timeout: ms(2),
            fails_late_responses,
            ..TIMING
        };
        let mut checker = Checker::new(START);
        let target = CheckTarget {
            timing,
            ..target(&[1], CheckKind::TCP)
        };
        checker.add_at(7, target, 1, START);
        let mut script = Script::new(checker);
        // Deadlines come out once in a tick, so the response is read first.
        let finished = script.live(ms(40), |_| Host::Accepts(ms(3), ""));
        assert_eq!(results(&finished), [expected]);
    }
}
