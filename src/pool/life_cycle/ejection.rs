//! An ejection: its start, its grounds and its end.
//!
//! It lasts for a cooldown, twice as long each time the backend fails again before it is healthy. A
//! passing check ends it earlier, but only if a check can see the [grounds](Grounds): a backend
//! that passes checks and fails requests sits its cooldown out, unless the queues of the others
//! show after a second that they have no room for its share: it then has its trial. One whose
//! heartbeats are missing is out until they are back, whatever its checks say.

use super::{Event, FIRST_COOLDOWN, State};
use crate::time::Timestamp;
use std::time::Duration;

/// The grounds of an ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grounds {
    /// No connection to it could be made.
    Unreachable,
    /// Its response, or the fact that it broke off.
    Answers,
    /// Active checks failed, and have to pass before it is attempted again.
    Checks {
        /// True if it responded to them, though not as expected.
        responds: bool,
    },
    /// Its heartbeats are missing, or say that it is dead, and have to be well before it is
    /// attempted again.
    Heartbeats,
    /// The operator says so, and has to take it back.
    Operator,
}

impl State {
    /// Out for `cooldown`, unless checks find it well earlier.
    pub(super) fn ejected(grounds: Grounds, cooldown: Duration, now: Timestamp) -> Self {
        let until = now + cooldown;
        Self::Ejected {
            grounds,
            until,
            cooldown,
        }
    }

    /// Out until what the ejection rests on is well again; time alone does not end it.
    pub(super) const fn ejected_until_well(grounds: Grounds, cooldown: Duration) -> Self {
        Self::Ejected {
            grounds,
            until: Timestamp::NEVER,
            cooldown,
        }
    }

    /// After an event that is not the operator's.
    pub(super) fn when_ejected(
        self,
        event: Event,
        cooldown: Duration,
        slow_start: Duration,
        now: Timestamp,
    ) -> Self {
        match event {
            // It was picked because there was no other, and did well.
            Event::Responded { trial: true } => Self::back(cooldown, slow_start, now),
            Event::HeartbeatsFell => Self::ejected_until_well(Grounds::Heartbeats, cooldown),
            Event::HeartbeatsRose if self.is_missed() => Self::on_probation(cooldown),
            // A backend with missing heartbeats is out for good reason already.
            Event::ChecksFell { responds } if !self.is_missed() => {
                Self::ejected_until_well(Grounds::Checks { responds }, cooldown)
            }
            Event::CheckPassed if self.is_seen_by(1) => Self::on_probation(cooldown),
            Event::ChecksRose if self.is_seen_by(2) => Self::on_probation(cooldown),
            Event::TimePassed if self.ends_at() <= now => Self::on_probation(cooldown),
            Event::Crowded if self.yields_to_load(now) => Self::on_probation(cooldown),
            // Many exchanges fail at once; the first one was evidence enough.
            Event::Responded { trial: false }
            | Event::Unreachable { .. }
            | Event::Inconclusive { .. }
            | Event::TrialFailed
            | Event::Outlier(_)
            | Event::Picked
            | Event::CheckPassed
            | Event::ChecksRose
            | Event::ChecksFell { .. }
            | Event::HeartbeatsRose
            | Event::Crowded
            | Event::TimePassed => self,
            Event::Drain | Event::Depart | Event::Emptied => self,
            Event::Disable | Event::Restore | Event::Remove => self,
            Event::Held | Event::Released => self,
        }
    }

    /// Returns whether it is out because of its heartbeats.
    const fn is_missed(self) -> bool {
        matches!(
            self,
            Self::Ejected {
                grounds: Grounds::Heartbeats,
                ..
            }
        )
    }

    /// Returns whether it is ejected for its responses and has been for as long as a first time.
    /// Longer is for as long as the others can do its work.
    fn yields_to_load(self, now: Timestamp) -> bool {
        match self {
            Self::Ejected {
                grounds: Grounds::Answers,
                until,
                cooldown,
            } => until.since(now) + FIRST_COOLDOWN <= cooldown,
            Self::Ejected { .. } | Self::Initial | Self::Healthy | Self::SlowStart { .. } => false,
            Self::Probation { .. } | Self::Draining | Self::Disabled | Self::Removed => false,
        }
    }

    /// Returns whether it is ejected for its responses, be it for how long.
    pub(in crate::pool) const fn is_out_for_answers(self) -> bool {
        matches!(
            self,
            Self::Ejected {
                grounds: Grounds::Answers,
                ..
            }
        )
    }

    /// Returns whether its ejection ends when a check passes, or when enough have (2).
    const fn is_seen_by(self, passes: u32) -> bool {
        match self {
            Self::Ejected { grounds, .. } => match grounds {
                Grounds::Unreachable => true,
                Grounds::Checks { .. } => passes > 1,
                Grounds::Answers | Grounds::Heartbeats | Grounds::Operator => false,
            },
            Self::Initial | Self::Healthy | Self::SlowStart { .. } | Self::Probation { .. } => {
                false
            }
            Self::Draining | Self::Disabled | Self::Removed => false,
        }
    }
}
