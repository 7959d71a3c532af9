//! The loop: waits for events and passes them to the server.
//!
//! A turn has named phases ([`TurnPhase`]), each bounded, so that a flood of one kind delays the
//! others by no more than a turn. The clock is read once for each event, and behind each phase that
//! had something to do: that is how a turn that takes too long gets its name.

mod accepting;
mod hearing;

use super::audience::Audience;
use super::colleagues::Colleagues;
use super::heartbeat_listener::HeartbeatListener;
use super::listener::Listener;
use super::log_writer::LogWriter;
use super::mailbox::Command;
use super::network::SystemNetwork;
use crate::clock::Clock;
use crate::observe::TurnPhase;
use crate::relay::Readiness;
use crate::server::{Server, Token};
use crate::time::Timestamp;
use mio::event::Event;
use mio::{Events, Poll};
use std::io;
use std::mem;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 1024;

/// Tokens with this bit are the loop's own; the others are the server's.
const OWN_BIT: usize = 1 << 63;
/// Wakes the loop for commands.
pub(crate) const WAKER: mio::Token = mio::Token(usize::MAX);

/// One loop and everything it owns.
pub(crate) struct EventLoop {
    poll: Poll,
    clock: Clock,
    listeners: Vec<Listener>,
    heartbeats: Option<HeartbeatListener>,
    server: Server<SystemNetwork>,
    commands: Receiver<Command>,
    /// Whether somebody has woken the loop, who may have commands for it.
    is_called: bool,
    /// `None` if there is one worker.
    colleagues: Option<Colleagues>,
    log: Option<LogWriter>,
    audience: Audience,
    max_connections: usize,
    shutdown_timeout: Duration,
    /// Until when nothing is accepted, after a shortage.
    accepts_from: Timestamp,
    stopping_until: Option<Timestamp>,
}

/// What a loop is made of.
pub(crate) struct LoopParts {
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) heartbeats: Option<HeartbeatListener>,
    pub(crate) server: Server<SystemNetwork>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) colleagues: Option<Colleagues>,
    pub(crate) log: Option<LogWriter>,
    pub(crate) max_connections: usize,
    pub(crate) shutdown_timeout: Duration,
}

/// What a loop leaves when it has ended.
pub(crate) struct Finished {
    pub(crate) server: Server<SystemNetwork>,
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
            server: parts.server,
            commands: parts.commands,
            is_called: false,
            colleagues: parts.colleagues,
            log: parts.log,
            audience: Audience::default(),
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

    /// One turn, `due` being when the server was to be called at the latest. Returns when it
    /// ended.
    fn turn(&mut self, events: &Events, due: Option<Timestamp>) -> Timestamp {
        let began = self.clock.now();
        self.server.turns().begin(began);
        self.keep_wall_clock(began);
        let now = self.dispatch_all(events, began);
        let now = self.accept(now);
        let now = self.hear(now);
        let now = self.obey(now);
        self.finish_turn(due, now)
    }

    /// Reads the clock behind each event: response times are that exact. Returns the last reading.
    fn dispatch_all(&mut self, events: &Events, began: Timestamp) -> Timestamp {
        let mut now = began;
        for event in events {
            self.dispatch(event, now);
            now = self.clock.now();
        }
        self.server.turns().mark(TurnPhase::Events, now);
        now
    }

    /// The phases that end a turn.
    fn finish_turn(&mut self, due: Option<Timestamp>, now: Timestamp) -> Timestamp {
        // What is to be done at once has no time at which it was due.
        if let Some(due) = due.filter(|due| *due > Timestamp::ZERO && *due <= now) {
            self.server.turns().deadline(due, now);
        }
        let (clock, mut ended) = (self.clock, now);
        self.server.finish_turn_telling(now, |turns, phase| {
            ended = clock.now();
            turns.mark(TurnPhase::Last(phase), ended);
        });
        if self.tell() {
            ended = self.mark(TurnPhase::Log);
        }
        if let Some(stall) = self.server.turns().end(ended) {
            self.audience.tell_stall(stall);
        }
        ended
    }

    /// Tells people, colleagues and the log. Returns whether there was something to tell.
    fn tell(&mut self) -> bool {
        let is_alone = self.colleagues.is_none() && self.log.is_none();
        if is_alone && !self.server.has_news() {
            return false;
        }
        self.audience.tell_changes(self.server.take_changes());
        self.audience.tell_notices(self.server.take_notices());
        self.tell_colleagues();
        self.write_log();
        true
    }

    /// A phase that had something to do is over.
    fn mark(&mut self, phase: TurnPhase) -> Timestamp {
        let now = self.clock.now();
        self.server.turns().mark(phase, now);
        now
    }

    fn is_over(&self, now: Timestamp) -> bool {
        match self.stopping_until {
            Some(until) => self.server.is_idle() || now >= until,
            None => false,
        }
    }

    /// Waits for events, no longer than until something is due. Returns when that is for the
    /// server.
    fn wait(&mut self, events: &mut Events, now: Timestamp) -> io::Result<Option<Timestamp>> {
        let wakeup = self.server.next_wakeup();
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

    fn dispatch(&mut self, event: &Event, now: Timestamp) {
        let token = event.token();
        if token == WAKER {
            self.is_called = true;
            return;
        }
        if self.heartbeats.as_mut().is_some_and(|h| h.note(token)) {
            return;
        }
        if token.0 & OWN_BIT != 0 {
            if let Some(listener) = self.listeners.get_mut(token.0 & !OWN_BIT) {
                listener.ready = true;
            }
            return;
        }
        let token = Token::from_bits(token.0 as u64);
        self.server.ready(token, readiness(event), now);
    }

    /// Does what other threads asked. Returns the time when that is done.
    fn obey(&mut self, now: Timestamp) -> Timestamp {
        if !mem::take(&mut self.is_called) {
            return now;
        }
        while let Ok(command) = self.commands.try_recv() {
            self.obey_one(command, now);
        }
        self.mark(TurnPhase::Commands)
    }

    fn obey_one(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Stop => self.stop(now),
            // Whoever asked may have gone.
            Command::Report(reply) => drop(reply.send(self.server.report())),
            Command::Snapshot(others, reply) => {
                let _ = reply.send(self.server.snapshot_of_all(&others, now));
            }
            Command::Tell(changes) => self.audience.add(changes),
            Command::Notify(notices) => self.audience.add_for_notices(notices),
            Command::TellStalls(stalls) => self.audience.add_for_stalls(stalls),
            Command::Order(backend, order, reply) => {
                let is_here = self.server.order(&backend, order, now);
                let _ = reply.send(is_here);
            }
            Command::Serve(accepted) => self.take_over(accepted, now),
            Command::Receive(message) => self.server.receive(message, now),
        }
    }

    fn stop(&mut self, now: Timestamp) {
        if self.stopping_until.is_none() {
            self.listeners.clear();
            self.heartbeats = None;
            self.server.stop();
            self.stopping_until = Some(now + self.shutdown_timeout);
        }
    }

    fn tell_colleagues(&mut self) {
        if let Some(colleagues) = &mut self.colleagues {
            colleagues.tell(self.server.take_messages());
            colleagues.wake(self.server.take_call());
            colleagues.count(self.server.open_clients());
        }
    }

    fn write_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.write(self.server.take_log_lines());
            self.server
                .set_wall_clock(self.clock.wall(), self.clock.now());
        }
    }

    fn end(mut self) -> Finished {
        self.server.abandon(self.clock.now());
        self.write_log();
        self.tell_colleagues();
        Finished {
            server: self.server,
            at: self.clock.now(),
            dropped_log_lines: self.log.map_or(0, LogWriter::finish),
        }
    }
}

/// What an event says of a socket.
pub(super) fn readiness(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        broken: event.is_error() || (event.is_read_closed() && event.is_write_closed()),
    }
}
