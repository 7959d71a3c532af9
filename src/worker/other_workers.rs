//! The other workers, as a loop sees them. A loop that is alone has none of this.
//!
//! Carries messages about backends, hands connections on, and counts connections against the limit
//! over all workers.

use super::mailbox::{Mailbox, WorkerMessage};
use super::outbox::Outbox;
use super::report::{Question, WorkerReport};
use crate::net::Accepted;
use crate::proxy::Message;
use crate::shared::ConnectionLimit;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;

/// The other workers, as one of them sees them.
#[derive(Debug)]
pub(crate) struct OtherWorkers {
    /// The number of this worker.
    worker: usize,
    /// Of all workers.
    mailboxes: Arc<[Mailbox]>,
    /// Messages that each worker was sent and has not taken yet. The first sends to all others,
    /// the others to the first.
    outboxes: Vec<Outbox>,
    /// A report that the first has no room for yet.
    unsent_report: Option<WorkerMessage>,
    connection_limit: Arc<ConnectionLimit>,
    /// Connections this worker was to serve.
    served: usize,
    /// Those of them that are closed.
    closed: usize,
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
            outboxes: mailboxes.iter().map(|_| Outbox::default()).collect(),
            mailboxes,
            unsent_report: None,
            connection_limit,
            served: 0,
            closed: 0,
        }
    }

    /// Returns whether one more connection may be opened; if not, the loop will be woken when it
    /// may.
    pub(super) fn has_room(&self) -> bool {
        self.connection_limit.has_room(self.worker)
    }

    /// Counts a connection that is about to be accepted, if one more may be open.
    pub(super) fn reserve(&self) -> bool {
        self.connection_limit.reserve()
    }

    /// Gives back what [`reserve`](Self::reserve) took: no connection came.
    pub(super) fn release(&self) {
        let waiting = self.connection_limit.released(1);
        self.wake(waiting.filter(|worker| *worker != self.worker));
    }

    /// Decides which worker serves a connection, and sends it there. Returns it if that is this
    /// worker, or the other has no room for the message.
    pub(super) fn hand_on(&mut self, accepted: Accepted) -> Option<Accepted> {
        let worker = self.connection_limit.place(self.worker);
        let accepted = match self.mailboxes.get(worker) {
            Some(other) if worker != self.worker => {
                match other.try_send(WorkerMessage::Serve(accepted)) {
                    Ok(()) => {
                        other.wake();
                        return None;
                    }
                    Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                        self.connection_limit.keep(worker, self.worker);
                        match message {
                            WorkerMessage::Serve(accepted) => accepted,
                            WorkerMessage::Backend(_)
                            | WorkerMessage::AskReport(_)
                            | WorkerMessage::Report(_) => return None,
                        }
                    }
                }
            }
            Some(_) | None => accepted,
        };
        self.served += 1;
        Some(accepted)
    }

    /// Another worker has handed a connection on.
    pub(super) fn taken_over(&mut self) {
        self.served += 1;
    }

    /// Ends a turn, after which `open` connections are open here: counts those that were closed.
    pub(super) fn count_closed(&mut self, open: usize) {
        let closed = self.served - open;
        let newly = closed - self.closed;
        if newly > 0 {
            self.closed = closed;
            self.wake(self.connection_limit.closed(self.worker, newly));
        }
    }

    /// How many others there are.
    pub(super) fn count(&self) -> usize {
        self.mailboxes.len().saturating_sub(1)
    }

    /// Asks another worker for what it has counted. Returns whether it had room for the question.
    pub(super) fn ask_report(&self, worker: usize, ticket: u64, question: &Question) -> bool {
        let Some(other) = self.mailboxes.get(worker) else {
            return true;
        };
        let is_asked = other
            .try_send(WorkerMessage::AskReport(Box::new((
                ticket,
                question.clone(),
            ))))
            .is_ok();
        other.wake();
        is_asked
    }

    /// Sends the first worker what this one has counted. A report it has no room for waits, and the
    /// next replaces it.
    pub(super) fn report(&mut self, ticket: u64, report: WorkerReport) {
        self.unsent_report = Some(WorkerMessage::Report(Box::new((ticket, report))));
        self.send_report();
    }

    fn send_report(&mut self) {
        if let Some(report) = self.unsent_report.take()
            && let Some(first) = self.mailboxes.first()
        {
            match first.try_send(report) {
                Ok(()) => first.wake(),
                Err(TrySendError::Full(report)) => self.unsent_report = Some(report),
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }

    /// Sends messages about backends: the first worker to all others, the others to the first.
    /// What a worker has no room for waits for the next turn.
    pub(super) fn send(&mut self, messages: Vec<Message>) {
        self.send_report();
        let to = match self.worker {
            0 => 1..self.mailboxes.len(),
            _ => 0..1,
        };
        let mailboxes = self.mailboxes.get(to.clone()).unwrap_or_default();
        let outboxes = self.outboxes.get_mut(to).unwrap_or_default();
        for (mailbox, outbox) in mailboxes.iter().zip(outboxes) {
            if !outbox.is_empty() {
                outbox.flush(mailbox);
            }
            let mut has_sent = false;
            for message in &messages {
                has_sent |= outbox.send(message.clone(), mailbox);
            }
            if has_sent {
                mailbox.wake();
            }
        }
    }

    /// Returns whether messages wait for a worker that had no room for them.
    pub(super) fn has_unsent(&self) -> bool {
        self.unsent_report.is_some() || self.outboxes.iter().any(|outbox| !outbox.is_empty())
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
