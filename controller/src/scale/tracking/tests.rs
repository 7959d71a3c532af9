//! The default policy: what it wants for what traffic.

use super::super::Sample;
use super::*;

const COUNTS: Counts = Counts {
    serving: 4,
    coming: 0,
    want: 4,
    min: 1,
    desired: 4,
    max: 40,
    is_rolling: false,
};

fn with_traffic(rate: f64, seconds: u64, queued: f64) -> (Memory, Moment) {
    let mut memory = Memory::default();
    for second in 1..=seconds {
        memory.window.push(
            "lb",
            Moment(second * 1_000),
            Sample {
                span: Duration::from_secs(1),
                arrivals: rate,
                responses: rate,
                response_seconds: rate * 0.1,
                busy_seconds: rate * 0.1,
                queued,
            },
        );
    }
    (memory, Moment(seconds * 1_000))
}

const TRACKING: Tracking = Tracking {
    concurrency: 1.0,
    service_seconds: None,
    utilisation: UTILISATION,
};

#[test]
fn staffs_the_work_by_the_square_root() {
    for (rate, want) in [(10.0, 2), (40.0, 6), (100.0, 13), (300.0, 35)] {
        let (mut memory, now) = with_traffic(rate, 60, 0.0);
        let counts = Counts { want: 36, ..COUNTS };
        let decision = TRACKING.decide(now, counts, &[], &mut memory);
        assert_eq!(decision.want, want, "{rate}: {decision:?}");
    }
}

#[test]
fn a_step_shows_within_five_seconds() {
    let (mut memory, now) = with_traffic(20.0, 60, 0.0);
    let before = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
    for second in 61..=65 {
        let sample = Sample {
            span: Duration::from_secs(1),
            arrivals: 60.0,
            responses: 20.0,
            response_seconds: 2.0,
            busy_seconds: 2.0,
            queued: 0.0,
        };
        memory.window.push("lb", Moment(second * 1_000), sample);
    }
    let after = TRACKING.decide(Moment(65_000), COUNTS, &[], &mut memory);
    assert!(before <= 4 && after.want >= 8, "{before} {after:?}");
}

#[test]
fn grows_at_most_twofold_or_by_four() {
    let (mut memory, now) = with_traffic(300.0, 60, 0.0);
    assert_eq!(TRACKING.decide(now, COUNTS, &[], &mut memory).want, 8);
    let one = Counts { want: 1, ..COUNTS };
    let (mut memory, now) = with_traffic(300.0, 60, 0.0);
    assert_eq!(TRACKING.decide(now, one, &[], &mut memory).want, 5);
}

#[test]
fn falls_only_after_two_minutes() {
    let (mut memory, _) = with_traffic(1.0, 60, 0.0);
    memory.overrule(Moment(60_000), 9);
    let mut wants = Vec::new();
    for second in 61..=400_u64 {
        let sample = Sample {
            span: Duration::from_secs(1),
            arrivals: 1.0,
            responses: 1.0,
            response_seconds: 0.1,
            busy_seconds: 0.1,
            queued: 0.0,
        };
        memory.window.push("lb", Moment(second * 1_000), sample);
        let counts = Counts { want: 9, ..COUNTS };
        wants.push(
            TRACKING
                .decide(Moment(second * 1_000), counts, &[], &mut memory)
                .want,
        );
    }
    assert_eq!(wants.iter().filter(|want| **want == 9).count(), 120);
    assert_eq!(wants.last(), Some(&1));
}

#[test]
fn a_long_backlog_adds_servers() {
    let (mut memory, now) = with_traffic(20.0, 60, 0.0);
    let without = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
    let (mut memory, now) = with_traffic(20.0, 60, 900.0);
    let with = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
    assert!(with >= without + 3, "{with} {without}");
}

#[test]
fn a_backlog_that_is_gone_leaves_nothing_wanted() {
    let (mut memory, now) = with_traffic(20.0, 60, 900.0);
    let with = TRACKING.decide(now, COUNTS, &[], &mut memory).want;
    for second in 61..=70 {
        let sample = Sample {
            span: Duration::from_secs(1),
            arrivals: 20.0,
            responses: 20.0,
            response_seconds: 2.0,
            busy_seconds: 2.0,
            queued: 0.0,
        };
        memory.window.push("lb", Moment(second * 1_000), sample);
    }
    let counts = Counts {
        want: with,
        ..COUNTS
    };
    let after = TRACKING.decide(Moment(70_000), counts, &[], &mut memory);
    assert!(with > 4 && after.want == 4, "{with} {after:?}");
}

#[test]
fn noise_at_the_edge_between_two_numbers_changes_nothing() {
    let (mut memory, _) = with_traffic(58.0, 60, 0.0);
    let mut wants = Vec::new();
    let mut counts = Counts { want: 8, ..COUNTS };
    for second in 61..=1_800_u64 {
        // A minute above the edge, two below it.
        let rate = if second / 60 % 3 == 0 { 60.0 } else { 58.5 };
        let sample = Sample {
            span: Duration::from_secs(1),
            arrivals: rate,
            responses: rate,
            response_seconds: rate * 0.1,
            busy_seconds: rate * 0.1,
            queued: 0.0,
        };
        let now = Moment(second * 1_000);
        memory.window.push("lb", now, sample);
        counts.want = TRACKING.decide(now, counts, &[], &mut memory).want;
        wants.push(counts.want);
    }
    wants.dedup();
    assert!(wants.len() <= 2, "{wants:?}");
}

#[test]
fn without_news_nothing_changes() {
    let (mut memory, now) = with_traffic(300.0, 60, 0.0);
    let late = now.plus(Duration::from_secs(10));
    assert_eq!(
        TRACKING.decide(late, COUNTS, &[], &mut memory).want,
        COUNTS.want
    );
    assert_eq!(
        TRACKING
            .decide(now, COUNTS, &[], &mut Memory::default())
            .want,
        COUNTS.want
    );
}

#[test]
fn silence_never_turns_the_direction() {
    let shrinks = TRACKING.work_by_loads(&[Some(0.1), None, None, None], COUNTS);
    assert_eq!(shrinks, Some(3.1));
    let grows = TRACKING.work_by_loads(&[Some(1.0), Some(1.0), Some(1.0), Some(1.0), None], COUNTS);
    assert_eq!(grows, Some(4.0));
    assert_eq!(TRACKING.work_by_loads(&[None, None], COUNTS), None);
}
