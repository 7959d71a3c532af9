//! Turns by a manual clock.

use super::*;

const fn ms(ms: u64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

/// A turn from `from`, of which `time` ms went to `phase` and one to the phase before.
fn turn(stats: &mut LoopStats, from: u64, phase: TurnPhase, time: u64) -> Option<Stall> {
    stats.begin_turn(ms(from));
    stats.end_phase(TurnPhase::Events, ms(from + 1));
    stats.end_phase(phase, ms(from + 1 + time));
    stats.end_turn(ms(from + 1 + time))
}

#[test]
fn a_stall_names_its_longest_phase() {
    let mut stats = LoopStats::default();
    assert_eq!(stats.report(), None);
    assert_eq!(
        turn(&mut stats, 0, TurnPhase::Queue, 48),
        None,
        "49 ms are none"
    );
    let stall = turn(&mut stats, 100, TurnPhase::Close, 70).expect("71 ms are one");
    assert_eq!(
        (stall.phase, stall.turn_time.as_millis()),
        (TurnPhase::Close, 71)
    );
    assert_eq!(
        stall.to_string(),
        "a turn took 71 ms, 70 ms of it in its close phase"
    );
    let next = turn(&mut stats, 200, TurnPhase::Accept, 59).expect("60 ms are one, too");
    assert_eq!(next.phase, TurnPhase::Accept);
    let times = stats.report().expect("three turns");
    assert_eq!((times.turns, times.stalls, times.longest), (3, 2, stall));
}

#[test]
fn quantiles_are_exact_to_two_digits_at_any_length() {
    let mut stats = LoopStats::default();
    for at in 0..100 {
        stats.begin_turn(ms(at));
        assert_eq!(
            stats.end_turn(ms(at) + Duration::from_micros(10 + at)),
            None
        );
    }
    let times = stats.report().expect("a hundred turns");
    assert_eq!(times.p50.as_micros(), 59);
    assert_eq!(times.p99.as_micros(), 108);
    stats.begin_turn(Timestamp::ZERO);
    assert!(stats.end_turn(Timestamp::NEVER).is_some());
}

#[test]
fn statistics_of_several_loops_add_up() {
    let [mut all, mut other] = [(); 2].map(|()| LoopStats::default());
    assert_eq!(turn(&mut all, 0, TurnPhase::Log, 9), None);
    let stall = turn(&mut other, 0, TurnPhase::Accept, 80);
    other.deadline(ms(1), ms(8));
    all.add(&other);
    let times = all.report().expect("turns");
    assert_eq!((times.turns, times.stalls), (2, 1));
    assert_eq!(Some(times.longest), stall);
    assert_eq!(times.deadline_lag_max.as_millis(), 7);
}

#[test]
fn lag_is_the_time_from_due_to_fired() {
    let mut stats = LoopStats::default();
    stats.begin_turn(ms(10));
    stats.deadline(ms(8), ms(11));
    stats.deadline(ms(12), ms(11));
    assert_eq!(stats.end_turn(ms(11)), None);
    let times = stats.report().expect("a turn");
    assert_eq!(times.deadline_lag_max.as_millis(), 3);
}
