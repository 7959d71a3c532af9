//! Exchanges in flight and the state of each backend, from what can be seen from outside: the
//! wires, and the reported changes.

use super::super::super::stage::{Stage, backend};
use super::machine::Machine;
use super::{MACHINES, MAX_EJECTED, tell};
use crate::pool::{Cause, State, StateChange};

/// State of each backend, by the changes reported so far.
pub(super) struct Shadow {
    states: Vec<State>,
}

impl Shadow {
    pub(super) fn new() -> Self {
        Self {
            states: vec![State::Initial; MACHINES],
        }
    }

    pub(super) fn check(&mut self, stage: &mut Stage, machines: &[Machine]) {
        for change in stage.proxy.take_changes() {
            self.follow(&change);
        }
        let backends = &stage.proxy.traffic.pools.first().backends;
        for candidate in backends.candidates().iter().filter(|c| c.live) {
            let number = number_of(backends.name(candidate.id).unwrap());
            let in_flight = machines[number].in_flight(stage);
            assert_eq!(candidate.in_flight as usize, in_flight, "in flight");
            let (state, told) = (backends.state(candidate.id).unwrap(), &self.states[number]);
            assert_eq!(state.word(), told.word(), "every change is told");
        }
    }

    /// A backend was added, again.
    pub(super) fn added(&mut self, number: usize, state: State) {
        assert_eq!(self.states[number], State::Removed);
        self.states[number] = state;
    }

    fn follow(&mut self, change: &StateChange) {
        tell(change.at, &change.to_string());
        let number = number_of(&change.name);
        let known = self.states[number];
        assert_eq!(change.from.word(), known.word(), "{change}");
        self.states[number] = change.to;
        let is_new = !known.is_out() && change.to.is_out();
        if is_new && is_for_responses(change.cause) {
            let out = self.states.iter().filter(|state| state.is_out()).count();
            let members = self
                .states
                .iter()
                .filter(|state| is_member(**state))
                .count();
            let most = members * usize::from(MAX_EJECTED) / 100;
            assert!(out <= most, "{out} of {members} are out: {change}");
        }
    }

    /// Returns where a backend is in its life.
    pub(super) fn state(&self, number: usize) -> State {
        self.states[number]
    }

    /// Checks that nothing is left behind.
    pub(super) fn check_all_are_healthy(&self, spreads: bool) {
        for state in &self.states {
            let waits = matches!(state, State::Probation { .. } | State::Initial) && !spreads;
            assert!(*state == State::Healthy || waits, "{:?}", self.states);
        }
    }
}

fn number_of(name: &str) -> usize {
    let mut numbers = 0..MACHINES;
    let found = numbers.find(|n| backend(*n).to_string() == name);
    found.expect("a backend")
}

/// Returns whether the operator wants it to take part.
fn is_member(state: State) -> bool {
    !matches!(state, State::Draining | State::Disabled | State::Removed)
}

/// Returns whether a backend was ejected for its responses to exchanges.
fn is_for_responses(cause: Cause) -> bool {
    match cause {
        Cause::Failures { .. } | Cause::FailureShare { .. } | Cause::Slow { .. } => true,
        // Active checks eject however many are ejected.
        Cause::ChecksFailed { .. } => false,
        Cause::Unreachable { .. } | Cause::Silent { .. } | Cause::TrialFailed => false,
        Cause::Responded | Cause::ChecksPassed { .. } => false,
        Cause::CooledDown | Cause::Crowded => false,
        Cause::SlowStartEnded | Cause::Emptied | Cause::Operator => false,
        Cause::Departs | Cause::DrainTimeout { .. } => false,
        Cause::HeartbeatsMissing { .. } | Cause::ProcessDead => false,
        Cause::HeartbeatsBack | Cause::ProcessAlive => false,
    }
}
