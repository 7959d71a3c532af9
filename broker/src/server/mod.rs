//! The shell: one thread, one `epoll`, and the only sockets and clock of the broker.
//!
//! mio rather than tokio, for what a delivered message costs: a turn of the loop reads from every
//! socket that has something, and only then writes to each consumer once, with all frames that
//! gathered for it in one `writev`. Tasks of a runtime would each write when they are polled, and
//! the core would be behind a lock or a channel; here it is a struct, and its frames are shared by
//! `Rc`.
//!
//! Owns listener, connections and turns. Knows nothing of messages: frames go to the [`Broker`],
//! which says what to write. Invariant: a connection is registered for as long as it exists.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the shell: sockets and the clock live here"
)]

mod connection;
mod connections;
mod listener;
mod notice;
mod store;

pub use notice::{Notice, Notifier};
pub use store::{Fsync, Store, StoreError};

use crate::broker::{Action, Broker, Keep};
use crate::connection_id::ConnectionId;
use crate::limits::Limits;
use crate::rights::AccessRules;
use crate::time::Timestamp;
use connection::{Connection, Progress, Scratch, Transport};
use connections::Connections;
use listener::{Accepted, Listener};
use mio::{Events, Interest, Poll, Token};
use notice::Notices;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use store::StoreThread;

const LISTENER: Token = Token(0);
const NOTICES: Token = Token(1);
/// Connections come after the tokens above, by their slot.
const FIRST_CONNECTION: usize = 2;

/// Events of one turn.
const MAX_EVENTS: usize = 1024;
/// Connections accepted in one turn, so that a flood of them does not hold up the others.
const MAX_ACCEPTS: usize = 256;
/// Bytes read from one connection in one turn.
const READ_BYTES: usize = 64 << 10;
/// Time to wait after a failed store or accept: neither gets better by asking at once.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Time that connections have to read that the broker stops, and changes to be stored.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How a server is made.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Limits and intervals.
    pub limits: Limits,
    /// Tokens and their rights.
    pub rules: AccessRules,
    /// Where last values are stored, if they are.
    pub store: Option<Store>,
    /// Bytes of the send buffer of each socket; the system's choice if None.
    pub send_buffer: Option<usize>,
}

/// A broker with its sockets.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listener: Listener,
    broker: Broker,
    connections: Connections,
    notices: Notices,
    store: Option<StoreThread>,
    store_again_at: Option<Timestamp>,
    next_tick: Timestamp,
    started: Instant,
    scratch: Scratch,
    stopping_since: Option<Timestamp>,
}

impl Server {
    /// Binds the address and restores last values.
    ///
    /// # Errors
    /// A sentence: the address cannot be bound (with the process that has it, where that can be
    /// found out), or the store cannot be read.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let system = |error: io::Error| format!("cannot start: {error}");
        let poll = Poll::new().map_err(system)?;
        let mut listener = Listener::bind(settings.listen, settings.send_buffer)?;
        poll.registry()
            .register(listener.source(), LISTENER, Interest::READABLE)
            .map_err(system)?;
        let notices = Notices::new(poll.registry(), NOTICES).map_err(system)?;
        let keep = match settings.store {
            Some(_) => Keep::Stored,
            None => Keep::InMemory,
        };
        let mut broker = Broker::new(settings.limits, settings.rules, keep);
        let store = match settings.store {
            Some(store) => Some(start_store(store, &mut broker, notices.notifier())?),
            None => None,
        };
        Ok(Self {
            poll,
            listener,
            broker,
            connections: Connections::default(),
            notices,
            store,
            store_again_at: None,
            next_tick: Timestamp::default(),
            started: Instant::now(),
            scratch: Scratch::new(READ_BYTES),
            stopping_since: None,
        })
    }

    /// The address that is listened on, with the port that was chosen for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// A handle for other threads to stop the server or replace its rules.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.notices.notifier()
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// The system does not let it wait for events.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(MAX_EVENTS);
        loop {
            let now = self.now();
            if self.has_stopped(now) {
                return Ok(());
            }
            match self.poll.poll(&mut events, self.timeout(now)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            let now = self.now();
            self.sort_events(&events);
            self.take_notices(now);
            self.accept(now);
            self.read(now);
            self.tick(now);
            self.start_storing(now);
            self.write();
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::new(self.started.elapsed())
    }

    /// How long to wait: not at all if there is more to read or to accept.
    fn timeout(&self, now: Timestamp) -> Option<Duration> {
        if self.connections.readable() > 0 || self.listener.may_accept(now) {
            return Some(Duration::ZERO);
        }
        let due = [
            Some(self.next_tick),
            self.listener.paused_until(),
            self.store_again_at,
        ];
        let next = due.into_iter().flatten().min().unwrap_or(self.next_tick);
        // Rounded up by mio to whole milliseconds, so it does not come too early and spin.
        Some(next.since(now))
    }

    fn sort_events(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                LISTENER => self.listener.set_ready(),
                NOTICES => {}
                Token(token) => {
                    let slot = token - FIRST_CONNECTION;
                    let connection = self.connections.at(slot);
                    if event.is_writable() && connection.is_some_and(Connection::unblock) {
                        self.write_to(slot);
                    }
                    let is_ending = event.is_read_closed() || event.is_error();
                    if event.is_readable() || is_ending {
                        self.connections.set_readable(slot, is_ending);
                    }
                }
            }
        }
    }

    fn take_notices(&mut self, now: Timestamp) {
        while let Some(notice) = self.notices.next() {
            match notice {
                Notice::Stored(outcome) => {
                    let outcome = outcome.as_ref().copied().map_err(String::as_str);
                    self.broker.batch_stored(outcome, now);
                    let is_failed = outcome.is_err();
                    self.store_again_at = is_failed.then(|| now.after(RETRY_INTERVAL));
                }
                Notice::Rules(rules) => self.broker.set_rules(rules),
                Notice::Stop => {
                    if self.stopping_since.is_none() {
                        self.stopping_since = Some(now);
                        self.listener.close(self.poll.registry());
                        self.broker.stop(now);
                    }
                }
            }
        }
    }

    fn has_stopped(&self, now: Timestamp) -> bool {
        self.stopping_since.is_some_and(|since| {
            (self.broker.connections() == 0 && self.broker.is_stored())
                || now.since(since) >= STOP_TIMEOUT
        })
    }

    fn accept(&mut self, now: Timestamp) {
        for _ in 0..MAX_ACCEPTS {
            match self.listener.accept(now) {
                Accepted::One(stream, peer) => self.admit(Transport::Plain(stream), peer, now),
                Accepted::None => return,
                Accepted::Failed(error) => {
                    eprintln!("lb-broker: cannot accept connections: {error}; trying again");
                    self.listener.pause(now.after(RETRY_INTERVAL));
                    return;
                }
            }
        }
    }

    fn admit(&mut self, mut transport: Transport, peer: SocketAddr, now: Timestamp) {
        let id = match self.broker.connect(peer.to_string(), now) {
            Ok(id) => id,
            Err(refusal) => return transport.refuse(&refusal, &mut self.scratch),
        };
        let token = Token(FIRST_CONNECTION + id.slot());
        if let Err(error) = transport.register(self.poll.registry(), token) {
            eprintln!("lb-broker: cannot watch {peer}: {error}");
            return self.broker.disconnected(id);
        }
        let most = self.broker.max_frame_bytes(id);
        self.connections.enter(Connection::new(id, transport, most));
    }

    /// Reads once from each connection that has something.
    fn read(&mut self, now: Timestamp) {
        for _ in 0..self.connections.readable() {
            let Some(id) = self.connections.next_readable() else {
                return;
            };
            let (broker, scratch) = (&mut self.broker, &mut self.scratch);
            if self.connections.read(id, broker, scratch, now) == Progress::Ended {
                // What waits is tried once: the other side may only have stopped to send.
                self.write_to(id.slot());
                self.close(id);
            }
            while let Some(pressed) = self.broker.poll_pressed() {
                self.write_to(pressed.slot());
            }
        }
    }

    fn tick(&mut self, now: Timestamp) {
        if now >= self.next_tick {
            self.broker.tick(now);
            self.next_tick = now.after(self.broker.tick_interval());
        }
    }

    fn start_storing(&mut self, now: Timestamp) {
        let Some(store) = &self.store else { return };
        if self.store_again_at.is_some_and(|at| now < at) {
            return;
        }
        self.store_again_at = None;
        if let Some(batch) = self.broker.take_batch() {
            store.save(batch);
        }
    }

    fn write(&mut self) {
        while let Some(action) = self.broker.poll_action() {
            match action {
                Action::Write(id) => self.write_to(id.slot()),
                Action::Close(id) => self.close(id),
            }
        }
    }

    fn write_to(&mut self, slot: usize) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        let id = connection.id();
        match connection.write(&mut self.broker) {
            Progress::More | Progress::Blocked => {}
            Progress::Ended => self.close(id),
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if self.connections.remove(id) {
            self.broker.disconnected(id);
        }
    }
}

/// Restores last values and starts the thread that keeps them.
fn start_store(
    store: Store,
    broker: &mut Broker,
    notifier: Notifier,
) -> Result<StoreThread, String> {
    let mut skipped = 0_usize;
    let mut last = String::new();
    store
        .load(|topic, payload| {
            if let Err(refusal) = broker.restore(topic, payload) {
                skipped += 1;
                last = format!("{topic:?}: {refusal}");
            }
        })
        .map_err(|error| error.to_string())?;
    if skipped > 0 {
        eprintln!("lb-broker: {skipped} stored values not restored; the last one: {last}");
    }
    StoreThread::start(store, notifier).map_err(|error| format!("cannot start a thread: {error}"))
}
