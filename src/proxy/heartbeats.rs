//! Heartbeats of the backends: where the [`Receiver`] meets sockets and the pool.
//!
//! Datagrams and connections are handed over by the loop that owns the listening sockets. What the
//! receiver finds out goes to the pool. The first of several workers receives for all.

use super::health_checks::HealthChecks;
use super::network::{Network, Token};
use super::run_queue::Runnable;
use super::timers::Timer;
use super::traffic::Traffic;
use crate::address::ClientAddress;
use crate::heartbeat::{
    BackendFinding, BackendNames, Clocks, HeartbeatConnId, HeartbeatEvent, HeartbeatFinding,
    HeartbeatKey, Receiver,
};
use crate::pool::{Backends, Pools, State};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use crate::transport::{Readiness, Transport};
use std::io;
use std::mem;
use std::time::Duration;

/// The heartbeats of all backends, if there is a receiver.
#[derive(Debug)]
pub(super) struct Heartbeats<T> {
    receiver: Option<Receiver<T>>,
    /// Time at which it has something to do.
    deadline: Deadline,
    /// True if it is in the run queue.
    is_queued: bool,
}

impl<T: Transport> Heartbeats<T> {
    /// Moves the deadlines of all connections later by `by`.
    pub(super) fn postpone(&mut self, by: Duration) {
        if let Some(receiver) = &mut self.receiver {
            receiver.postpone(by);
        }
    }

    /// Without a receiver.
    pub(super) const fn new() -> Self {
        Self {
            receiver: None,
            deadline: Deadline::new(),
            is_queued: false,
        }
    }

    /// Closes all connections.
    pub(super) fn stop(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.close_all();
        }
    }

    /// Forgets a backend that was removed.
    pub(super) fn forget(&mut self, backend: BackendId) {
        if let Some(receiver) = &mut self.receiver {
            receiver.forget(backend);
        }
    }

    /// Returns whether there are events to take.
    pub(super) fn has_events(&self) -> bool {
        self.receiver.as_ref().is_some_and(Receiver::has_events)
    }

    /// Returns whether the heartbeats of a backend are late enough for it to be suspect.
    pub(super) fn are_late(&self, backend: BackendId) -> bool {
        let receiver = self.receiver.as_ref();
        receiver.is_some_and(|receiver| receiver.is_suspect(backend))
    }
}

/// Input.
impl<T: Transport> Heartbeats<T> {
    /// Accepts heartbeats from now on, on up to `max_conns` connections too. With a `key`, all
    /// that are not signed with it are rejected.
    pub(super) fn receive(&mut self, key: Option<HeartbeatKey>, max_conns: usize, now: Timestamp) {
        self.receiver = Some(Receiver::new(key, max_conns, now));
    }

    /// Accepts heartbeats signed with this key from now on, or unsigned ones without one.
    pub(super) fn set_key(&mut self, key: Option<HeartbeatKey>) {
        if let Some(receiver) = &mut self.receiver {
            receiver.set_key(key);
        }
    }

    /// Takes a datagram.
    pub(super) fn datagram<N: Network<Stream = T>>(
        &mut self,
        (datagram, from): (&[u8], ClientAddress),
        traffic: &mut Traffic<N>,
        checks: &mut HealthChecks<T>,
        now: Timestamp,
    ) {
        let clocks = clocks(traffic, now);
        if let Some(receiver) = &mut self.receiver {
            let found = receiver.datagram(datagram, from, &traffic.pools, clocks);
            self.follow(found, traffic, checks, now);
        }
    }

    /// Takes over a connection that was accepted.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub(super) fn accepted<N: Network<Stream = T>>(
        &mut self,
        mut io: T,
        from: ClientAddress,
        traffic: &mut Traffic<N>,
        now: Timestamp,
    ) -> io::Result<()> {
        let receiver = self.receiver.as_mut();
        if let Some(receiver) = receiver.filter(|_| !traffic.continuity.is_stopping())
            && let Some(id) = receiver.make_room(from, now)
        {
            let token = Token::HeartbeatConn(id);
            traffic.network.register(&mut io, token)?;
            receiver.accepted(id, io, from, now);
            self.arm(traffic, now);
        }
        Ok(())
    }

    /// An event for a connection.
    pub(super) fn ready<N: Network<Stream = T>>(
        &mut self,
        (id, ready): (HeartbeatConnId, Readiness),
        traffic: &mut Traffic<N>,
        checks: &mut HealthChecks<T>,
        now: Timestamp,
    ) {
        let clocks = clocks(traffic, now);
        if let Some(receiver) = &mut self.receiver {
            let scratch = &mut traffic.io.scratch;
            let found = receiver.ready(id, ready, scratch, &traffic.pools, clocks);
            self.follow(found, traffic, checks, now);
        }
    }

    /// The timer has fired.
    pub(super) fn due<N: Network<Stream = T>>(
        &mut self,
        traffic: &mut Traffic<N>,
        checks: &mut HealthChecks<T>,
        now: Timestamp,
    ) {
        match self.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => traffic.timers.arm(Timer::Heartbeats, at),
            Fired::Due => self.run(traffic, checks, now),
        }
    }

    /// Does what is due: reads on, closes connections, looks at silent senders.
    pub(super) fn run<N: Network<Stream = T>>(
        &mut self,
        traffic: &mut Traffic<N>,
        checks: &mut HealthChecks<T>,
        now: Timestamp,
    ) {
        let clocks = clocks(traffic, now);
        self.is_queued = false;
        if let Some(receiver) = &mut self.receiver {
            let scratch = &mut traffic.io.scratch;
            let found = receiver.run(scratch, &traffic.pools, clocks);
            self.follow(found, traffic, checks, now);
        }
    }

    /// Defers what is due now to the run queue, so that more input is read first.
    fn arm<N: Network<Stream = T>>(&mut self, traffic: &mut Traffic<N>, now: Timestamp) {
        let next = self.receiver.as_ref().and_then(Receiver::next_wakeup);
        let next = next.unwrap_or(Timestamp::NEVER);
        if next > now {
            if let Some(at) = self.deadline.set(next) {
                traffic.timers.arm(Timer::Heartbeats, at);
            }
        } else if !mem::replace(&mut self.is_queued, true) {
            traffic.run_queue.push_yielded(Runnable::Heartbeats);
        }
    }

    fn follow<N: Network<Stream = T>>(
        &mut self,
        findings: impl IntoIterator<Item = BackendFinding>,
        traffic: &mut Traffic<N>,
        checks: &mut HealthChecks<T>,
        now: Timestamp,
    ) {
        for (backend, finding) in findings {
            let pools = &mut traffic.pools;
            if pools.get(backend.pool()).backends.state(backend).is_none() {
                self.forget(backend);
            }
            for backend in namesakes(pools, backend) {
                if finding == HeartbeatFinding::Suspect {
                    checks.hasten(backend, &mut traffic.timers, now);
                }
                let backends = &mut pools.get_mut(backend.pool()).backends;
                backends.heartbeats_show(backend, finding, now);
            }
        }
        self.arm(traffic, now);
    }
}

/// Output.
impl<T: Transport> Heartbeats<T> {
    /// Takes the events since the last time.
    pub(super) fn take_events(&mut self) -> Vec<HeartbeatEvent> {
        let receiver = self.receiver.as_mut();
        receiver.map_or_else(Vec::new, Receiver::take_events)
    }

    /// What receives them, if anything does.
    pub(super) const fn receiver(&self) -> Option<&Receiver<T>> {
        self.receiver.as_ref()
    }
}

fn clocks<N: Network>(traffic: &Traffic<N>, now: Timestamp) -> Clocks {
    Clocks {
        now,
        wall: traffic.log.wall_clock(now),
    }
}

/// This backend, and those of the same name in other pools: they are one server, of which one
/// sender tells.
fn namesakes(pools: &Pools, backend: BackendId) -> Vec<BackendId> {
    let name = pools.get(backend.pool()).backends.name(backend);
    let others = pools.ids().filter(|pool| *pool != backend.pool());
    let find = |pool| pools.get(pool).backends.find(name?);
    let others = others.filter_map(find);
    [backend].into_iter().chain(others).collect()
}

impl BackendNames for Pools {
    /// The first of that name, over all pools.
    fn find(&self, name: &str) -> Option<BackendId> {
        let mut ids = self.ids();
        ids.find_map(|pool| BackendNames::find(&self.get(pool).backends, name))
    }

    fn name(&self, backend: BackendId) -> Option<&str> {
        BackendNames::name(&self.get(backend.pool()).backends, backend)
    }
}

impl BackendNames for Backends {
    fn find(&self, name: &str) -> Option<BackendId> {
        self.find(name)
            .or_else(|| self.find_by_address(name))
            .or_else(|| self.find_only_of_host(name))
    }

    fn name(&self, backend: BackendId) -> Option<&str> {
        self.state(backend).filter(|s| *s != State::Removed)?;
        self.name(backend)
    }
}
