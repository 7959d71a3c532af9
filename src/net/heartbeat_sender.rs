//! The loop that sends heartbeats: waits until one is due, samples the vitals, sends to every
//! balancer.
//!
//! [`SendSchedule`] decides when something is due, [`Heartbeat`] is the message, a link per
//! balancer sends it. Names are resolved again on another thread. The loop sleeps in between.

use super::heartbeat_link::{HeartbeatLink, Reachability};
use super::heartbeat_resolver::Resolver;
use super::poll::{events, no_events};
use super::resolve::resolve;
use super::{BindError, BindErrorKind};
use crate::address::Address;
use crate::clock::Clock;
use crate::config::{BackendAddress, HostPort, SenderConfig};
use crate::heartbeat::{Heartbeat, Load, ProcessState, SendDue, SendSchedule};
use crate::time::Timestamp;
use mio::{Events, Poll, Token, Waker};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 64;
/// Interval of resolving names again. A balancer that moved is reached twice within ten seconds.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(4);

/// The condition of a server, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Load of its host, if known.
    pub load: Option<Load>,
    /// State of the watched process, if one is.
    pub process: Option<ProcessState>,
}

/// Sends heartbeats for one server.
#[derive(Debug)]
pub struct HeartbeatSender {
    poll: Poll,
    clock: Clock,
    config: SenderConfig,
    links: Vec<HeartbeatLink>,
    /// Balancers that are given by name may move.
    resolver: Resolver,
    schedule: SendSchedule,
    /// Heartbeats still to be sent.
    left: Option<u64>,
    handle: SenderHandle,
}

/// Ends a sender from any thread.
#[derive(Clone, Debug)]
pub struct SenderHandle {
    is_stopping: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl SenderHandle {
    /// Tells the sender to end. Returns at once.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        // Fails if the sender has ended.
        let _ = self.waker.wake();
    }
}

impl HeartbeatSender {
    /// Resolves the names of the balancers.
    ///
    /// # Errors
    /// A name has no address, or the system refuses to report events.
    pub fn new(config: SenderConfig) -> Result<Self, BindError> {
        Self::with_resolution(config, RESOLVE_INTERVAL, addresses_of)
    }

    /// The same with other means to resolve a name, every `interval`.
    fn with_resolution(
        config: SenderConfig,
        interval: Duration,
        resolve: impl Fn(&HostPort) -> Result<Vec<SocketAddr>, BindError> + Send + 'static,
    ) -> Result<Self, BindError> {
        let targets = config.targets().iter().enumerate();
        let links = targets.map(|(nth, target)| {
            let addresses = resolve(target)?;
            let (by_tcp, token) = (config.by_tcp, Token(nth));
            Ok(HeartbeatLink::new(target.clone(), addresses, by_tcp, token))
        });
        let links = links.collect::<Result<_, BindError>>()?;
        let (poll, waker) = events().map_err(no_events)?;
        let waker = Arc::new(waker);
        let resolver = Resolver::start(config.targets(), interval, resolve, Arc::clone(&waker));
        let resolver = resolver.map_err(|error| {
            let problem = format!("the system refuses another thread: {error}");
            let remedy = "raise the limit of processes (ulimit -u)";
            BindError::new(BindErrorKind::System, problem, remedy).with_source(error)
        })?;
        let clock = Clock::start();
        Ok(Self {
            poll,
            links,
            resolver,
            schedule: SendSchedule::new(config.interval(), clock.now()),
            clock,
            left: config.count,
            config,
            handle: SenderHandle {
                is_stopping: Arc::default(),
                waker,
            },
        })
    }

    /// Ends it from any thread.
    #[must_use]
    pub fn handle(&self) -> SenderHandle {
        self.handle.clone()
    }

    /// Sends until all heartbeats are sent or it is stopped. `vitals` is called before each
    /// heartbeat, and `tell` when a balancer cannot be reached any more, or can be again. Returns
    /// whether all of them were reached at the end.
    ///
    /// # Errors
    /// The system failed to report events. Nothing that balancers do leads here.
    pub fn run(
        mut self,
        mut vitals: impl FnMut() -> Vitals,
        mut tell: impl FnMut(Reachability),
    ) -> io::Result<bool> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            self.wait(&mut events)?;
            if self.handle.is_stopping.load(Ordering::Acquire) {
                break;
            }
            let now = self.clock.now();
            for event in &events {
                let link = self.links.get_mut(event.token().0);
                link.and_then(|link| link.ready())
                    .into_iter()
                    .for_each(&mut tell);
            }
            self.follow_moves(now, &mut tell);
            match self.schedule.due(self.clock.wall(), now) {
                Some(SendDue::Fresh(_)) if self.left == Some(0) => break,
                Some(SendDue::Fresh(sent_at)) => self.send(vitals(), sent_at, now, &mut tell),
                Some(SendDue::Repetition) => self.repeat(now, &mut tell),
                None => {}
            }
        }
        let now = self.clock.now();
        for link in &mut self.links {
            link.confirm(now).into_iter().for_each(&mut tell);
        }
        Ok(self.links.iter().all(HeartbeatLink::is_reached))
    }

    /// Waits for events, no longer than until something is due.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.schedule.next().since(self.clock.now());
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Sends the last heartbeat to balancers that have moved, at once: the next may be a minute
    /// off.
    fn follow_moves(&mut self, now: Timestamp, mut tell: impl FnMut(Reachability)) {
        let registry = self.poll.registry();
        for (nth, addresses) in self.resolver.take() {
            if let Some(link) = self.links.get_mut(nth)
                && link.resolved(addresses)
            {
                link.repeat(registry, now).into_iter().for_each(&mut tell);
            }
        }
    }

    fn send(
        &mut self,
        vitals: Vitals,
        sent_at: Duration,
        now: Timestamp,
        tell: impl FnMut(Reachability),
    ) {
        let config = &self.config;
        let heartbeat = Heartbeat {
            name: config.name.clone(),
            address: config.address.clone(),
            interval: config.interval(),
            load: vitals.load,
            process: vitals.process,
            sent_at,
        };
        let message = heartbeat.encode(config.key.as_ref());
        let registry = self.poll.registry();
        let links = self.links.iter_mut();
        let news = links.filter_map(|link| link.send(&message, registry, now));
        news.for_each(tell);
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    fn repeat(&mut self, now: Timestamp, tell: impl FnMut(Reachability)) {
        let registry = self.poll.registry();
        let links = self.links.iter_mut();
        let news = links.filter_map(|link| link.repeat(registry, now));
        news.for_each(tell);
    }
}

fn addresses_of(target: &HostPort) -> Result<Vec<SocketAddr>, BindError> {
    let found = resolve(&BackendAddress::Tcp(target.clone()));
    let found = found.map_err(|error| error.with_flag("--to"))?;
    Ok(found.iter().filter_map(Address::tcp).collect())
}

#[cfg(test)]
mod tests;
