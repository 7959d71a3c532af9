//! The life cycle of one backend: the only place that decides who may be picked.
//!
//! ```text
//!  joining -> healthy <-> ejected -> probation -> healthy
//!     any -> draining -> joining         any -> gone
//! ```
//!
//! A failed connect ejects for a cooldown, then one trial exchange at a time decides: answered
//! well, the backend is healthy and all is forgotten; not reached, it is ejected for twice as
//! long. A trial that ends in between (an error answered, a client gone) says too little, and the
//! next one decides. Everything is a value in, a value out; who calls and when is not known here.

use crate::time::Timestamp;
use std::time::Duration;

/// How long the first failed connect keeps a backend from being picked.
const FIRST_COOLDOWN: Duration = Duration::from_secs(1);
/// What the doubling of the cooldown stops at.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(30);

/// Where in its life a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// New or back from draining: nothing is known, nothing is held against it.
    Joining,
    /// It answers.
    Healthy,
    /// It could not be reached, and is left alone for a while.
    Ejected {
        /// When it is tried again.
        until: Timestamp,
        /// How long it is left alone this time.
        cooldown: Duration,
    },
    /// Its cooldown is over: one exchange at a time is risked on it.
    Probation {
        /// Whether that exchange is under way.
        trial: bool,
        /// The cooldown it comes from, to double should it fail again.
        cooldown: Duration,
    },
    /// The operator wants it to finish what it has and get nothing new.
    Draining,
    /// Removed; what is still in flight there is finished.
    Gone,
}

/// What can happen to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An exchange was dispatched to it.
    Picked,
    /// An exchange there ended well.
    Answered,
    /// No connection to it could be made. Whether that exchange was the trial.
    Unreachable { trial: bool },
    /// An exchange ended in a way that says neither. Whether it was the trial.
    Inconclusive { trial: bool },
    /// An active check passed.
    ProbePassed,
    /// The clock has moved on; the end of a cooldown may have passed.
    TimePassed,
    /// The operator drains it.
    Drain,
    /// The operator takes it back.
    Restore,
    /// The operator removes it.
    Remove,
}

impl State {
    /// The state in one word, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Healthy => "healthy",
            Self::Ejected { .. } => "ejected",
            Self::Probation { .. } => "probation",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }

    /// Whether it may be picked.
    pub(super) const fn pickable(self) -> bool {
        match self {
            Self::Joining | Self::Healthy | Self::Probation { trial: false, .. } => true,
            Self::Ejected { .. } | Self::Probation { trial: true, .. } => false,
            Self::Draining | Self::Gone => false,
        }
    }

    /// Whether it is picked rather than nobody: it is out because of what was measured, not
    /// because the operator said so.
    pub(super) const fn pickable_in_need(self) -> bool {
        match self {
            Self::Joining | Self::Healthy | Self::Ejected { .. } | Self::Probation { .. } => true,
            Self::Draining | Self::Gone => false,
        }
    }

    /// Whether an exchange dispatched now is the trial.
    pub(super) const fn awaits_trial(self) -> bool {
        matches!(self, Self::Probation { trial: false, .. })
    }

    /// When its cooldown ends, if it is in one.
    pub(super) const fn cooled_down_at(self) -> Option<Timestamp> {
        match self {
            Self::Ejected { until, .. } => Some(until),
            Self::Joining | Self::Healthy | Self::Probation { .. } => None,
            Self::Draining | Self::Gone => None,
        }
    }

    /// The state after `event`.
    #[must_use]
    pub(super) fn after(self, event: Event, now: Timestamp) -> Self {
        match self {
            Self::Joining | Self::Healthy => match event {
                Event::Answered => Self::Healthy,
                Event::Unreachable { .. } => Self::ejected(FIRST_COOLDOWN, now),
                Event::Drain => Self::Draining,
                Event::Remove => Self::Gone,
                Event::Picked
                | Event::Inconclusive { .. }
                | Event::ProbePassed
                | Event::TimePassed
                | Event::Restore => self,
            },
            Self::Ejected { until, cooldown } => match event {
                Event::Answered => Self::Healthy,
                Event::ProbePassed => Self::on_probation(cooldown),
                Event::TimePassed if until <= now => Self::on_probation(cooldown),
                Event::Drain => Self::Draining,
                Event::Remove => Self::Gone,
                // Many exchanges fail at once; the first one told all there is to know.
                Event::Unreachable { .. }
                | Event::Picked
                | Event::Inconclusive { .. }
                | Event::TimePassed
                | Event::Restore => self,
            },
            Self::Probation { trial, cooldown } => match event {
                Event::Picked => Self::Probation {
                    trial: true,
                    cooldown,
                },
                Event::Answered => Self::Healthy,
                Event::Unreachable { trial: true } => {
                    Self::ejected(LONGEST_COOLDOWN.min(cooldown * 2), now)
                }
                Event::Inconclusive { trial: true } => Self::on_probation(cooldown),
                Event::Drain => Self::Draining,
                Event::Remove => Self::Gone,
                // An exchange from before the ejection tells of the past.
                Event::Unreachable { trial: false }
                | Event::Inconclusive { trial: false }
                | Event::ProbePassed
                | Event::TimePassed
                | Event::Restore => Self::Probation { trial, cooldown },
            },
            Self::Draining => match event {
                Event::Restore => Self::Joining,
                Event::Remove => Self::Gone,
                Event::Picked
                | Event::Answered
                | Event::Unreachable { .. }
                | Event::Inconclusive { .. }
                | Event::ProbePassed
                | Event::TimePassed
                | Event::Drain => Self::Draining,
            },
            Self::Gone => Self::Gone,
        }
    }

    fn ejected(cooldown: Duration, now: Timestamp) -> Self {
        let until = now + cooldown;
        Self::Ejected { until, cooldown }
    }

    const fn on_probation(cooldown: Duration) -> Self {
        Self::Probation {
            trial: false,
            cooldown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    const LOST_TRIAL: Event = Event::Unreachable { trial: true };

    #[test]
    fn cooldowns_double_up_to_the_longest_and_success_resets_them() {
        let mut state = State::Healthy.after(Event::Unreachable { trial: false }, at(0));
        let mut now = at(0);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let cooldown = Duration::from_secs(seconds);
            assert_eq!(
                state,
                State::Ejected {
                    until: now + cooldown,
                    cooldown
                }
            );
            now = now + cooldown;
            state = state.after(Event::TimePassed, now);
            assert!(state.awaits_trial());
            state = state.after(Event::Picked, now);
            assert!(!state.pickable(), "one trial at a time");
            state = state.after(LOST_TRIAL, now);
        }
        state = state.after(Event::Answered, now);
        assert_eq!(state, State::Healthy);
        assert_eq!(
            state.after(Event::Unreachable { trial: false }, now),
            State::ejected(FIRST_COOLDOWN, now)
        );
    }

    #[test]
    fn time_ends_a_cooldown_not_before_its_end() {
        let ejected = State::ejected(FIRST_COOLDOWN, at(10));
        assert_eq!(ejected.after(Event::TimePassed, at(10)), ejected);
        assert!(ejected.after(Event::TimePassed, at(11)).pickable());
        assert!(ejected.after(Event::ProbePassed, at(10)).pickable());
    }

    #[test]
    fn a_burst_of_failures_ejects_once() {
        let ejected = State::ejected(FIRST_COOLDOWN, at(0));
        let again = ejected.after(Event::Unreachable { trial: false }, at(1));
        assert_eq!(again, ejected);
    }

    #[test]
    fn only_the_trial_decides_against_a_backend_on_probation() {
        let waiting = State::on_probation(FIRST_COOLDOWN);
        let trying = waiting.after(Event::Picked, at(0));
        assert_eq!(
            trying.after(Event::Unreachable { trial: false }, at(0)),
            trying
        );
        assert_eq!(
            trying.after(Event::Inconclusive { trial: false }, at(0)),
            trying
        );
        assert_eq!(
            trying.after(Event::Inconclusive { trial: true }, at(0)),
            waiting
        );
        assert!(!trying.after(LOST_TRIAL, at(0)).pickable());
    }

    #[test]
    fn what_the_operator_took_out_no_answer_brings_back() {
        for out in [State::Draining, State::Gone] {
            let answered = out.after(Event::Answered, at(9));
            let passed = answered.after(Event::ProbePassed, at(9));
            assert_eq!(passed.after(Event::TimePassed, at(9)), out);
            assert!(!out.pickable() && !out.pickable_in_need());
        }
        assert_eq!(State::Draining.after(Event::Restore, at(9)), State::Joining);
        assert_eq!(State::Gone.after(Event::Restore, at(9)), State::Gone);
    }
}
