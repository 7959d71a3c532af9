//! What the operator says about backends, and what follows from every change in their lives.

use super::network::Network;
use super::{Message, Proxy};
use crate::pool::{State, StateChange};
use crate::time::Timestamp;
use std::mem;

/// What the operator wants of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminCommand {
    /// Finish what it has, get nothing new.
    Drain,
    /// Get nothing new from now on.
    Disable,
    /// Take part again, after [`Drain`](Self::Drain) or [`Disable`](Self::Disable).
    Enable,
    /// Get another share, 1 to 256.
    Weight(u32),
}

impl<N: Network> Proxy<N> {
    /// Does what the operator says of the backend called `name`. Returns whether there is one.
    pub fn order(&mut self, name: &str, order: AdminCommand, now: Timestamp) -> bool {
        let Some(backend) = self.pool.find(name) else {
            return false;
        };
        match order {
            AdminCommand::Drain => self.pool.drain(backend, now),
            AdminCommand::Disable => self.pool.disable(backend, now),
            AdminCommand::Enable => self.pool.undrain(backend, now),
            AdminCommand::Weight(weight) => {
                self.tell_others(Message::Weighed(backend, weight));
                self.pool.set_weight(backend, weight, now)
            }
        }
    }

    /// Whether anything has changed in the lives of backends, or people should know of heartbeats.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.changes.is_empty() || self.has_heartbeat_events()
    }

    /// Takes what has changed in the lives of backends since the last time.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        mem::take(&mut self.changes)
    }

    /// Does what follows from changes: who is out loses its idle links, and who is silent the
    /// exchanges that wait for it. Returns whether there were any.
    pub(super) fn follow_changes(&mut self, now: Timestamp) -> bool {
        let changes = self.pool.take_changes();
        if changes.is_empty() {
            return false;
        }
        for change in &changes {
            self.follow(change, now);
            self.tell_others(Message::Changed(change.clone()));
        }
        self.changes.extend(changes);
        true
    }

    /// The same for one change.
    pub(super) fn follow(&mut self, change: &StateChange, now: Timestamp) {
        if change.cause.is_silence() {
            self.redispatch_waiting(change.backend, now);
        }
        match change.to {
            State::Ejected { .. } | State::Draining | State::Disabled | State::Removed => {
                for link in self.idle.of(change.backend) {
                    self.close_link(link);
                }
            }
            State::Initial | State::Healthy => {}
            State::Probation { .. } | State::SlowStart { .. } => {}
        }
    }
}
