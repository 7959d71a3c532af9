//! The control phase: the order to stop, messages of other workers, commands of handles.
//!
//! At most so many of each in a turn, which do not hold up clients; what is left is taken in the
//! next turn, which then does not wait for events.

use super::event_loop::EventLoop;
use super::mailbox::{Command, Inbox, PoolRef, WorkerMessage};
use super::report::{Question, WorkerReport, snapshot};
use super::subscribers::Subscribers;
use crate::net::{LogWriter, SharedSocket};
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;
use std::io;
use std::time::Duration;

/// Commands executed in one turn. A snapshot copies histograms, which takes tens of microseconds.
const COMMANDS_PER_TURN: usize = 16;
/// Messages of other workers taken in one turn.
const MESSAGES_PER_TURN: usize = 256;

/// The parts of a loop that other threads reach.
#[derive(Debug)]
pub(super) struct Control {
    inbox: Inbox,
    /// True if there may be something in the inbox.
    pub(super) is_called: bool,
    pub(super) subscribers: Subscribers,
}

/// The end of a loop.
#[derive(Debug)]
pub(super) struct Shutdown {
    timeout: Duration,
    /// Time at which open connections are cut off; `None` until the loop is stopped.
    pub(super) deadline: Option<Timestamp>,
}

impl Control {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self {
            inbox,
            is_called: false,
            subscribers: Subscribers::default(),
        }
    }
}

impl Shutdown {
    pub(super) const fn within(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: None,
        }
    }

    /// Waits this long for open exchanges instead, unless the loop stops already.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }
}

impl EventLoop {
    /// Runs the control phase.
    pub(super) fn control(&mut self, now: Timestamp) -> Timestamp {
        if !self.control.is_called {
            return now;
        }
        if self.control.inbox.is_stopped() {
            self.stop(now);
        }
        let has_messages = self.take_messages(now);
        let has_commands = self.execute_commands(now);
        self.control.is_called = has_messages || has_commands;
        self.mark(TurnPhase::Control)
    }

    /// Returns whether more may be left.
    pub(super) fn take_messages(&mut self, now: Timestamp) -> bool {
        for _ in 0..MESSAGES_PER_TURN {
            match self.control.inbox.message() {
                None => return false,
                Some(WorkerMessage::Serve(accepted)) => self.take_over(accepted, now),
                Some(WorkerMessage::Backend(message)) => {
                    self.proxy.backends().receive(*message, now)
                }
                Some(WorkerMessage::AskReport(asked)) => {
                    let (ticket, question) = *asked;
                    let report = self.report(&question, now);
                    if let Some(other_workers) = &mut self.other_workers {
                        other_workers.report(ticket, report);
                    }
                }
                Some(WorkerMessage::Report(report)) => {
                    if let Some(admin) = &mut self.admin {
                        admin.reported(report.0, report.1);
                    }
                }
            }
        }
        true
    }

    /// Returns whether more may be left.
    fn execute_commands(&mut self, now: Timestamp) -> bool {
        for _ in 0..COMMANDS_PER_TURN {
            match self.control.inbox.command() {
                None => return false,
                Some(command) => self.execute(command, now),
            }
        }
        true
    }

    /// The receiver of the reply may have gone: that is no error.
    fn execute(&mut self, command: Command, now: Timestamp) {
        let subscribers = &mut self.control.subscribers;
        match command {
            Command::Report(reply) => {
                let question = Question {
                    with_times: true,
                    ..Question::default()
                };
                let _ = reply.send(self.report(&question, now));
            }
            Command::Snapshot(others, reply) => {
                let log = self.log.as_ref().map(LogWriter::stats);
                let all = snapshot(&mut self.proxy, &self.stats, log, &others, now);
                let _ = reply.send(all);
            }
            Command::SubscribeChanges(to) => subscribers.add(to),
            Command::SubscribeHeartbeats(to) => subscribers.add_for_notices(to),
            Command::SubscribeLimits(to) => subscribers.add_for_limits(to),
            Command::SubscribeStalls(to) => subscribers.add_for_stalls(to),
            Command::Add(pool, backend, reply) => {
                let pool = match pool {
                    PoolRef::Id(pool) => Some(pool),
                    PoolRef::Name(name) => self.proxy.pools().pool_id(&name),
                };
                let added = pool.map(|pool| self.proxy.backends().add_backend(pool, *backend, now));
                let _ = reply.send(added);
            }
            Command::Discovered(pool, change, reply) => {
                let _ = reply.send(self.follow_discovery(pool, *change, now));
            }
            Command::Admin(backend, command, reply) => {
                let id = self.proxy.backends().execute(&backend, command, now);
                if let (Some(admin), Some(id)) = (&mut self.admin, id)
                    && let Some(name) = self.proxy.pools().backend_name(id)
                {
                    admin.note_command(id.pool(), name, command, self.clock.wall(), now);
                }
                let _ = reply.send(id);
            }
            Command::Reload(new, reply) => {
                let _ = reply.send(self.reload(*new, now));
            }
            Command::ReloadEnded(asked, ended) => self.reload_ended(asked, &ended, now),
            Command::CountExchanges(pools, reply) => {
                let _ = reply.send(self.proxy.exchanges_in(&pools));
            }
            Command::ShareSockets(reply) => {
                let _ = reply.send(self.share_sockets());
            }
            Command::LetGo(leftovers, reply) => {
                self.let_go(&leftovers, now);
                let _ = reply.send(());
            }
        }
    }

    pub(super) fn report(&mut self, question: &Question, now: Timestamp) -> WorkerReport {
        WorkerReport::of(question, &mut self.proxy, &self.stats, now)
    }

    /// Shares the sockets that clients, heartbeats and the admin interface come by.
    fn share_sockets(&self) -> io::Result<Vec<SharedSocket>> {
        let mut all = self.arrivals.share()?;
        if let Some(admin) = &self.admin {
            all.extend(admin.share()?);
        }
        Ok(all)
    }

    fn stop(&mut self, now: Timestamp) {
        if self.shutdown.deadline.is_none() {
            self.arrivals.close(self.poll.registry());
            if let Some(admin) = &mut self.admin {
                admin.stop();
            }
            self.proxy.stop(now);
            self.shutdown.deadline = Some(now + self.shutdown.timeout);
        }
    }
}
