//! The accept phase: client connections, within the limit of connections, so many in a turn, and
//! not for a while after the system had no room for one.

use super::address_space::AddressSpace;
use super::event_loop::{EventLoop, OWN_BIT, PHASE_TIME};
use super::other_workers::OtherWorkers;
use crate::net::{Accepted, HeartbeatListener, Listener, Purpose, SharedSocket};
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;
use mio::{Registry, Token};
use std::io;
use std::time::Duration;

/// Time until room is looked for again for clients that wait at the limit of connections.
pub(super) const ROOM_PAUSE: Duration = Duration::from_millis(50);
/// Connections accepted on one listener in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Connections accepted between two looks at the clock.
const ACCEPTS_AT_ONCE: usize = 8;
/// Rounds of accepting at a listener that is about to be closed: all that its queue holds.
const MAX_LAST_ROUNDS: usize = 128;
/// Time in which nothing is accepted after the system had no room for a connection.
pub(super) const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// The sockets connections and heartbeats arrive at.
#[derive(Debug)]
pub(super) struct Arrivals {
    listeners: Vec<Listener>,
    /// Of the first worker alone.
    pub(super) heartbeats: Option<HeartbeatListener>,
    /// Connections that may be open at once, where there is one worker.
    max_connections: usize,
    /// True if clients may be waiting to be accepted at any of the listeners.
    pub(super) has_clients: bool,
    /// The end of the pause after a shortage.
    pub(super) paused_until: Timestamp,
    /// Where the budget of buffers follows it.
    pub(super) address_space: Option<AddressSpace>,
}

impl Arrivals {
    pub(super) fn new(
        listeners: Vec<Listener>,
        heartbeats: Option<HeartbeatListener>,
        max_connections: usize,
    ) -> Self {
        Self {
            listeners,
            heartbeats,
            max_connections,
            has_clients: false,
            paused_until: Timestamp::ZERO,
            address_space: None,
        }
    }

    /// Registers all sockets.
    ///
    /// # Errors
    /// The system has no room to watch them.
    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for listener in &mut self.listeners {
            let token = token(listener);
            listener.register(registry, token)?;
        }
        match &mut self.heartbeats {
            Some(heartbeats) => heartbeats.register(registry),
            None => Ok(()),
        }
    }

    /// Notes an event of one of the sockets.
    pub(super) fn note(&mut self, token: Token) {
        if self.heartbeats.as_mut().is_some_and(|h| h.note(token)) {
            return;
        }
        let number = token.0 & !OWN_BIT;
        let listeners = self.listeners.iter_mut();
        for listener in listeners.filter(|it| usize::from(it.number()) == number) {
            listener.ready = true;
            self.has_clients = true;
        }
    }

    /// Looks which listeners still have clients.
    fn find_clients(&mut self) {
        self.has_clients = self.listeners.iter().any(|listener| listener.ready);
    }

    /// Accepts by one more listener.
    ///
    /// # Errors
    /// The system has no room to watch it.
    pub(super) fn add(&mut self, mut listener: Listener, registry: &Registry) -> io::Result<()> {
        let token = token(&listener);
        listener.register(registry, token)?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Shares all sockets, for another process.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn share(&self) -> io::Result<Vec<SharedSocket>> {
        let clients = self.listeners.iter();
        let clients = clients.map(|it| it.share(Purpose::Clients));
        let mut all = clients.collect::<io::Result<Vec<_>>>()?;
        if let Some(heartbeats) = &self.heartbeats {
            all.extend(heartbeats.share()?);
        }
        Ok(all)
    }

    /// Closes all sockets.
    pub(super) fn close(&mut self, registry: &Registry) {
        for listener in &mut self.listeners {
            listener.deregister(registry);
        }
        if let Some(heartbeats) = &mut self.heartbeats {
            heartbeats.deregister(registry);
        }
        self.listeners.clear();
        self.has_clients = false;
        self.heartbeats = None;
    }
}

impl EventLoop {
    /// Returns whether one more connection may be opened.
    pub(super) fn can_accept(&self) -> bool {
        match &self.other_workers {
            None => self.proxy.open_clients() < self.arrivals.max_connections,
            Some(other_workers) => other_workers.has_room(),
        }
    }

    /// Runs the accept phase.
    pub(super) fn accept(&mut self, now: Timestamp) -> Timestamp {
        if !self.arrivals.has_clients || now < self.arrivals.paused_until {
            return now;
        }
        if let Some(space) = &mut self.arrivals.address_space {
            space.look(now);
        }
        if !self.can_accept() {
            // The place is free from the close phase on: the client is accepted in the next turn.
            self.proxy.make_room(now);
            return self.mark(TurnPhase::Accept);
        }
        for index in 0..self.arrivals.listeners.len() {
            if self.accept_on(index, now).is_err() {
                // Trying again at once would spin; what waits is in the kernel's queue.
                self.arrivals.paused_until = now + SHORTAGE_PAUSE;
                break;
            }
        }
        self.arrivals.find_clients();
        self.mark(TurnPhase::Accept)
    }

    /// Accepts the connections that wait at one listener.
    ///
    /// # Errors
    /// The system has no room for one more.
    fn accept_on(&mut self, index: usize, now: Timestamp) -> io::Result<()> {
        let until = now + PHASE_TIME;
        for count in 0..ACCEPTS_PER_TURN {
            let is_over = count > 0 && count % ACCEPTS_AT_ONCE == 0 && self.clock.now() >= until;
            if is_over || !self.can_accept() {
                break;
            }
            let listener = self.arrivals.listeners.get_mut(index);
            let Some(listener) = listener.filter(|listener| listener.ready) else {
                break;
            };
            let accepted = match &mut self.other_workers {
                None => listener.accept(),
                Some(other_workers) => accept_for(other_workers, listener),
            };
            let served = match accepted {
                Ok(Some(accepted)) => self.serve(accepted, now),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            served.or_else(|error| match concerns_one_connection(&error) {
                true => Ok(()),
                false => Err(error),
            })?;
        }
        Ok(())
    }

    /// Accepts what waits at the listener with this number, and closes it: connections that the
    /// system has established are not lost.
    pub(super) fn accept_last(&mut self, number: u16, now: Timestamp) {
        let is_it = |listener: &Listener| listener.number() == number;
        while let Some(index) = self.arrivals.listeners.iter().position(is_it) {
            self.accept_last_on(index, now);
        }
    }

    fn accept_last_on(&mut self, index: usize, now: Timestamp) {
        for _ in 0..MAX_LAST_ROUNDS {
            if let Some(listener) = self.arrivals.listeners.get_mut(index) {
                listener.ready = true;
            }
            let before = self.proxy.open_clients();
            if self.accept_on(index, now).is_err() || self.proxy.open_clients() == before {
                break;
            }
        }
        let mut listener = self.arrivals.listeners.remove(index);
        listener.deregister(self.poll.registry());
    }

    fn serve(&mut self, accepted: Accepted, now: Timestamp) -> io::Result<()> {
        let Accepted {
            stream,
            address,
            listener,
        } = accepted;
        self.proxy.accepted(stream, address, listener, now)
    }

    /// Serves a connection that another worker has accepted: once, if this worker stops by now.
    pub(super) fn take_over(&mut self, accepted: Accepted, now: Timestamp) {
        if let Some(other_workers) = &mut self.other_workers {
            other_workers.taken_over();
        }
        // An error means that it is closed, and so it is counted.
        let _ = self.serve(accepted, now);
    }
}

/// The token of a listener's events.
fn token(listener: &Listener) -> Token {
    Token(OWN_BIT | usize::from(listener.number()))
}

/// Accepts a connection, if one more may be open over all workers. `None`: none came, or it is for
/// another worker.
fn accept_for(
    other_workers: &mut OtherWorkers,
    listener: &mut Listener,
) -> io::Result<Option<Accepted>> {
    if !other_workers.reserve() {
        return Ok(None);
    }
    let accepted = listener.accept();
    if !matches!(accepted, Ok(Some(_))) {
        other_workers.release();
    }
    Ok(accepted?.and_then(|accepted| other_workers.hand_on(accepted)))
}

/// Returns whether an error of `accept(2)` is about that one connection. All others mean that the
/// system has no room, and go on meaning it for a while.
pub(super) fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
