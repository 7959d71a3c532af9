//! What the servers of several workers tell each other.
//!
//! The first worker decides about backends and checks them. What it decides goes to all others;
//! what the others notice goes to the first. How a message gets there is the loop's to know.

use super::Proxy;
use super::network::Network;
use super::retry_budget::RetryBudget;
use crate::pool::{Signal, StateChange};
use crate::shared::QueueMember;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// From the first worker to all others, or from another to the first.
#[derive(Clone, Debug)]
pub enum Message {
    /// To the first: something was noticed of a backend.
    Noticed(Signal),
    /// To the first: a backend keeps an exchange waiting for so long that it is to be checked.
    Suspected(BackendId, Duration),
    /// To the others: a check has met silence, which is no news, but may catch up with somebody.
    Silent(BackendId),
    /// To the others: a backend has come to another state.
    Changed(StateChange),
    /// To the others: a backend has another share.
    Weighed(BackendId, u32),
}

impl<N: Network> Proxy<N> {
    /// Makes its queue part of a line over several workers, and its retry budget one of several.
    /// Nobody may wait yet.
    pub fn share_queue(&mut self, line: QueueMember) {
        self.retry_budget = RetryBudget::among(line.workers());
        self.queue.share(line);
    }

    /// Takes what is to be told: by the first worker to all others, by another to the first.
    pub fn take_messages(&mut self) -> Vec<Message> {
        let signals = self.pool.take_signals();
        self.messages
            .extend(signals.into_iter().map(Message::Noticed));
        mem::take(&mut self.messages)
    }

    /// The worker that is to be woken, because there is a place for somebody who waits there.
    pub fn take_call(&mut self) -> Option<usize> {
        self.call.take()
    }

    /// Another worker has told something.
    pub fn receive(&mut self, message: Message, now: Timestamp) {
        match message {
            Message::Noticed(signal) => self.pool.notice(signal, now),
            Message::Suspected(backend, waited) => self.suspect(backend, waited, now),
            Message::Silent(backend) => self.redispatch_waiting(backend, now),
            Message::Changed(change) => {
                self.pool.adopt(&change, now);
                self.follow(&change, now);
            }
            Message::Weighed(backend, weight) => {
                self.pool.set_weight(backend, weight, now);
            }
        }
    }

    /// Keeps a message for the other workers.
    pub(super) fn tell_others(&mut self, message: Message) {
        if self.pool.is_shared() {
            self.messages.push(message);
        }
    }
}
