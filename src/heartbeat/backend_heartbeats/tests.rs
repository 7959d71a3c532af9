use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(ms: u64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

/// One sent, by the sender's clock, at `ms`.
fn sent(ms: u64) -> Heartbeat {
    Heartbeat {
        name: SenderName::new("web1").unwrap(),
        address: None,
        interval: SECOND,
        load: None,
        process: None,
        sent_at: Duration::from_secs(1_000_000) + Duration::from_millis(ms),
    }
}

fn with_process(ms: u64, process: ProcessState) -> Heartbeat {
    Heartbeat {
        process: Some(process),
        ..sent(ms)
    }
}

/// One that has had ten heartbeats, a second apart, the last at 10 s.
fn watch() -> BackendHeartbeats {
    let mut watch = BackendHeartbeats::new(&sent(1_000), at(1_000));
    for second in 2..=10 {
        let ms = second * 1_000;
        let heard = watch.hear(&sent(ms), true, at(ms));
        assert_eq!(heard, (Heard::Taken, None));
    }
    watch
}

/// Returns the findings while nothing comes, each with the time since the last heartbeat.
fn findings(watch: &mut BackendHeartbeats) -> Vec<(HeartbeatFinding, Duration)> {
    let (mut now, mut found) = (at(10_000), Vec::new());
    loop {
        now = watch.next_look(now);
        if now == Timestamp::NEVER {
            return found;
        }
        found.extend(watch.look(now).map(|f| (f, now.since(at(10_000)))));
    }
}

#[test]
fn silence_makes_suspect_and_then_missing_and_a_heartbeat_ends_it() {
    let mut watch = watch();
    let found = findings(&mut watch);
    let [
        (HeartbeatFinding::Suspect, first),
        (HeartbeatFinding::Missing { phi, silence }, second),
    ] = found[..]
    else {
        panic!("{found:?}");
    };
    assert!(first < SECOND * 3 && second >= SECOND * 3, "{found:?}");
    assert!(second < SECOND * 4, "{found:?}");
    assert!(phi >= MISSING && silence == second, "{found:?}");
    let heard = watch.hear(&sent(60_000), true, at(60_000));
    assert_eq!(heard, (Heard::Taken, Some(HeartbeatFinding::Back)));
    assert_eq!(watch.next_look(at(60_000)), at(61_500));
}

#[test]
fn suspect_that_sends_again_is_not_reported() {
    let mut watch = watch();
    let mut now = at(10_000);
    while !watch.is_suspect() {
        now = watch.next_look(now);
        watch.look(now);
    }
    assert_eq!(watch.hear(&sent(13_000), true, now), (Heard::Taken, None));
    assert!(!watch.is_suspect());
}

#[test]
fn ten_intervals_are_too_long_on_the_worst_network() {
    let mut watch = BackendHeartbeats::new(&sent(0), at(0));
    for nth in 1..60 {
        watch.hear(&sent(nth * 9_000), true, at(nth * 9_000));
    }
    let last = at(59 * 9_000);
    let mut now = last;
    while !matches!(watch.look(now), Some(HeartbeatFinding::Missing { .. })) {
        now = watch.next_look(now);
    }
    assert_eq!(now.since(last), SECOND * 10);
}

#[test]
fn dead_process_and_its_return_are_reported_once() {
    let mut watch = watch();
    let mut hear = |ms, process| {
        let (Heard::Taken, finding) = watch.hear(&with_process(ms, process), true, at(ms)) else {
            panic!("not taken");
        };
        finding
    };
    use ProcessState::{Alive, Dead};
    assert_eq!(hear(11_000, Alive), None);
    assert_eq!(hear(12_000, Dead), Some(HeartbeatFinding::ProcessDead));
    assert_eq!(hear(13_000, Dead), None);
    assert_eq!(hear(14_000, Alive), Some(HeartbeatFinding::ProcessAlive));
    assert_eq!(hear(15_000, Dead), Some(HeartbeatFinding::ProcessDead));
    assert_eq!(watch.next_look(at(15_000)), Timestamp::NEVER);
}

#[test]
fn stale_heartbeat_does_not_extend_the_deadline() {
    let mut watch = watch();
    for old in [10_000, 9_999, 0] {
        let heard = watch.hear(&with_process(old, ProcessState::Dead), true, at(12_000));
        assert_eq!(heard, (Heard::Stale, None));
    }
    assert_eq!(watch.silence(at(12_000)), SECOND * 2);
    assert_eq!(watch.process(), None);
}

#[test]
fn a_clock_that_was_set_back_is_believed_only_where_nothing_is_signed() {
    let mut signed = watch();
    let hour_back = Heartbeat {
        sent_at: sent(0).sent_at - SECOND * 3_600,
        ..sent(0)
    };
    assert_eq!(
        signed.hear(&hour_back, true, at(11_000)),
        (Heard::Stale, None)
    );
    let mut unsigned = watch();
    let heard = unsigned.hear(&hour_back, false, at(11_000));
    assert_eq!(heard, (Heard::Taken, None));
    assert_eq!(
        unsigned.hear(&sent(0), false, at(12_000)),
        (Heard::Taken, None)
    );
}

#[test]
fn fresh_is_within_a_minute_by_our_clock() {
    let sent_at = sent(0).sent_at;
    for (wall, expected) in [
        (sent_at + SECOND * 60, true),
        (sent_at - SECOND * 60, true),
        (sent_at + SECOND * 61, false),
        (sent_at - SECOND * 61, false),
    ] {
        assert_eq!(is_fresh(&sent(0), wall), expected);
    }
}

#[test]
fn another_interval_begins_anew() {
    let mut watch = watch();
    let slow = Heartbeat {
        interval: SECOND * 10,
        ..sent(11_000)
    };
    watch.hear(&slow, true, at(11_000));
    assert_eq!(watch.next_look(at(11_000)), at(26_000));
}
