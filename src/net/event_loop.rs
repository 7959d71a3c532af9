//! The loop: waits for events and passes them to the server.
//!
//! A turn has named phases: wait, events, accept, the server's own last phases, log. Each is
//! bounded, so that a flood of one kind delays the others by no more than a turn.

mod hearing;

use super::colleagues::Colleagues;
use super::heartbeat_listener::HeartbeatListener;
use super::listener::{Accepted, Listener};
use super::log_writer::LogWriter;
use super::mailbox::Command;
use super::network::SystemNetwork;
use crate::clock::Clock;
use crate::heartbeat::Notice;
use crate::relay::Readiness;
use crate::server::{Server, Token};
use crate::time::Timestamp;
use crate::upstream::StateChange;
use mio::event::Event;
use mio::{Events, Poll};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::Duration;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 1024;
/// Connections accepted on one listener in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long no connection is accepted after the system had no room for one.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

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
    /// `None` if there is one worker.
    colleagues: Option<Colleagues>,
    log: Option<LogWriter>,
    told: Vec<Told>,
    notified: Vec<SyncSender<Notice>>,
    max_connections: usize,
    shutdown_timeout: Duration,
    /// Until when nothing is accepted, after a shortage.
    accepts_from: Timestamp,
    stopping_until: Option<Timestamp>,
}

/// Who is told of changes.
struct Told {
    changes: SyncSender<StateChange>,
    missed: u64,
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
            colleagues: parts.colleagues,
            log: parts.log,
            told: Vec::new(),
            notified: Vec::new(),
            max_connections: parts.max_connections,
            shutdown_timeout: parts.shutdown_timeout,
            accepts_from: Timestamp::ZERO,
            stopping_until: None,
        })
    }

    /// Runs until told to stop and everything is finished or the time for that is over.
    pub(crate) fn run(mut self) -> io::Result<Finished> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while !self.is_over() {
            self.wait(&mut events)?;
            self.keep_wall_clock();
            for event in &events {
                self.dispatch(event);
            }
            self.accept();
            self.hear();
            self.obey();
            self.server.finish_turn(self.clock.now());
            self.tell_changes();
            self.tell_notices();
            self.tell_colleagues();
            self.write_log();
        }
        Ok(self.end())
    }

    fn is_over(&self) -> bool {
        match self.stopping_until {
            Some(until) => self.server.is_idle() || self.clock.now() >= until,
            None => false,
        }
    }

    /// Waits for events, no longer than until something is due.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.clock.now();
        let accepting = self.listeners.iter().any(|l| l.ready) && self.can_accept();
        let due = [
            self.server.next_wakeup(),
            accepting.then_some(self.accepts_from),
            self.stopping_until,
            self.heartbeats_due(),
        ];
        let timeout = due.into_iter().flatten().min().map(|at| at.since(now));
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn dispatch(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKER {
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
        self.server.ready(token, readiness(event), self.clock.now());
    }

    fn can_accept(&self) -> bool {
        match &self.colleagues {
            None => self.server.open_clients() < self.max_connections,
            Some(colleagues) => colleagues.has_room(),
        }
    }

    fn accept(&mut self) {
        let now = self.clock.now();
        if now < self.accepts_from {
            return;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.can_accept() {
                    return;
                }
                let Some(listener) = self.listeners.get_mut(index).filter(|l| l.ready) else {
                    break;
                };
                let accepted = match &mut self.colleagues {
                    None => listener.accept(),
                    Some(colleagues) => accept_for(colleagues, listener),
                };
                let served = match accepted {
                    Ok(Some(accepted)) => self.serve(accepted, now),
                    Ok(None) => continue,
                    Err(error) => Err(error),
                };
                if served.is_err_and(|error| is_shortage(&error)) {
                    // Trying again at once would spin; what waits is in the kernel's queue.
                    self.accepts_from = now + SHORTAGE_PAUSE;
                    return;
                }
            }
        }
    }

    fn serve(&mut self, accepted: Accepted, now: Timestamp) -> io::Result<()> {
        let Accepted {
            stream,
            address,
            listener,
        } = accepted;
        self.server.accepted(stream, address, listener, now)
    }

    /// Serves a connection that another worker has accepted. One that comes while this one stops
    /// is closed, like those that wait to be accepted.
    fn take_over(&mut self, accepted: Accepted) {
        if let Some(colleagues) = &mut self.colleagues {
            colleagues.taken_over();
        }
        if self.stopping_until.is_none() {
            // An error means that it is closed, and so it is counted.
            let _ = self.serve(accepted, self.clock.now());
        }
    }

    /// Does what other threads asked.
    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => self.stop(),
                // Whoever asked may have gone.
                Command::Report(reply) => drop(reply.send(self.server.report())),
                Command::Snapshot(others, reply) => {
                    let now = self.clock.now();
                    let _ = reply.send(self.server.snapshot_of_all(&others, now));
                }
                Command::Tell(changes) => self.told.push(Told { changes, missed: 0 }),
                Command::Notify(notices) => self.notified.push(notices),
                Command::Order(backend, order, reply) => {
                    let is_here = self.server.order(&backend, order, self.clock.now());
                    let _ = reply.send(is_here);
                }
                Command::Serve(accepted) => self.take_over(accepted),
                Command::Receive(message) => self.server.receive(message, self.clock.now()),
            }
        }
    }

    fn stop(&mut self) {
        if self.stopping_until.is_none() {
            self.listeners.clear();
            self.heartbeats = None;
            self.server.stop();
            self.stopping_until = Some(self.clock.now() + self.shutdown_timeout);
        }
    }

    /// Whoever does not listen fast enough misses changes, and is told how many.
    fn tell_changes(&mut self) {
        for change in self.server.take_changes() {
            self.told.retain_mut(|told| {
                let mut change = change.clone();
                change.missed += told.missed;
                match told.changes.try_send(change) {
                    Ok(()) => told.missed = 0,
                    Err(TrySendError::Full(_)) => told.missed += 1,
                    Err(TrySendError::Disconnected(_)) => return false,
                }
                true
            });
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

/// Accepts a connection, if one more may be open over all workers. `None`: none came, or it is for
/// another worker.
fn accept_for(
    colleagues: &mut Colleagues,
    listener: &mut Listener,
) -> io::Result<Option<Accepted>> {
    if !colleagues.reserve() {
        return Ok(None);
    }
    let accepted = listener.accept();
    if !matches!(accepted, Ok(Some(_))) {
        colleagues.release();
    }
    Ok(accepted?.and_then(|accepted| colleagues.hand_on(accepted)))
}

/// Whether an error of accepting is about means, not about one connection (`accept(2)`).
fn is_shortage(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
