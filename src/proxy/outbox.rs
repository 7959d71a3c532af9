//! Output of a proxy: state changes, messages to other workers, a worker to wake.

use super::worker_message::Message;
use crate::pool::{LimitChange, StateChange};
use std::mem;

/// Kept until the loop takes it, once a turn.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state_changes: Vec<StateChange>,
    limit_changes: Vec<LimitChange>,
    messages: Vec<Message>,
    worker_to_wake: Option<usize>,
}

impl Outbox {
    pub(super) fn state_changes(&mut self, changes: Vec<StateChange>) {
        self.state_changes.extend(changes);
    }

    /// There is one a minute, at most.
    pub(super) fn limit_change(&mut self, change: LimitChange) {
        self.limit_changes.push(change);
    }

    pub(super) const fn has_limit_changes(&self) -> bool {
        !self.limit_changes.is_empty()
    }

    pub(super) fn take_limit_changes(&mut self) -> Vec<LimitChange> {
        mem::take(&mut self.limit_changes)
    }

    pub(super) fn message(&mut self, message: Message) {
        self.messages.push(message);
    }

    pub(super) fn wake(&mut self, worker: Option<usize>) {
        self.worker_to_wake = worker;
    }

    pub(super) const fn has_state_changes(&self) -> bool {
        !self.state_changes.is_empty()
    }

    pub(super) fn take_state_changes(&mut self) -> Vec<StateChange> {
        mem::take(&mut self.state_changes)
    }

    pub(super) fn take_messages(&mut self) -> Vec<Message> {
        mem::take(&mut self.messages)
    }

    pub(super) fn take_worker_to_wake(&mut self) -> Option<usize> {
        self.worker_to_wake.take()
    }
}
