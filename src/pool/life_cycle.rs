//! The life cycle of one backend: alone decides whether it may be picked.
//!
//! ```text
//!  initial -> healthy <-> ejected -> probation -> slow-start -> healthy
//!     any -> draining -> disabled -> probation        any -> gone
//! ```
//!
//! Every signal (real exchanges, checks, heartbeats, the operator's word) is an [`Event`] here, and
//! every backend comes back the same way: one trial exchange at a time and, after a good response,
//! a share that grows over the slow start. Only the backends a balancer starts with skip it: there
//! is nothing to protect them from.
//!
//! The start and end of an ejection depend on its [grounds](Grounds): see [`ejection`].
//!
//! Everything is a value in, a value out; callers and times are not known here.

mod ejection;
mod hold;
mod queries;
#[cfg(test)]
mod tests;

pub use ejection::Grounds;
pub use hold::Hold;

use crate::time::Timestamp;
use std::time::Duration;

/// Duration of the first ejection.
pub(super) const FIRST_COOLDOWN: Duration = Duration::from_secs(1);
/// Limit of the doubling of the cooldown.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(30);

/// The state of a backend in its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Here from the start: nothing is known, nothing is held against it.
    Initial,
    /// It responds.
    Healthy,
    /// It does not, and is left alone for a while.
    Ejected {
        /// The grounds of the ejection.
        grounds: Grounds,
        /// Time of the next attempt; never if checks or heartbeats have to recover first.
        until: Timestamp,
        /// Duration of this ejection.
        cooldown: Duration,
    },
    /// New or back: one exchange at a time is risked on it.
    Probation {
        /// True if that exchange is under way.
        trial: bool,
        /// The cooldown it comes from, to double should it fail again.
        cooldown: Duration,
    },
    /// The trial succeeded, and its share grows.
    SlowStart {
        /// Time at which it has its whole share.
        until: Timestamp,
        /// As on probation.
        cooldown: Duration,
    },
    /// The operator wants it to finish what it has and get nothing new.
    Draining,
    /// The operator took it out; nothing new goes there.
    Disabled,
    /// Removed; what is still in flight there is finished.
    Removed,
}

/// An event in the life of a backend. `trial`: of the exchange that was risked on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An exchange was dispatched to it.
    Picked,
    /// An exchange there ended well.
    Responded { trial: bool },
    /// No connection to it could be made.
    Unreachable { trial: bool },
    /// An exchange ended in a way that says neither.
    Inconclusive { trial: bool },
    /// The trial failed.
    TrialFailed,
    /// There is enough evidence against it.
    Outlier(Grounds),
    /// An active check passed.
    CheckPassed,
    /// As many active checks passed, in a row, as it takes after they failed.
    ChecksRose,
    /// Too many active checks failed, in a row.
    ChecksFell {
        /// True if it responded to them, though not as expected.
        responds: bool,
    },
    /// Its heartbeats are missing, or say that it is dead.
    HeartbeatsFell,
    /// They are well again.
    HeartbeatsRose,
    /// The clock has moved on; the end of a state may have passed.
    TimePassed,
    /// The others have queues that show no room for its share.
    Crowded,
    /// The operator drains it.
    Drain,
    /// It is to be removed when it has drained.
    Depart,
    /// Nothing is in flight there any more.
    Emptied,
    /// The operator takes it out.
    Disable,
    /// The operator takes it back.
    Restore,
    /// The operator has said how well it is, which its [`Hold`] now tells.
    Held,
    /// The operator leaves that to measurements again.
    Released,
    /// The operator removes it.
    Remove,
}

/// The transitions.
impl State {
    /// The state after `event`, if a growing share takes `slow_start` to grow.
    #[must_use]
    pub(super) fn after(self, event: Event, slow_start: Duration, now: Timestamp) -> Self {
        match event {
            // The operator's word goes before everything that was measured.
            Event::Drain => self.drained(),
            Event::Depart => self.departing(),
            Event::Disable => self.disabled(),
            Event::Restore => self.restored(),
            Event::Remove => Self::Removed,
            Event::Emptied => self.emptied(),
            Event::Held => self,
            Event::Released => self.released(),
            Event::Picked
            | Event::Responded { .. }
            | Event::Unreachable { .. }
            | Event::Inconclusive { .. }
            | Event::TrialFailed
            | Event::Outlier(_)
            | Event::CheckPassed
            | Event::ChecksRose
            | Event::ChecksFell { .. }
            | Event::HeartbeatsFell
            | Event::HeartbeatsRose
            | Event::Crowded
            | Event::TimePassed => self.measured(event, slow_start, now),
        }
    }

    fn drained(self) -> Self {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => Self::Draining,
            Self::Ejected { .. } | Self::Probation { .. } => Self::Draining,
            Self::Draining | Self::Disabled | Self::Removed => self,
        }
    }

    /// One that is disabled may still have something in flight.
    fn departing(self) -> Self {
        match self {
            Self::Removed => Self::Removed,
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => Self::Draining,
            Self::Ejected { .. } | Self::Probation { .. } => Self::Draining,
            Self::Draining | Self::Disabled => Self::Draining,
        }
    }

    fn disabled(self) -> Self {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => Self::Disabled,
            Self::Ejected { .. } | Self::Probation { .. } => Self::Disabled,
            Self::Draining | Self::Disabled => Self::Disabled,
            Self::Removed => Self::Removed,
        }
    }

    fn restored(self) -> Self {
        match self {
            Self::Draining | Self::Disabled => Self::on_probation(FIRST_COOLDOWN),
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => self,
            Self::Ejected { .. } | Self::Probation { .. } | Self::Removed => self,
        }
    }

    fn emptied(self) -> Self {
        match self {
            Self::Draining => Self::Disabled,
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => self,
            Self::Ejected { .. } | Self::Probation { .. } => self,
            Self::Disabled | Self::Removed => self,
        }
    }

    /// After an event that is not the operator's.
    fn measured(self, event: Event, slow_start: Duration, now: Timestamp) -> Self {
        match self {
            Self::Initial | Self::Healthy => self.in_service(event, FIRST_COOLDOWN, now),
            Self::SlowStart { until, .. } if event == Event::TimePassed && until <= now => {
                Self::Healthy
            }
            Self::SlowStart { cooldown, .. } => {
                self.in_service(event, LONGEST_COOLDOWN.min(cooldown * 2), now)
            }
            Self::Ejected { cooldown, .. } => self.when_ejected(event, cooldown, slow_start, now),
            Self::Probation { cooldown, .. } => {
                self.on_probation_after(event, cooldown, slow_start, now)
            }
            Self::Draining | Self::Disabled | Self::Removed => self,
        }
    }

    /// It takes part in full. Failing now would cost it `cooldown`.
    fn in_service(self, event: Event, cooldown: Duration, now: Timestamp) -> Self {
        match event {
            Event::Responded { .. } if self == Self::Initial => Self::Healthy,
            Event::Unreachable { .. } => Self::ejected(Grounds::Unreachable, cooldown, now),
            Event::Outlier(grounds) => Self::ejected(grounds, cooldown, now),
            Event::ChecksFell { responds } => {
                Self::ejected_until_well(Grounds::Checks { responds }, cooldown)
            }
            Event::HeartbeatsFell => Self::ejected_until_well(Grounds::Heartbeats, cooldown),
            // A trial that ends after a check or another exchange has decided is about the past.
            Event::Responded { .. }
            | Event::Inconclusive { .. }
            | Event::TrialFailed
            | Event::Picked
            | Event::CheckPassed
            | Event::ChecksRose
            | Event::HeartbeatsRose
            | Event::Crowded
            | Event::TimePassed => self,
            Event::Drain | Event::Depart | Event::Emptied => self,
            Event::Disable | Event::Restore | Event::Remove => self,
            Event::Held | Event::Released => self,
        }
    }

    fn on_probation_after(
        self,
        event: Event,
        cooldown: Duration,
        slow_start: Duration,
        now: Timestamp,
    ) -> Self {
        let longer = LONGEST_COOLDOWN.min(cooldown * 2);
        match event {
            Event::Picked => Self::Probation {
                trial: true,
                cooldown,
            },
            Event::Responded { trial: true } => Self::back(cooldown, slow_start, now),
            Event::Unreachable { trial: true } => Self::ejected(Grounds::Unreachable, longer, now),
            Event::TrialFailed => Self::ejected(Grounds::Answers, longer, now),
            Event::Outlier(grounds) => Self::ejected(grounds, longer, now),
            Event::ChecksFell { responds } => {
                Self::ejected_until_well(Grounds::Checks { responds }, longer)
            }
            Event::HeartbeatsFell => Self::ejected_until_well(Grounds::Heartbeats, longer),
            Event::Inconclusive { trial: true } => Self::on_probation(cooldown),
            // An exchange from before the ejection is about the past.
            Event::Responded { trial: false }
            | Event::Unreachable { trial: false }
            | Event::Inconclusive { trial: false }
            | Event::CheckPassed
            | Event::ChecksRose
            | Event::HeartbeatsRose
            | Event::Crowded
            | Event::TimePassed => self,
            Event::Drain | Event::Depart | Event::Emptied => self,
            Event::Disable | Event::Restore | Event::Remove => self,
            Event::Held | Event::Released => self,
        }
    }

    /// One trial exchange at a time, `cooldown` being the one to double if it fails.
    pub(super) const fn on_probation(cooldown: Duration) -> Self {
        Self::Probation {
            trial: false,
            cooldown,
        }
    }

    /// It did well in its trial.
    fn back(cooldown: Duration, slow_start: Duration, now: Timestamp) -> Self {
        if slow_start.is_zero() {
            return Self::Healthy;
        }
        let until = now + slow_start;
        Self::SlowStart { until, cooldown }
    }
}
