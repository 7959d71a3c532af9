//! Events of a monitor, and the line for each.

use super::TargetState;
use crate::config::HumanDuration;
use crate::health::CheckFailure;
use crate::telemetry::{WallTime, span};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// An event, with its time and target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorEvent {
    /// Time since the Unix epoch.
    pub wall: Duration,
    /// Which target, by the name the user gave it.
    pub target: Arc<str>,
    /// The event.
    pub kind: TargetEvent,
}

/// Something happened to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetEvent {
    /// A check passed.
    Passed {
        /// Which check of this target, from 1.
        check: u64,
        /// Response time.
        took: Duration,
    },
    /// A check failed.
    Failed {
        /// Which check of this target, from 1.
        check: u64,
        /// The failure.
        reason: CheckFailure,
    },
    /// The target is up for the first time.
    Up,
    /// The target is down.
    Down {
        /// Failure of the last check.
        reason: CheckFailure,
        /// Failures in a row.
        count: u32,
        /// From the start of the first of them to the end of the last.
        within: Duration,
    },
    /// The target is up again.
    Back {
        /// From the start of the first check that failed.
        after: Duration,
    },
}

impl TargetEvent {
    /// The new state of the target, if the event changes it.
    #[must_use]
    pub const fn new_state(&self) -> Option<TargetState> {
        match self {
            Self::Passed { .. } | Self::Failed { .. } => None,
            Self::Up | Self::Back { .. } => Some(TargetState::Up),
            Self::Down { .. } => Some(TargetState::Down),
        }
    }
}

/// As in `2026-11-21T08:00:00.123Z 10.0.0.7 is down: no response in time (3 in a row, 1.52 s)`.
impl Display for MonitorEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut time = WallTime::default();
        let time = time.format(self.wall);
        write!(f, "{time} {} {}", self.target, self.kind)
    }
}

impl Display for TargetEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed { check, took } => write!(f, "check {check}: {}", span(*took)),
            Self::Failed { check, reason } => write!(f, "check {check}: {reason}"),
            Self::Up => write!(f, "is up"),
            Self::Down {
                reason,
                count,
                within,
            } => write!(f, "is down: {reason} ({count} in a row, {})", span(*within)),
            Self::Back { after } => write!(f, "is up again, after {}", rounded(*after)),
        }
    }
}

/// To the second, if it took many.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        0..60 => span(time),
        seconds => HumanDuration(Duration::from_secs(seconds)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_one_line() {
        let line = |kind| {
            let event = MonitorEvent {
                wall: Duration::from_millis(1_795_248_000_123),
                target: "10.0.0.7".into(),
                kind,
            };
            event.to_string()
        };
        let took = Duration::from_micros(1_234);
        let reason = CheckFailure::Timeout;
        for (news, expected) in [
            (TargetEvent::Passed { check: 1, took }, "check 1: 1.23 ms"),
            (
                TargetEvent::Failed { check: 2, reason },
                "check 2: no response in time",
            ),
            (TargetEvent::Up, "is up"),
            (
                TargetEvent::Down {
                    reason,
                    count: 3,
                    within: Duration::from_millis(1_520),
                },
                "is down: no response in time (3 in a row, 1.52 s)",
            ),
            (
                TargetEvent::Back {
                    after: Duration::from_millis(2_500),
                },
                "is up again, after 2.50 s",
            ),
        ] {
            let expected = format!("2026-11-21T08:00:00.123Z 10.0.0.7 {expected}");
            assert_eq!(line(news), expected);
        }
        assert_eq!(rounded(Duration::from_millis(61_900)), "61s");
    }
}
