//! What a loop has to do with those of the other workers, if there are any.
//!
//! It carries what the servers tell each other, hands connections on, and counts them. Alone, a
//! loop has none of this.

use super::mailbox::{Command, Mailbox};
use crate::net::Accepted;
use crate::proxy::Message;
use crate::shared::ConnectionLimit;
use std::sync::Arc;

/// The other workers, as one of them sees them.
#[derive(Debug)]
pub(crate) struct OtherWorkers {
    /// Which worker this is.
    worker: usize,
    /// Of all workers.
    mailboxes: Arc<[Mailbox]>,
    connection_limit: Arc<ConnectionLimit>,
    /// Connections that counted here and are closed, of those this worker was to serve.
    closed: usize,
    /// Connections this worker was to serve.
    served: usize,
}

impl OtherWorkers {
    /// Those of the worker with this number.
    pub(crate) fn of(
        worker: usize,
        mailboxes: Arc<[Mailbox]>,
        connection_limit: Arc<ConnectionLimit>,
    ) -> Self {
        Self {
            worker,
            mailboxes,
            connection_limit,
            closed: 0,
            served: 0,
        }
    }

    /// Whether one more connection may be opened; if not, the loop will be woken when it may.
    pub(super) fn has_room(&self) -> bool {
        self.connection_limit.has_room(self.worker)
    }

    /// Counts a connection that is about to be accepted, if one more may be open.
    pub(super) fn reserve(&self) -> bool {
        self.connection_limit.reserve()
    }

    /// None came.
    pub(super) fn release(&self) {
        let waiting = self.connection_limit.released(1);
        self.wake(waiting.filter(|worker| *worker != self.worker));
    }

    /// Decides who serves a connection. Returns it if it is this worker.
    pub(super) fn hand_on(&mut self, accepted: Accepted) -> Option<Accepted> {
        let worker = self.connection_limit.place(self.worker);
        if worker == self.worker {
            self.served += 1;
            return Some(accepted);
        }
        if let Some(mailbox) = self.mailboxes.get(worker) {
            mailbox.post(Command::Serve(accepted));
        }
        None
    }

    /// Another worker has handed a connection on.
    pub(super) fn taken_over(&mut self) {
        self.served += 1;
    }

    /// Ends a turn, after which `open` connections are open here: counts those that were closed.
    pub(super) fn count(&mut self, open: usize) {
        let closed = self.served - open;
        let newly = closed - self.closed;
        if newly > 0 {
            self.closed = closed;
            self.wake(self.connection_limit.closed(self.worker, newly));
        }
    }

    /// Passes on what the server has to tell: the first tells all others, the others the first.
    pub(super) fn tell(&self, messages: Vec<Message>) {
        for message in messages {
            let to = match self.worker {
                0 => self.mailboxes.get(1..),
                _ => self.mailboxes.get(..1),
            };
            for mailbox in to.unwrap_or_default() {
                mailbox.post(Command::Receive(message.clone()));
            }
        }
    }

    /// Wakes other workers.
    pub(super) fn wake(&self, workers: impl IntoIterator<Item = usize>) {
        for worker in workers {
            if let Some(mailbox) = self.mailboxes.get(worker) {
                mailbox.wake();
            }
        }
    }
}
