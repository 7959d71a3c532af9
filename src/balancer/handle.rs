//! A balancer as other threads reach it: watched, told, stopped.
//!
//! Everything is a command that a loop takes in its own time. Of several workers the first knows
//! the lives of the backends and obeys the operator; the others hear of it from there. What is
//! asked of a balancer that has ended finds nobody, and is answered so.

use crate::heartbeat::HeartbeatEvent;
use crate::pool::StateChange;
use crate::proxy::AdminCommand;
use crate::telemetry::{Snapshot, Stall};
use crate::worker::{Command, Mailbox};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};

/// Changes that wait for whoever asked to be told of them.
const WAITING_CHANGES: usize = 4096;
/// Notices that do.
const WAITING_NOTICES: usize = 256;
/// Stalls that wait for whoever asked to be told of them.
const WAITING_STALLS: usize = 64;

/// Reaches a balancer from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Of the workers.
    pub(super) mailboxes: Arc<[Mailbox]>,
}

impl Handle {
    /// Tells the balancer to stop: it accepts no more, finishes what is open within the shutdown
    /// timeout, and ends. Returns at once.
    pub fn stop(&self) {
        for worker in self.mailboxes.iter() {
            worker.post(Command::Stop);
        }
    }

    /// How the balancer is; `None` if it has ended.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let others = self.mailboxes.get(1..).unwrap_or_default();
        // All are asked before the first is waited for.
        let ask = |worker: &Mailbox| {
            let (sender, reply) = channel();
            worker.post(Command::Report(sender));
            reply
        };
        let replies: Vec<_> = others.iter().map(ask).collect();
        let reports = replies
            .iter()
            .filter_map(|reply| reply.recv().ok())
            .collect();
        let (sender, reply) = channel();
        self.tell_first(Command::Snapshot(reports, sender));
        reply.recv().ok()
    }

    /// What changes in the lives of backends from now on. Ends when the balancer does. Up to
    /// 4,096 changes wait to be received; when more do, the next that is delivered tells how
    /// many were [missed](StateChange::missed).
    #[must_use]
    pub fn events(&self) -> Receiver<StateChange> {
        let (sender, receiver) = sync_channel(WAITING_CHANGES);
        self.tell_first(Command::Tell(sender));
        receiver
    }

    /// What people should know of heartbeats from now on: whose come, and which are refused and
    /// why. Ends when the balancer does. Up to 256 heartbeat_events wait to be received, others are missed.
    #[must_use]
    pub fn heartbeat_events(&self) -> Receiver<HeartbeatEvent> {
        let (sender, receiver) = sync_channel(WAITING_NOTICES);
        self.tell_first(Command::Notify(sender));
        receiver
    }

    /// The turns of the workers' loops that take too long (50 ms or more) from now on, and what
    /// they went to. Ends when the balancer does. Up to 64 wait to be received; what comes then is
    /// only counted, in [`TurnTimes::stalls`](crate::telemetry::TurnTimes::stalls).
    #[must_use]
    pub fn stalls(&self) -> Receiver<Stall> {
        let (sender, receiver) = sync_channel(WAITING_STALLS);
        for worker in self.mailboxes.iter() {
            worker.post(Command::TellStalls(sender.clone()));
        }
        receiver
    }

    /// Gives a backend nothing new and lets it finish what it has; a change to `disabled` tells
    /// when it has. Clients bound to it by a cookie get `Connection: close` with its last answer to
    /// them, and are bound to another when they are back. `backend` is its address as it was given.
    /// Returns whether there is one.
    pub fn drain(&self, backend: &str) -> bool {
        self.order(backend, AdminCommand::Drain)
    }

    /// Takes a drained backend back: one exchange at a time first, then a growing share. Returns
    /// whether there is one.
    pub fn undrain(&self, backend: &str) -> bool {
        self.order(backend, AdminCommand::Enable)
    }

    /// Takes a backend out at once; what is in flight there is finished, and then it is not
    /// checked any more. Returns whether there is one.
    pub fn disable(&self, backend: &str) -> bool {
        self.order(backend, AdminCommand::Disable)
    }

    /// Takes a disabled backend back, as [`undrain`](Self::undrain) does.
    pub fn enable(&self, backend: &str) -> bool {
        self.order(backend, AdminCommand::Enable)
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is one.
    pub fn set_weight(&self, backend: &str, weight: u32) -> bool {
        self.order(backend, AdminCommand::Weight(weight))
    }

    fn order(&self, backend: &str, order: AdminCommand) -> bool {
        let (sender, reply) = channel();
        self.tell_first(Command::Admin(backend.to_owned(), order, sender));
        reply.recv().unwrap_or(false)
    }

    fn tell_first(&self, command: Command) {
        if let Some(first) = self.mailboxes.first() {
            first.post(command);
        }
    }
}
