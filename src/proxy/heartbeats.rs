//! Heartbeats of the backends: where the [`Receiver`] meets sockets and the pool.
//!
//! Datagrams and connections are handed over by the loop that owns the listening sockets. What the
//! receiver finds out goes to the pool. The first of several workers receives for all.

use super::Proxy;
use super::network::{Network, Token};
use super::run_queue::Runnable;
use super::timers::Timer;
use crate::address::ClientAddress;
use crate::heartbeat::{
    BackendFinding, BackendNames, Clocks, HeartbeatConnId, HeartbeatEvent, HeartbeatFinding,
    HeartbeatKey, Receiver,
};
use crate::pool::{Backends, Pools, State};
use crate::strategy::BackendId;
use crate::telemetry::Snapshot;
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
impl<N: Network> Proxy<N> {
    /// Accepts heartbeats from now on, on up to `max_conns` connections too. With a `key`, all
    /// that are not signed with it are rejected.
    pub fn receive_heartbeats(
        &mut self,
        key: Option<HeartbeatKey>,
        max_conns: usize,
        now: Timestamp,
    ) {
        self.heartbeats.receiver = Some(Receiver::new(key, max_conns, now));
    }

    /// Accepts heartbeats signed with this key from now on, or unsigned ones without one.
    pub(crate) fn set_heartbeat_key(&mut self, key: Option<HeartbeatKey>) {
        if let Some(receiver) = &mut self.heartbeats.receiver {
            receiver.set_key(key);
        }
    }

    /// Takes a datagram. The wall clock must have been [set](Self::set_wall_clock) lately.
    pub fn heartbeat_datagram(&mut self, datagram: &[u8], from: ClientAddress, now: Timestamp) {
        let clocks = self.clocks(now);
        if let Some(receiver) = &mut self.heartbeats.receiver {
            let backends = &self.traffic.pools;
            let found = receiver.datagram(datagram, from, backends, clocks);
            self.follow_findings(found, now);
        }
    }

    /// Takes over a connection that was accepted for heartbeats.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub fn heartbeat_conn_accepted(
        &mut self,
        mut io: N::Stream,
        from: ClientAddress,
        now: Timestamp,
    ) -> io::Result<()> {
        let receiver = self.heartbeats.receiver.as_mut();
        if let Some(receiver) = receiver.filter(|_| !self.traffic.continuity.is_stopping())
            && let Some(id) = receiver.make_room(from, now)
        {
            self.traffic
                .network
                .register(&mut io, Token::HeartbeatConn(id))?;
            receiver.accepted(id, io, from, now);
            self.arm_heartbeats(now);
        }
        Ok(())
    }

    /// An event for a heartbeat connection.
    pub(super) fn heartbeat_conn_ready(
        &mut self,
        id: HeartbeatConnId,
        ready: Readiness,
        now: Timestamp,
    ) {
        let clocks = self.clocks(now);
        if let Some(receiver) = &mut self.heartbeats.receiver {
            let backends = &self.traffic.pools;
            let scratch = &mut self.traffic.io.scratch;
            let found = receiver.ready(id, ready, scratch, backends, clocks);
            self.follow_findings(found, now);
        }
    }

    /// The timer of the heartbeats has fired.
    pub(super) fn heartbeats_due(&mut self, now: Timestamp) {
        match self.heartbeats.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.traffic.timers.arm(Timer::Heartbeats, at),
            Fired::Due => self.run_heartbeats(now),
        }
    }

    /// Does what is due: reads on, closes connections, looks at silent senders.
    pub(super) fn run_heartbeats(&mut self, now: Timestamp) {
        let clocks = self.clocks(now);
        self.heartbeats.is_queued = false;
        if let Some(receiver) = &mut self.heartbeats.receiver {
            let backends = &self.traffic.pools;
            let found = receiver.run(&mut self.traffic.io.scratch, backends, clocks);
            self.follow_findings(found, now);
        }
    }

    fn clocks(&self, now: Timestamp) -> Clocks {
        Clocks {
            now,
            wall: self.traffic.log.wall_clock(now),
        }
    }

    /// Defers what is due now to the run queue, so that more input is read first.
    fn arm_heartbeats(&mut self, now: Timestamp) {
        let receiver = self.heartbeats.receiver.as_ref();
        let next = receiver.and_then(Receiver::next_wakeup);
        let next = next.unwrap_or(Timestamp::NEVER);
        if next > now {
            if let Some(at) = self.heartbeats.deadline.set(next) {
                self.traffic.timers.arm(Timer::Heartbeats, at);
            }
        } else if !mem::replace(&mut self.heartbeats.is_queued, true) {
            self.traffic.run_queue.push_yielded(Runnable::Heartbeats);
        }
    }

    fn follow_findings(
        &mut self,
        findings: impl IntoIterator<Item = BackendFinding>,
        now: Timestamp,
    ) {
        for (backend, finding) in findings {
            let backends = &self.traffic.pools.get(backend.pool()).backends;
            if backends.state(backend).is_none()
                && let Some(receiver) = &mut self.heartbeats.receiver
            {
                receiver.forget(backend);
            }
            for backend in self.namesakes(backend) {
                if finding == HeartbeatFinding::Suspect {
                    self.check_soon(backend, now);
                }
                let backends = &mut self.traffic.pools.get_mut(backend.pool()).backends;
                backends.heartbeats_show(backend, finding, now);
            }
        }
        self.arm_heartbeats(now);
    }
}

impl<N: Network> Proxy<N> {
    /// This backend, and those of the same name in other pools: they are one server, of which one
    /// sender tells.
    fn namesakes(&self, backend: BackendId) -> Vec<BackendId> {
        let name = self
            .traffic
            .pools
            .get(backend.pool())
            .backends
            .name(backend);
        let others = self
            .traffic
            .pools
            .ids()
            .filter(|pool| *pool != backend.pool());
        let find = |pool| self.traffic.pools.get(pool).backends.find(name?);
        [backend]
            .into_iter()
            .chain(others.filter_map(find))
            .collect()
    }
}

/// Output.
impl<N: Network> Proxy<N> {
    /// Takes the events of heartbeats since the last time.
    pub fn take_heartbeat_events(&mut self) -> Vec<HeartbeatEvent> {
        let receiver = self.heartbeats.receiver.as_mut();
        receiver.map_or_else(Vec::new, Receiver::take_events)
    }

    /// Adds heartbeats to a snapshot.
    pub(super) fn report_heartbeats(&self, snapshot: &mut Snapshot, now: Timestamp) {
        let Some(receiver) = &self.heartbeats.receiver else {
            return;
        };
        snapshot.heartbeats = Some(receiver.counts());
        for (row, (candidate, _)) in snapshot.backends.iter_mut().zip(self.live_backends()) {
            row.heartbeat = receiver.report(candidate.id, now);
        }
    }
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
