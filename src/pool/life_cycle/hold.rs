//! The operator's word on how well a backend is, above everything that is measured.
//!
//! It is laid over the state that an event leads to, so that no measurement has to know of it.
//! Draining and disabling go before it: they are about whether a backend is to take part at all.

use super::{FIRST_COOLDOWN, Grounds, State};
use serde::{Deserialize, Serialize};

/// How well a backend is, whatever is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// It takes part in full, whatever checks and responses say.
    Up,
    /// It is ejected, and tried only if every backend is.
    Down,
}

impl Hold {
    /// The state of a backend that measurements would put into `state`.
    pub(in crate::pool) const fn over(self, state: State) -> State {
        match (self, state) {
            (_, State::Draining | State::Disabled | State::Removed) => state,
            (Self::Up, State::Initial | State::Healthy) => state,
            (Self::Up, State::Ejected { .. } | State::Probation { .. }) => State::Healthy,
            (Self::Up, State::SlowStart { .. }) => State::Healthy,
            (Self::Down, _) => State::ejected_until_well(Grounds::Operator, FIRST_COOLDOWN),
        }
    }
}

impl State {
    /// After the operator has left it to measurements again: one that was held down is tried.
    pub(super) const fn released(self) -> Self {
        match self {
            Self::Ejected {
                grounds: Grounds::Operator,
                ..
            } => Self::on_probation(FIRST_COOLDOWN),
            _ => self,
        }
    }
}
