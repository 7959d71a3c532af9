//! What the operator says about backends, and what follows from every change in their lives.

use super::network::Network;
use super::{Message, Server};
use crate::time::Timestamp;
use crate::upstream::{State, StateChange};
use std::mem;

/// What the operator wants of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Finish what it has, get nothing new.
    Drain,
    /// Get nothing new from now on.
    Disable,
    /// Take part again, after [`Drain`](Self::Drain) or [`Disable`](Self::Disable).
    Enable,
    /// Get another share, 1 to 256.
    Weight(u32),
}

impl<N: Network> Server<N> {
    /// Does what the operator says of the backend called `name`. Returns whether there is one.
    pub fn order(&mut self, name: &str, order: Order, now: Timestamp) -> bool {
        let Some(backend) = self.upstream.find(name) else {
            return false;
        };
        match order {
            Order::Drain => self.upstream.drain(backend, now),
            Order::Disable => self.upstream.disable(backend, now),
            Order::Enable => self.upstream.undrain(backend, now),
            Order::Weight(weight) => {
                self.tell_others(Message::Weighed(backend, weight));
                self.upstream.set_weight(backend, weight, now)
            }
        }
    }

    /// Whether anything has changed in the lives of backends, or people should know of heartbeats.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.changes.is_empty() || self.has_notices()
    }

    /// Takes what has changed in the lives of backends since the last time.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        mem::take(&mut self.changes)
    }

    /// Does what follows from changes: who is out loses its idle links, and who is silent the
    /// exchanges that wait for it. Returns whether there were any.
    pub(super) fn follow_changes(&mut self, now: Timestamp) -> bool {
        let changes = self.upstream.take_changes();
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
            self.rescue(change.backend, now);
        }
        match change.to {
            State::Ejected { .. } | State::Draining | State::Disabled | State::Gone => {
                for link in self.idle.of(change.backend) {
                    self.close_link(link);
                }
            }
            State::Joining | State::Healthy => {}
            State::Probation { .. } | State::Warming { .. } => {}
        }
    }
}
