//! Queries of a [`State`], and what each state means to pool, strategy and log.

use super::{Grounds, State};
use crate::time::Timestamp;

impl State {
    /// The state in one word, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Ejected { .. } => "ejected",
            Self::Probation { .. } => "probation",
            Self::SlowStart { .. } => "slow-start",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
        }
    }

    /// Returns whether it may be picked.
    pub(in crate::pool) const fn pickable(self) -> bool {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => true,
            Self::Probation { trial, .. } => !trial,
            Self::Ejected { .. } | Self::Draining | Self::Disabled | Self::Removed => false,
        }
    }

    /// Returns whether it is known to respond, well or badly. Such a backend is picked in need
    /// before one that does not.
    pub(in crate::pool) const fn responds(self) -> bool {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } | Self::Probation { .. } => true,
            Self::Ejected { grounds, .. } => match grounds {
                Grounds::Answers => true,
                Grounds::Checks { responds } => responds,
                Grounds::Unreachable | Grounds::Heartbeats | Grounds::Operator => false,
            },
            Self::Draining | Self::Disabled | Self::Removed => false,
        }
    }

    /// Returns whether the operator wants it to take part. If no backend may be picked, such a one
    /// is: it is out because of measurements.
    pub(in crate::pool) const fn is_member(self) -> bool {
        match self {
            Self::Initial | Self::Healthy | Self::SlowStart { .. } => true,
            Self::Ejected { .. } | Self::Probation { .. } => true,
            Self::Draining | Self::Disabled | Self::Removed => false,
        }
    }

    /// Returns whether it is ejected, or was and has not responded since.
    #[must_use]
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Ejected { .. } | Self::Probation { .. })
    }

    /// Returns whether an exchange dispatched now decides about its return. One that is dispatched
    /// to an ejected backend because there is no other does.
    pub(in crate::pool) const fn awaits_trial(self) -> bool {
        matches!(
            self,
            Self::Probation { trial: false, .. } | Self::Ejected { .. }
        )
    }

    /// Returns when time alone changes it; [`Timestamp::NEVER`] if it does not.
    pub(in crate::pool) const fn ends_at(self) -> Timestamp {
        match self {
            Self::Ejected { until, .. } | Self::SlowStart { until, .. } => until,
            Self::Initial | Self::Healthy | Self::Probation { .. } => Timestamp::NEVER,
            Self::Draining | Self::Disabled | Self::Removed => Timestamp::NEVER,
        }
    }
}
