//! How a loop is reached from other threads: by commands that it takes in its own time.

use super::report::WorkerReport;
use crate::heartbeat::HeartbeatEvent;
use crate::net::Accepted;
use crate::pool::StateChange;
use crate::proxy::{AdminCommand, Message};
use crate::telemetry::{Snapshot, Stall};
use mio::Waker;
use std::sync::mpsc::{Sender, SyncSender};

/// What a loop can be asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// Stop accepting, finish, return.
    Stop,
    /// Say what was counted, to be added by the first worker.
    Report(Sender<WorkerReport>),
    /// Say how all workers are, these being the reports of the others. For the first.
    Snapshot(Vec<WorkerReport>, Sender<Snapshot>),
    /// Tell of every change in the life of a backend from now on. For the first.
    Tell(SyncSender<StateChange>),
    /// Tell what people should know of heartbeats from now on. For the first.
    Notify(SyncSender<HeartbeatEvent>),
    /// Tell of every turn that takes too long from now on.
    TellStalls(SyncSender<Stall>),
    /// Do what the operator says of the backend of this name; say whether there is one. For the
    /// first.
    Admin(String, AdminCommand, Sender<bool>),
    /// Serve a connection that another worker has accepted.
    Serve(Accepted),
    /// Another worker has told something.
    Receive(Message),
}

/// Where a loop is told.
#[derive(Debug)]
pub(crate) struct Mailbox {
    commands: Sender<Command>,
    waker: Waker,
}

impl Mailbox {
    /// The mailbox of the loop that has the other end of `commands`.
    pub(crate) fn new(commands: Sender<Command>, waker: Waker) -> Self {
        Self { commands, waker }
    }

    /// Tells the loop, and wakes it. Nobody is told if it has ended.
    pub(crate) fn post(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.wake();
        }
    }

    /// Wakes the loop for what it can find out itself.
    pub(crate) fn wake(&self) {
        // Fails only if the system has no memory for eight bytes; then the next one who wakes it does.
        let _ = self.waker.wake();
    }
}
