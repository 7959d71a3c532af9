use super::*;

const RAMP: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

/// Without slow start.
fn after(state: State, event: Event, now: Timestamp) -> State {
    state.after(event, Duration::ZERO, now)
}

fn unreachable(cooldown: Duration, now: Timestamp) -> State {
    State::ejected(Grounds::Unreachable, cooldown, now)
}

const LOST: Event = Event::Unreachable { trial: false };
const LOST_TRIAL: Event = Event::Unreachable { trial: true };
const WON_TRIAL: Event = Event::Responded { trial: true };

#[test]
fn cooldowns_double_up_to_the_longest_and_success_resets_them() {
    let mut state = after(State::Healthy, LOST, at(0));
    let mut now = at(0);
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        let cooldown = Duration::from_secs(seconds);
        assert_eq!(state, unreachable(cooldown, now));
        now = now + cooldown;
        state = after(state, Event::TimePassed, now);
        assert!(state.awaits_trial() && state.pickable());
        state = after(state, Event::Picked, now);
        assert!(!state.pickable(), "one trial at a time");
        state = after(state, LOST_TRIAL, now);
    }
    let trial = after(State::on_probation(LONGEST_COOLDOWN), Event::Picked, now);
    state = after(trial, WON_TRIAL, now);
    assert_eq!(state, State::Healthy);
    assert_eq!(after(state, LOST, now), unreachable(FIRST_COOLDOWN, now));
}

#[test]
fn failure_during_slow_start_doubles_the_cooldown() {
    let trial = State::on_probation(FIRST_COOLDOWN).after(Event::Picked, RAMP, at(0));
    let warming = trial.after(WON_TRIAL, RAMP, at(1));
    let until = at(11);
    let cooldown = FIRST_COOLDOWN;
    assert_eq!(warming, State::SlowStart { until, cooldown });
    assert!(warming.pickable() && warming.ends_at() == until);
    let twice = FIRST_COOLDOWN * 2;
    let convicted = warming.after(Event::Outlier(Grounds::Answers), RAMP, at(2));
    assert_eq!(convicted, State::ejected(Grounds::Answers, twice, at(2)));
    assert_eq!(warming.after(Event::TimePassed, RAMP, at(10)), warming);
    assert_eq!(
        warming.after(Event::TimePassed, RAMP, at(11)),
        State::Healthy
    );
}

#[test]
fn time_ends_a_cooldown_not_before_its_end() {
    let ejected = unreachable(FIRST_COOLDOWN, at(10));
    assert_eq!(after(ejected, Event::TimePassed, at(10)), ejected);
    assert!(after(ejected, Event::TimePassed, at(11)).pickable());
}

#[test]
fn passing_check_ends_only_ejections_that_a_check_can_see() {
    let passes = |grounds, event| {
        let ejected = State::ejected(grounds, FIRST_COOLDOWN, at(0));
        after(ejected, event, at(0)).pickable()
    };
    for (grounds, one, several) in [
        (Grounds::Unreachable, true, true),
        (Grounds::Checks { responds: false }, false, true),
        (Grounds::Answers, false, false),
        (Grounds::Heartbeats, false, false),
    ] {
        assert_eq!(passes(grounds, Event::CheckPassed), one, "{grounds:?}");
        assert_eq!(passes(grounds, Event::ChecksRose), several, "{grounds:?}");
    }
}

#[test]
fn failing_checks_eject_until_they_pass() {
    let now = at(0);
    for state in [
        State::Initial,
        State::Healthy,
        unreachable(FIRST_COOLDOWN, now),
        State::on_probation(FIRST_COOLDOWN),
    ] {
        let fallen = after(state, Event::ChecksFell { responds: false }, now);
        assert_eq!(fallen.ends_at(), Timestamp::NEVER);
        assert_eq!(after(fallen, Event::TimePassed, at(9_999)), fallen);
        assert!(after(fallen, Event::ChecksRose, now).awaits_trial());
    }
}

#[test]
fn missing_heartbeats_eject_until_they_are_back_whatever_checks_say() {
    let now = at(0);
    for state in [
        State::Initial,
        State::Healthy,
        unreachable(FIRST_COOLDOWN, now),
        after(State::Healthy, Event::ChecksFell { responds: false }, now),
        State::on_probation(FIRST_COOLDOWN),
    ] {
        let missed = after(state, Event::HeartbeatsFell, now);
        for event in [
            Event::CheckPassed,
            Event::ChecksRose,
            Event::ChecksFell { responds: false },
            Event::TimePassed,
            LOST,
            Event::HeartbeatsFell,
        ] {
            assert_eq!(after(missed, event, at(9_999)), missed, "{event:?}");
        }
        assert!(after(missed, Event::HeartbeatsRose, now).awaits_trial());
        assert_eq!(after(missed, WON_TRIAL, now), State::Healthy, "it answers");
    }
    let fallen = after(State::Healthy, Event::ChecksFell { responds: false }, now);
    assert_eq!(after(fallen, Event::HeartbeatsRose, now), fallen);
}

#[test]
fn a_burst_of_failures_ejects_once() {
    let ejected = unreachable(FIRST_COOLDOWN, at(0));
    assert_eq!(after(ejected, LOST, at(1)), ejected);
    let convicted = Event::Outlier(Grounds::Answers);
    assert_eq!(after(ejected, convicted, at(1)), ejected);
}

#[test]
fn outcomes_from_before_an_ejection_neither_end_nor_begin_one() {
    let old = Event::Responded { trial: false };
    let ejected = unreachable(FIRST_COOLDOWN, at(0));
    assert_eq!(after(ejected, old, at(0)), ejected);
    assert_eq!(after(ejected, WON_TRIAL, at(0)), State::Healthy);
    let waiting = State::on_probation(FIRST_COOLDOWN);
    let trying = after(waiting, Event::Picked, at(0));
    for event in [old, LOST, Event::Inconclusive { trial: false }] {
        assert_eq!(after(trying, event, at(0)), trying);
    }
    let nothing = Event::Inconclusive { trial: true };
    assert_eq!(after(trying, nothing, at(0)), waiting);
    assert!(!after(trying, LOST_TRIAL, at(0)).pickable());
    assert!(!after(trying, Event::TrialFailed, at(0)).pickable());
}

#[test]
fn no_response_brings_back_a_backend_that_the_operator_took_out() {
    for out in [State::Draining, State::Disabled, State::Removed] {
        for event in [
            WON_TRIAL,
            Event::CheckPassed,
            Event::ChecksRose,
            Event::ChecksFell { responds: false },
            Event::HeartbeatsFell,
            Event::HeartbeatsRose,
            Event::TimePassed,
            LOST,
        ] {
            assert_eq!(after(out, event, at(9)), out);
        }
        assert!(!out.pickable() && !out.responds() && !out.is_member());
    }
    assert_eq!(
        after(State::Draining, Event::Emptied, at(9)),
        State::Disabled
    );
    for out in [State::Draining, State::Disabled] {
        assert!(after(out, Event::Restore, at(9)).awaits_trial());
    }
    assert_eq!(after(State::Removed, Event::Restore, at(9)), State::Removed);
}
