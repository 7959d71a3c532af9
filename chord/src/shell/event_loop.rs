//! The loop: waits for sockets, signals or the next deadline, and lets every host have its turn.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use crate::output::Event;
use crate::time::Timestamp;
use crate::{Config, Host};

use super::endpoint::{Endpoint, TOKENS};
use super::resolve::Resolver;
use super::signals::Signals;
use super::{BindError, Clock};

/// The last endpoint's tokens are the shell's own.
const OWN: usize = 1 << 20;
const WAKER: Token = Token(OWN * TOKENS);
const SIGNALS: Token = Token(OWN * TOKENS + 1);
/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// One or more hosts in one thread.
pub struct Shell {
    poll: Poll,
    ready: Events,
    clock: Clock,
    endpoints: Vec<Endpoint>,
    resolver: Resolver,
    signals: Signals,
    signalled: usize,
    next_sweep: Timestamp,
}

/// What happened in a turn of the loop.
#[derive(Debug, Default)]
pub struct Turn {
    /// Events, with the number of the host.
    pub events: Vec<(usize, Event)>,
    /// SIGTERM and SIGINT received so far.
    pub signals: usize,
}

impl Shell {
    /// A shell without hosts, which takes over SIGTERM and SIGINT.
    ///
    /// # Errors
    /// If the operating system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut signals = Signals::catch()?;
        poll.registry()
            .register(&mut signals.socket, SIGNALS, Interest::READABLE)?;
        Ok(Self {
            poll,
            ready: Events::with_capacity(256),
            clock: Clock::start(),
            endpoints: Vec::new(),
            resolver: Resolver::start(waker),
            signals,
            signalled: 0,
            next_sweep: Timestamp::ZERO,
        })
    }

    /// Binds an address and starts a host there; `make` gets the address with its real port.
    ///
    /// # Errors
    /// [`BindError`]
    pub fn add(
        &mut self,
        bind: SocketAddr,
        make: impl FnOnce(SocketAddr) -> Config,
    ) -> Result<usize, BindError> {
        let nth = self.endpoints.len();
        let now = self.clock.now();
        let epoch_ms = self.clock.epoch_ms();
        let make = |local| Config {
            epoch_ms,
            ..make(local)
        };
        let registry = self.poll.registry();
        let endpoint = Endpoint::open(nth, bind, make, registry, now)?;
        self.endpoints.push(endpoint);
        Ok(nth)
    }

    /// The hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.endpoints.iter().map(|endpoint| &endpoint.host)
    }

    /// Has all hosts leave the ring.
    pub fn leave(&mut self) {
        let now = self.clock.now();
        for endpoint in &mut self.endpoints {
            endpoint.host.leave(now);
        }
    }

    /// Waits for at most `max_wait`, and does what is to be done.
    ///
    /// # Errors
    /// If the operating system cannot wait, which ends everything.
    pub fn turn(&mut self, max_wait: Duration) -> io::Result<Turn> {
        let mut turn = Turn::default();
        let now = self.clock.now();
        // What was asked of the hosts since the last turn.
        self.carry_out(now, &mut turn);
        let deadline = self.endpoints.iter().map(|e| e.host.next_deadline()).min();
        let wait = if self.endpoints.iter().any(Endpoint::has_more) {
            Duration::ZERO
        } else {
            max_wait.min(deadline.unwrap_or(Timestamp::NEVER).since(now))
        };
        match self.poll.poll(&mut self.ready, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = self.clock.now();
        self.dispatch(now);
        for endpoint in &mut self.endpoints {
            endpoint.receive(now);
            let registry = self.poll.registry();
            endpoint.receive_frames(registry, &self.resolver, now, &mut turn.events);
            if endpoint.host.next_deadline() <= now {
                endpoint.host.tick(now);
            }
        }
        self.carry_out(now, &mut turn);
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            for endpoint in &mut self.endpoints {
                endpoint.close_idle(self.poll.registry(), now);
            }
        }
        turn.signals = self.signalled;
        Ok(turn)
    }

    fn dispatch(&mut self, now: Timestamp) {
        for event in &self.ready {
            match event.token() {
                WAKER => {
                    for answer in self.resolver.answers() {
                        if let Some(endpoint) = self.endpoints.get_mut(answer.endpoint) {
                            endpoint.host.resolved(&answer.host, answer.ip, now);
                        }
                    }
                }
                SIGNALS => self.signalled += self.signals.take(),
                Token(token) => {
                    if let Some(endpoint) = self.endpoints.get_mut(token / TOKENS) {
                        endpoint.ready(token % TOKENS, self.poll.registry(), now);
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, now: Timestamp, turn: &mut Turn) {
        for endpoint in &mut self.endpoints {
            let registry = self.poll.registry();
            endpoint.carry_out(registry, &self.resolver, now, &mut turn.events);
        }
    }
}
