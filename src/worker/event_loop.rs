//! The loop: waits for events and passes them to the server.
//!
//! A turn has named phases ([`TurnPhase`]), each bounded, so that a flood of one kind delays the
//! others by no more than a turn. The clock is read once for each event, and behind each phase that
//! had something to do: that is how a turn that takes too long gets its name.

use super::mailbox::Command;
use super::other_workers::OtherWorkers;
use super::report::{WorkerReport, snapshot};
use super::subscribers::Subscribers;
use crate::clock::Clock;
use crate::net::{HeartbeatListener, Listener, LogWriter, SystemNetwork, WAKER, readiness};
use crate::proxy::{Proxy, Token};
use crate::telemetry::{LoopStats, TurnPhase};
use crate::time::Timestamp;
use mio::{Events, Poll};
use std::io;
use std::mem;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 1024;

/// Time after which what yielded waits for the next turn, in which new events come first.
const RESUME_TIME: Duration = Duration::from_millis(4);

/// Tokens with this bit are the loop's own; the others are the server's.
const OWN_BIT: usize = 1 << 63;
/// One loop and everything it owns.
pub(crate) struct EventLoop {
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) listeners: Vec<Listener>,
    pub(super) heartbeats: Option<HeartbeatListener>,
    pub(super) proxy: Proxy<SystemNetwork>,
    pub(super) commands: Receiver<Command>,
    /// Whether somebody has woken the loop, who may have commands for it.
    pub(super) is_called: bool,
    /// `None` if there is one worker.
    pub(super) other_workers: Option<OtherWorkers>,
    pub(super) log: Option<LogWriter>,
    pub(super) subscribers: Subscribers,
    pub(super) stats: LoopStats,
    pub(super) max_connections: usize,
    pub(super) shutdown_timeout: Duration,
    /// Until when nothing is accepted, after a shortage.
    pub(super) accepts_from: Timestamp,
    pub(super) stopping_until: Option<Timestamp>,
}

/// What a loop is made of.
pub(crate) struct LoopParts {
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) heartbeats: Option<HeartbeatListener>,
    pub(crate) proxy: Proxy<SystemNetwork>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) other_workers: Option<OtherWorkers>,
    pub(crate) log: Option<LogWriter>,
    pub(crate) max_connections: usize,
    pub(crate) shutdown_timeout: Duration,
}

/// What a loop leaves when it has ended.
pub(crate) struct Finished {
    pub(crate) proxy: Proxy<SystemNetwork>,
    pub(crate) stats: LoopStats,
    pub(crate) at: Timestamp,
    pub(crate) dropped_log_lines: u64,
}

impl EventLoop {
    /// A loop that is ready to run.
    pub(crate) fn new(mut parts: LoopParts) -> io::Result<Self> {
        for (index, listener) in parts.listeners.iter_mut().enumerate() {
            let token = mio::Token(OWN_BIT | index);
            let registry = parts.poll.registry();
            listener.register(registry, token)?;
        }
        if let Some(heartbeats) = &mut parts.heartbeats {
            heartbeats.register(parts.poll.registry())?;
        }
        Ok(Self {
            poll: parts.poll,
            clock: parts.clock,
            listeners: parts.listeners,
            heartbeats: parts.heartbeats,
            proxy: parts.proxy,
            commands: parts.commands,
            is_called: false,
            other_workers: parts.other_workers,
            log: parts.log,
            subscribers: Subscribers::default(),
            stats: LoopStats::default(),
            max_connections: parts.max_connections,
            shutdown_timeout: parts.shutdown_timeout,
            accepts_from: Timestamp::ZERO,
            stopping_until: None,
        })
    }

    /// Runs until told to stop and everything is finished or the time for that is over.
    pub(crate) fn run(mut self) -> io::Result<Finished> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut now = self.clock.now();
        while !self.is_over(now) {
            let due = self.wait(&mut events, now)?;
            now = self.turn(&events, due);
        }
        Ok(self.end())
    }

    /// One turn, `due` being when the proxy was to be called at the latest. Returns when it
    /// ended.
    fn turn(&mut self, events: &Events, due: Option<Timestamp>) -> Timestamp {
        let began = self.clock.now();
        self.stats.begin_turn(began);
        self.keep_wall_clock(began);
        self.note_own(events);
        let now = self.control(began);
        let now = self.accept(now);
        let now = self.dispatch_all(events, now);
        // What is to be done at once has no time at which it was due.
        if let Some(due) = due.filter(|due| *due > Timestamp::ZERO && *due <= now) {
            self.stats.deadline(due, now);
        }
        let now = self.resume(now);
        let now = self.expire(now);
        let now = self.hear(now);
        let now = self.follow_backends(now);
        let now = self.serve_queue(now);
        let now = self.close(now);
        let ended = self.tell(now);
        if let Some(stall) = self.stats.end_turn(ended) {
            self.subscribers.tell_stall(stall);
        }
        ended
    }

    /// Notes the events of the loop's own sockets, which the first phases look at.
    fn note_own(&mut self, events: &Events) {
        for event in events {
            let token = event.token();
            if token.0 & OWN_BIT != 0 {
                self.note_own_event(token);
            }
        }
    }

    #[cold]
    fn note_own_event(&mut self, token: mio::Token) {
        if token == WAKER {
            self.is_called = true;
        } else if self.heartbeats.as_mut().is_some_and(|h| h.note(token)) {
        } else if let Some(listener) = self.listeners.get_mut(token.0 & !OWN_BIT) {
            listener.ready = true;
        }
    }

    /// The events phase. Reads the clock behind each event: response times are that exact.
    fn dispatch_all(&mut self, events: &Events, began: Timestamp) -> Timestamp {
        let mut now = began;
        for event in events {
            let token = event.token();
            if token.0 & OWN_BIT == 0 {
                let token = Token::from_bits(token.0 as u64);
                self.proxy.ready(token, readiness(event), now);
                now = self.clock.now();
            }
        }
        self.stats.end_phase(TurnPhase::Events, now);
        now
    }

    /// The resume phase: goes on with what yielded, in turn and for a limited time.
    fn resume(&mut self, now: Timestamp) -> Timestamp {
        let mut left = self.proxy.runnable();
        if left == 0 {
            return now;
        }
        let (until, mut now) = (now + RESUME_TIME, now);
        while left > 0 && now < until {
            self.proxy.resume_next(now);
            now = self.clock.now();
            left -= 1;
        }
        self.stats.end_phase(TurnPhase::Resume, now);
        now
    }

    fn expire(&mut self, now: Timestamp) -> Timestamp {
        let was_due = self.proxy.expire_deadlines(now);
        self.mark_if(was_due, TurnPhase::Expire, now)
    }

    fn follow_backends(&mut self, now: Timestamp) -> Timestamp {
        let has_changed = self.proxy.follow_backends(now);
        self.mark_if(has_changed, TurnPhase::Health, now)
    }

    /// The queue phase, after everything that gives a place at a backend back: nothing else would
    /// dispatch the exchanges that wait for it.
    fn serve_queue(&mut self, now: Timestamp) -> Timestamp {
        let has_waited = self.proxy.serve_queue(now);
        self.mark_if(has_waited, TurnPhase::Queue, now)
    }

    fn close(&mut self, now: Timestamp) -> Timestamp {
        let has_closed = self.proxy.close_all();
        self.mark_if(has_closed, TurnPhase::Close, now)
    }

    fn mark_if(&mut self, is_busy: bool, phase: TurnPhase, now: Timestamp) -> Timestamp {
        match is_busy {
            true => self.mark(phase),
            false => now,
        }
    }

    /// The log phase: tells subscribers, the other workers and the access log.
    fn tell(&mut self, now: Timestamp) -> Timestamp {
        let is_alone = self.other_workers.is_none() && self.log.is_none();
        if is_alone && !self.proxy.has_news() {
            return now;
        }
        self.subscribers.tell_changes(self.proxy.take_changes());
        self.subscribers
            .tell_heartbeat_events(self.proxy.take_heartbeat_events());
        self.notify_other_workers();
        self.write_log();
        self.mark(TurnPhase::Log)
    }

    /// A phase that had something to do is over.
    pub(super) fn mark(&mut self, phase: TurnPhase) -> Timestamp {
        let now = self.clock.now();
        self.stats.end_phase(phase, now);
        now
    }

    fn is_over(&self, now: Timestamp) -> bool {
        match self.stopping_until {
            Some(until) => self.proxy.is_idle() || now >= until,
            None => false,
        }
    }

    /// Waits for events, no longer than until something is due. Returns when that is for the
    /// server.
    fn wait(&mut self, events: &mut Events, now: Timestamp) -> io::Result<Option<Timestamp>> {
        let wakeup = self.proxy.next_wakeup();
        let mut due = wakeup.unwrap_or(Timestamp::NEVER);
        if self.has_arrivals() && self.can_accept() {
            due = due.min(self.accepts_from);
        }
        if let Some(at) = self.heartbeats_due() {
            due = due.min(at);
        }
        if let Some(until) = self.stopping_until {
            due = due.min(until);
        }
        let timeout = (due != Timestamp::NEVER).then(|| due.since(now));
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
            }
            other => other?,
        }
        Ok(wakeup)
    }

    /// The control phase: executes what other threads asked for.
    fn control(&mut self, now: Timestamp) -> Timestamp {
        if !mem::take(&mut self.is_called) {
            return now;
        }
        while let Ok(command) = self.commands.try_recv() {
            self.execute(command, now);
        }
        self.mark(TurnPhase::Control)
    }

    fn execute(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Stop => self.stop(now),
            // Whoever asked may have gone.
            Command::Report(reply) => drop(reply.send(self.report())),
            Command::Snapshot(others, reply) => {
                let _ = reply.send(snapshot(&mut self.proxy, &self.stats, &others, now));
            }
            Command::Tell(changes) => self.subscribers.add(changes),
            Command::Notify(heartbeat_events) => self.subscribers.add_for_notices(heartbeat_events),
            Command::TellStalls(stalls) => self.subscribers.add_for_stalls(stalls),
            Command::Admin(backend, order, reply) => {
                let is_here = self.proxy.order(&backend, order, now);
                let _ = reply.send(is_here);
            }
            Command::Serve(accepted) => self.take_over(accepted, now),
            Command::Receive(message) => self.proxy.receive(message, now),
        }
    }

    fn report(&self) -> WorkerReport {
        WorkerReport {
            proxy: self.proxy.report(),
            loop_stats: self.stats.clone(),
        }
    }

    fn stop(&mut self, now: Timestamp) {
        if self.stopping_until.is_none() {
            self.listeners.clear();
            self.heartbeats = None;
            self.proxy.stop();
            self.stopping_until = Some(now + self.shutdown_timeout);
        }
    }

    fn notify_other_workers(&mut self) {
        if let Some(other_workers) = &mut self.other_workers {
            other_workers.tell(self.proxy.take_messages());
            other_workers.wake(self.proxy.take_call());
            other_workers.count(self.proxy.open_clients());
        }
    }

    fn write_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.write(self.proxy.take_log_lines());
            self.proxy
                .set_wall_clock(self.clock.wall(), self.clock.now());
        }
    }

    fn end(mut self) -> Finished {
        self.proxy.abandon(self.clock.now());
        self.write_log();
        self.notify_other_workers();
        Finished {
            proxy: self.proxy,
            stats: self.stats,
            at: self.clock.now(),
            dropped_log_lines: self.log.map_or(0, LogWriter::finish),
        }
    }
}
