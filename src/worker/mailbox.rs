//! Reaches a loop from other threads: commands of a [`Handle`](crate::Handle), messages of other
//! workers, and the order to stop.
//!
//! Everything is bounded, and sending never waits, so a loop can send. What does not fit comes
//! back to its sender: a handle reports that the balancer is busy, and a worker keeps its messages
//! in an [`Outbox`](super::outbox::Outbox) and serves the connection itself. Stopping is a flag, so
//! it always gets through.

use super::reload::{Leftovers, ReloadAnswer, WorkerReload};
use super::report::{Question, WorkerReport};
use crate::discovery::{Change, Outcome};
use crate::heartbeat::HeartbeatEvent;
use crate::ids::PoolId;
use crate::net::{Accepted, SharedSocket};
use crate::pool::{LimitChange, NewBackend, NotAdded, StateChange};
use crate::proxy::{AdminCommand, BackendRef, Message};
use crate::strategy::BackendId;
use crate::telemetry::{Snapshot, Stall};
use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};

/// Commands that wait for a loop at most.
const MAX_COMMANDS: usize = 256;
/// Messages of other workers that wait for a loop at most.
const MAX_MESSAGES: usize = 1024;

/// A request of a [`Handle`](crate::Handle) to a loop. Replies are lost if the handle has gone.
#[derive(Debug)]
pub(crate) enum Command {
    /// Reports what was counted, for the first worker to add.
    Report(Sender<WorkerReport>),
    /// Adds the reports of the other workers to a snapshot. For the first.
    Snapshot(Vec<WorkerReport>, Sender<Snapshot>),
    /// Subscribes to changes of state of the backends. For the first.
    SubscribeChanges(SyncSender<StateChange>),
    /// Subscribes to events of heartbeats. For the first.
    SubscribeHeartbeats(SyncSender<HeartbeatEvent>),
    /// Subscribes to changes of learned limits. For the first.
    SubscribeLimits(SyncSender<LimitChange>),
    /// Subscribes to turns that take too long.
    SubscribeStalls(SyncSender<Stall>),
    /// Executes an admin command; replies with the id of the backend, if there is one. For the
    /// first.
    Admin(BackendRef, AdminCommand, Sender<Option<BackendId>>),
    /// Goes on with another configuration; replies with what did not go as it should.
    Reload(Box<WorkerReload>, Sender<Vec<String>>),
    /// A reload has ended, which was asked for on this connection of the admin interface. For the
    /// first.
    ReloadEnded(Option<u64>, Box<ReloadAnswer>),
    /// Counts the exchanges in each of these pools.
    CountExchanges(Vec<PoolId>, Sender<Vec<usize>>),
    /// Shares its listening sockets, for another process.
    ShareSockets(Sender<io::Result<Vec<SharedSocket>>>),
    /// Lets go of what nothing refers to any more.
    LetGo(Box<Leftovers>, Sender<()>),
    /// Adds a backend to a pool; replies with its id. For the first.
    Add(PoolRef, Box<NewBackend>, Sender<Added>),
    /// Makes a change that discovery has planned, of the backend with this name; replies with what
    /// became of it. For the first.
    Discovered(PoolId, Box<Change>, Sender<Outcome>),
}

/// The id of an added backend, or the reason why it was not added; `None`: there is no such pool.
pub(crate) type Added = Option<Result<BackendId, NotAdded>>;

/// Names a pool.
#[derive(Clone, Debug)]
pub(crate) enum PoolRef {
    Id(PoolId),
    Name(String),
}

/// A message from one worker to another.
#[derive(Debug)]
pub(crate) enum WorkerMessage {
    /// A connection to serve, which the sender has accepted.
    Serve(Accepted),
    /// News of a backend.
    Backend(Box<Message>),
    /// To another: asks for what it has counted, under this number.
    AskReport(Box<(u64, Question)>),
    /// To the first: what a worker has counted.
    Report(Box<(u64, WorkerReport)>),
}

/// The reason why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// [`MAX_COMMANDS`] wait already.
    Full,
    /// The loop has ended.
    Ended,
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Mailbox {
    commands: SyncSender<Command>,
    messages: SyncSender<WorkerMessage>,
    stop: Arc<AtomicBool>,
    waker: Waker,
}

/// The receiving end, which the loop owns.
#[derive(Debug)]
pub(crate) struct Inbox {
    commands: Receiver<Command>,
    messages: Receiver<WorkerMessage>,
    stop: Arc<AtomicBool>,
}

/// Both ends for a loop that `waker` wakes.
pub(crate) fn mailbox(waker: Waker) -> (Mailbox, Inbox) {
    let (commands, taken_commands) = sync_channel(MAX_COMMANDS);
    let (messages, taken_messages) = sync_channel(MAX_MESSAGES);
    let stop = Arc::new(AtomicBool::new(false));
    let inbox = Inbox {
        commands: taken_commands,
        messages: taken_messages,
        stop: Arc::clone(&stop),
    };
    let mailbox = Mailbox {
        commands,
        messages,
        stop,
        waker,
    };
    (mailbox, inbox)
}

impl Mailbox {
    /// Tells the loop to stop.
    pub(crate) fn stop(&self) {
        self.stop.store(true, SeqCst);
        self.wake();
    }

    /// Sends a command.
    ///
    /// # Errors
    /// It was not taken.
    pub(crate) fn command(&self, command: Command) -> Result<(), Untaken> {
        self.offer(command).map_err(|(untaken, _)| untaken)
    }

    /// Sends a command, which comes back if it was not taken.
    ///
    /// # Errors
    /// It was not taken.
    pub(crate) fn offer(&self, command: Command) -> Result<(), (Untaken, Command)> {
        match self.commands.try_send(command) {
            Ok(()) => {
                self.wake();
                Ok(())
            }
            Err(TrySendError::Full(command)) => Err((Untaken::Full, command)),
            Err(TrySendError::Disconnected(command)) => Err((Untaken::Ended, command)),
        }
    }

    /// Sends a message. The loop is not woken.
    ///
    /// # Errors
    /// The queue is full, or the loop has ended: the message.
    pub(crate) fn try_send(
        &self,
        message: WorkerMessage,
    ) -> Result<(), TrySendError<WorkerMessage>> {
        self.messages.try_send(message)
    }

    /// Wakes the loop.
    pub(crate) fn wake(&self) {
        // Fails only if the system has no memory for eight bytes; the next to wake it makes up.
        let _ = self.waker.wake();
    }
}

impl Inbox {
    /// Returns whether the loop was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Takes the next command.
    pub(crate) fn command(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Takes the next message of another worker.
    pub(crate) fn message(&self) -> Option<WorkerMessage> {
        self.messages.try_recv().ok()
    }
}
