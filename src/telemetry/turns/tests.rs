//! Turns by a clock moved by hand.

use super::*;

const fn ms(ms: u64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

/// A turn from `from`, of which `time` ms went to `phase` and one to the phase before.
fn turn(turns: &mut Turns, from: u64, phase: TurnPhase, time: u64) -> Option<Stall> {
    turns.begin(ms(from));
    turns.mark(TurnPhase::Events, ms(from + 1));
    turns.mark(phase, ms(from + 1 + time));
    turns.end(ms(from + 1 + time))
}

#[test]
fn a_stall_is_named_after_the_phase_that_took_longest() {
    let mut turns = Turns::default();
    assert_eq!(turns.times(), None);
    assert_eq!(
        turn(&mut turns, 0, TurnPhase::Last(LastPhase::Queue), 48),
        None,
        "49 ms are none"
    );
    let stall =
        turn(&mut turns, 100, TurnPhase::Last(LastPhase::Closing), 70).expect("71 ms are one");
    assert_eq!(
        (stall.phase, stall.turn_time.as_millis()),
        (TurnPhase::Last(LastPhase::Closing), 71)
    );
    assert_eq!(
        stall.to_string(),
        "a turn took 71 ms, 70 ms of it in its closing phase"
    );
    let next = turn(&mut turns, 200, TurnPhase::Accept, 59).expect("60 ms are one, too");
    assert_eq!(next.phase, TurnPhase::Accept);
    let times = turns.times().expect("three turns");
    assert_eq!((times.turns, times.stalls, times.longest), (3, 2, stall));
}

#[test]
fn quantiles_are_exact_to_two_digits_and_take_any_time() {
    let mut turns = Turns::default();
    for at in 0..100 {
        turns.begin(ms(at));
        assert_eq!(turns.end(ms(at) + Duration::from_micros(10 + at)), None);
    }
    let times = turns.times().expect("a hundred turns");
    assert_eq!(times.p50.as_micros(), 59);
    assert_eq!(times.p99.as_micros(), 108);
    turns.begin(Timestamp::ZERO);
    assert!(turns.end(Timestamp::NEVER).is_some());
    let histogram = turns.times.0.expect("allocated");
    let counts = histogram.distinct_values() * size_of::<u64>();
    assert!(counts <= 40 * 1024, "{counts} bytes");
}

#[test]
fn loops_are_seen_as_one() {
    let [mut all, mut other] = [(); 2].map(|()| Turns::default());
    assert_eq!(turn(&mut all, 0, TurnPhase::Log, 9), None);
    let stall = turn(&mut other, 0, TurnPhase::Accept, 80);
    other.deadline(ms(1), ms(8));
    all.add(&other);
    let times = all.times().expect("turns");
    assert_eq!((times.turns, times.stalls), (2, 1));
    assert_eq!(Some(times.longest), stall);
    assert_eq!(times.deadline_lag_max.as_millis(), 7);
}

#[test]
fn lag_is_what_lies_between_due_and_done() {
    let mut turns = Turns::default();
    turns.begin(ms(10));
    turns.deadline(ms(8), ms(11));
    turns.deadline(ms(12), ms(11));
    assert_eq!(turns.end(ms(11)), None);
    let times = turns.times().expect("a turn");
    assert_eq!(times.deadline_lag_max.as_millis(), 3);
}
