//! Messages to one other worker that its queue had no room for.
//!
//! The newest message about a backend replaces the older ones it makes obsolete, so an outbox
//! holds a few for each backend at most, however long the other worker does not read, and none is
//! lost that still matters. It never waits: what is not taken is sent again in a later turn.

use super::mailbox::{Mailbox, WorkerMessage};
use crate::proxy::Message;
use std::collections::VecDeque;
use std::sync::mpsc::TrySendError;

/// Messages that wait to be sent, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Box<Message>>,
}

impl Outbox {
    /// Sends a message, or keeps it if `to` has no room. Returns whether it was sent: `to` is not
    /// woken.
    pub(super) fn send(&mut self, message: Message, to: &Mailbox) -> bool {
        if !self.waiting.is_empty() {
            self.push(message);
            return false;
        }
        match to.try_send(WorkerMessage::Backend(Box::new(message))) {
            Ok(()) => true,
            Err(TrySendError::Full(WorkerMessage::Backend(message))) => {
                self.waiting.push_back(message);
                false
            }
            // It has ended, and all with it.
            Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => false,
        }
    }

    /// Adds a message.
    fn push(&mut self, message: Message) {
        self.waiting.retain(|older| !message.supersedes(older));
        self.waiting.push_back(Box::new(message));
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends as much as `to` has room for, and wakes it if that was anything.
    pub(super) fn flush(&mut self, to: &Mailbox) {
        let mut has_sent = false;
        while let Some(message) = self.waiting.pop_front() {
            match to.try_send(WorkerMessage::Backend(message)) {
                Ok(()) => has_sent = true,
                Err(TrySendError::Full(WorkerMessage::Backend(message))) => {
                    self.waiting.push_front(message);
                    break;
                }
                // It has ended, and all with it.
                Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => {
                    self.waiting.clear();
                    break;
                }
            }
        }
        if has_sent {
            to.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::events;
    use crate::pool::{Cause, PoolId, State, StateChange};
    use crate::strategy::BackendId;
    use crate::time::Timestamp;
    use crate::worker::mailbox::{Inbox, mailbox};
    use std::time::Duration;

    fn change(slot: u16, to: State, cause: Cause) -> Message {
        Message::Changed(
            PoolId::FIRST,
            StateChange {
                at: Timestamp::ZERO,
                backend: BackendId::new(slot, 0),
                name: format!("s{slot}"),
                from: State::Initial,
                to,
                cause,
                leaves_none: false,
                missed: 0,
            },
        )
    }

    fn ejected() -> State {
        State::Ejected {
            grounds: crate::pool::Grounds::Checks { responds: false },
            until: Timestamp::NEVER,
            cooldown: Duration::ZERO,
        }
    }

    /// The state and cause of the changes of the backend in `slot` that were received.
    fn received(inbox: &Inbox, slot: u16) -> Vec<String> {
        let changes = std::iter::from_fn(|| inbox.message());
        changes
            .filter_map(|message| match message {
                WorkerMessage::Backend(message) => match *message {
                    Message::Changed(_, change) => Some(change),
                    _ => None,
                },
                WorkerMessage::Serve(_)
                | WorkerMessage::AskReport(_)
                | WorkerMessage::Report(_) => None,
            })
            .filter(|change| change.backend.slot() == usize::from(slot))
            .map(|change| format!("{}: {}", change.to.word(), change.cause))
            .collect()
    }

    #[test]
    fn a_worker_that_does_not_read_costs_a_few_messages_a_backend_and_misses_no_state() {
        let (_poll, waker) = events().unwrap();
        let (mailbox, inbox) = mailbox(waker);
        let mut outbox = Outbox::default();
        let silent = Cause::Silent {
            waited: Duration::ZERO,
        };
        outbox.push(change(7, ejected(), silent));
        for round in 0..20_000_u16 {
            let slot = round % 8;
            outbox.push(change(slot, ejected(), Cause::TrialFailed));
            outbox.push(change(slot, State::Healthy, Cause::Responded));
            outbox.push(Message::Silent(PoolId::FIRST, BackendId::new(slot, 0)));
            outbox.push(Message::Weighed(
                PoolId::FIRST,
                BackendId::new(slot, 0),
                u32::from(round % 256),
            ));
            outbox.flush(&mailbox);
            assert!(outbox.waiting.len() <= 8 * 5, "{}", outbox.waiting.len());
        }
        outbox.push(change(7, State::Disabled, Cause::Operator));
        // What the queue held, then what had waited.
        let early = received(&inbox, 7);
        assert!(
            early
                .first()
                .is_some_and(|first| first.starts_with("ejected"))
        );
        outbox.flush(&mailbox);
        let late = received(&inbox, 7);
        assert!(outbox.is_empty());
        let (last, before) = late.split_last().unwrap();
        assert_eq!(last, "disabled: by the operator");
        assert_eq!(
            before.len(),
            2,
            "the newest change to each state: {before:?}"
        );
    }

    #[test]
    fn an_ejection_for_silence_is_not_replaced_by_another() {
        let mut outbox = Outbox::default();
        let silent = Cause::Silent {
            waited: Duration::ZERO,
        };
        outbox.push(change(1, ejected(), silent));
        outbox.push(change(1, State::Healthy, Cause::Responded));
        outbox.push(change(1, ejected(), Cause::TrialFailed));
        outbox.push(change(1, ejected(), Cause::TrialFailed));
        assert_eq!(outbox.waiting.len(), 3);
    }

    #[test]
    fn message_to_an_ended_worker_is_dropped() {
        let (_poll, waker) = events().unwrap();
        let (mailbox, inbox) = mailbox(waker);
        drop(inbox);
        let mut outbox = Outbox::default();
        outbox.push(Message::Silent(PoolId::FIRST, BackendId::new(1, 0)));
        outbox.flush(&mailbox);
        assert!(outbox.is_empty());
    }
}
