//! From a request to a connection: picking a backend, the queue, and connections to backends.

use super::Progress;
use super::backend_conn::{AddressTry, BackendConn, BackendConnState};
use super::exchange::{Attempt, Exchange, Phase, Reuse, Step};
use super::network::Network;
use super::traffic::Traffic;
use crate::error::{Fault, is_local_shortage, is_out_of_ports, is_without_room};
use crate::ids::{BackendConnId, ExchangeId};
use crate::pool::{Lease, PoolId};
use crate::strategy::{BackendId, Outcome};
use crate::time::Timestamp;
use crate::transport::Readiness;
use std::io;
use std::time::Duration;

/// The result of looking for a backend.
enum Dispatched {
    /// The exchange has a backend and a connection, which may still be opening.
    Attached,
    /// The backends that could serve it are at their limits: it waits in the queue.
    Queued,
}

/// From a request to a connection.
impl<N: Network> Traffic<N> {
    /// Finds a backend for an exchange, or a place in the queue. A newcomer waits behind those that
    /// wait already.
    pub(super) fn dispatch(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        let Some(exchange) = self.conns.exchanges.get(id) else {
            return Step::Wait;
        };
        let (pool, phase) = (exchange.pool, exchange.phase);
        let dispatched = match self.pools.get(pool).queue.is_empty() {
            true => self.try_dispatch(id, now),
            false => Ok(Dispatched::Queued),
        };
        match dispatched {
            // Nothing can have come yet on a connection that is new, or was idle.
            Ok(Dispatched::Attached) if phase == Phase::AwaitingHead => self.begin_upload(id, now),
            Ok(Dispatched::Attached) => Step::Continue,
            Ok(Dispatched::Queued) => self.enqueue(id, pool, now),
            Err(fault) => Step::Failed(fault),
        }
    }

    fn begin_upload(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        self.step(id, now, Exchange::upload)
    }

    fn enqueue(&mut self, id: ExchangeId, pool: PoolId, now: Timestamp) -> Step {
        let exchanges = &self.conns.exchanges;
        let is_waiting = |id| exchanges.get(id).is_some_and(Exchange::is_queued);
        let pool = self.pools.get_mut(pool);
        let limit = pool.limits.queue_limit;
        if !pool.queue.join(id, limit, is_waiting) {
            return Step::Failed(Fault::QueueFull);
        }
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            exchange.attempt = Attempt::Queued;
            exchange.stats.enter_queue(now);
        }
        Step::Continue
    }

    /// Serves the queue of a pool as far as there is room, up to `limit` exchanges.
    pub(super) fn serve_queue_of(
        &mut self,
        pool: PoolId,
        limit: usize,
        now: Timestamp,
    ) -> Progress {
        let queue = &mut self.pools.get_mut(pool).queue;
        queue.accept_call();
        let mut progress = Progress::all(!queue.is_empty());
        let mut left = limit;
        loop {
            if left == 0 {
                progress = Progress::More;
                break;
            }
            left -= 1;
            let exchanges = &self.conns.exchanges;
            let is_waiting = |id| exchanges.get(id).is_some_and(Exchange::is_queued);
            let Some(id) = self.pools.get_mut(pool).next_waiting(is_waiting) else {
                break;
            };
            match self.try_dispatch(id, now) {
                Ok(Dispatched::Queued) => break,
                Ok(Dispatched::Attached) => {
                    self.pools.get_mut(pool).queue.served();
                    if let Some(exchange) = self.conns.exchanges.get_mut(id) {
                        exchange.stats.leave_queue(now);
                    }
                    self.drive(id, now);
                }
                Err(fault) => self.fail(id, fault, now),
            }
        }
        let worker = self.pools.get_mut(pool).worker_to_wake();
        self.outbox.wake(worker);
        progress
    }

    /// Picks a backend for an exchange and attaches a connection, which may still be opening.
    ///
    /// # Errors
    /// There is no backend to pick, or none of those picked could be reached.
    fn try_dispatch(&mut self, id: ExchangeId, now: Timestamp) -> Result<Dispatched, Fault> {
        loop {
            let Some(exchange) = self.conns.exchanges.get_mut(id) else {
                return Ok(Dispatched::Attached);
            };
            let pool = self.pools.get_mut(exchange.pool);
            let attempted = exchange.attempted.as_slice();
            let picked = pool.pick(exchange.key, exchange.affinity, attempted, now);
            let Some(lease) = picked else {
                let waits = pool.backends.is_full(attempted) || pool.backends.is_vacant();
                if waits {
                    return Ok(Dispatched::Queued);
                }
                if pool.backends.take_invalid_pick() {
                    return Err(Fault::InvalidPick);
                }
                return Err(exchange.stats.fault.unwrap_or(Fault::NoBackend));
            };
            let backend = lease.backend();
            self.log.metrics.picked(backend);
            if exchange.stats.backend.is_none() {
                pool.retry_budget.request(now);
            }
            if let Some((failed_at, fault)) = exchange.stats.begin_attempt(backend) {
                self.log.metrics.retried(failed_at, fault);
            }
            exchange.name_backend(|| pool.backends.address(backend));
            let (pool, reuse) = (exchange.pool, exchange.reuse());
            if let Some(conn) = self.take_idle(id, pool, backend, reuse) {
                self.attach(id, lease, conn, true);
                return Ok(Dispatched::Attached);
            }
            let at = AddressTry::from(self.pools.get(pool).connect.preferred(backend));
            match self.connect(pool, backend, at, id, now) {
                Ok(conn) => {
                    self.attach(id, lease, conn, false);
                    return Ok(Dispatched::Attached);
                }
                Err(error) => self.connect_failed_at_once(id, pool, lease, &error, now)?,
            }
        }
    }

    fn attach(&mut self, id: ExchangeId, lease: Lease, conn: BackendConnId, reused: bool) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            if exchange.stats.is_held {
                exchange.end_hold(self.pools.get_mut(exchange.pool));
            }
            exchange.attempt = Attempt::At {
                lease,
                conn,
                reused,
            };
        }
    }

    /// Takes an idle connection to a backend, which costs no system call unless the system is to be
    /// asked first.
    fn take_idle(
        &mut self,
        id: ExchangeId,
        pool: PoolId,
        backend: BackendId,
        reuse: Reuse,
    ) -> Option<BackendConnId> {
        if reuse == Reuse::Never {
            return None;
        }
        loop {
            let id_of_conn = self.pools.get_mut(pool).idle.pop(backend)?;
            let conn = self.conns.backends.get_mut(id_of_conn)?;
            // It has left the stack of idle connections.
            conn.state = BackendConnState::Busy(id);
            if reuse == Reuse::Any || conn.conn.socket.is_quiet(&mut self.io.scratch) {
                return Some(id_of_conn);
            }
            self.close_backend(id_of_conn);
        }
    }

    /// Opens a connection to a backend, beginning with its address at `at`.
    fn connect(
        &mut self,
        pool: PoolId,
        backend: BackendId,
        at: AddressTry,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> io::Result<BackendConnId> {
        let of = self.pools.get(pool);
        let addresses = of.connect.addresses(backend);
        let make =
            |stream, address| BackendConn::new(stream, (pool, backend), address, exchange, now);
        let network = &mut self.network;
        let conn = self.conns.connect(network, addresses, at, make)?;
        self.timers.set(conn, now + of.limits.connect_timeout);
        Ok(conn)
    }

    /// A connection was refused before it was under way. A backend that has no room for it at this
    /// moment is passed over for as long.
    ///
    /// # Errors
    /// It is not the backend's doing: the system has no room for another connection.
    fn connect_failed_at_once(
        &mut self,
        id: ExchangeId,
        pool: PoolId,
        lease: Lease,
        error: &io::Error,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let pool = self.pools.get_mut(pool);
        let (backends, backend) = (&mut pool.backends, lease.backend());
        let patience = match is_out_of_ports(error) {
            // That is no fault of the backend, however long it lasts.
            true => Some(Duration::MAX),
            false => is_without_room(error).then_some(pool.limits.connect_timeout),
        };
        if patience.is_some_and(|patience| backends.congested(backend, patience, now)) {
            if let Some(exchange) = self.conns.exchanges.get_mut(id) {
                exchange.stats.withdraw_attempt();
            }
            self.log.metrics.withdrawn(backend);
            backends.settle(lease, Outcome::Inconclusive, now);
            return Ok(());
        }
        if is_local_shortage(error) {
            backends.settle(lease, Outcome::Inconclusive, now);
            return Err(Fault::Overloaded);
        }
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            exchange.attempted.add(backend);
            exchange.stats.refused += 1;
            exchange.stats.fault = Some(Fault::ConnectFailed);
        }
        backends.settle(lease, Outcome::Unreachable, now);
        Ok(())
    }
}

/// Backend connections.
impl<N: Network> Traffic<N> {
    /// An event for a backend connection.
    pub(super) fn backend_ready(&mut self, id: BackendConnId, ready: Readiness, now: Timestamp) {
        let Some(backend) = self.conns.backends.get_mut(id) else {
            return;
        };
        backend.conn.socket.note(ready);
        match backend.state {
            BackendConnState::Connecting(exchange) if ready.broken => {
                self.connect_failed(id, exchange, Fault::ConnectFailed, now);
            }
            BackendConnState::Connecting(exchange) => {
                if ready.writable || ready.readable {
                    self.connected(exchange, now);
                }
                self.drive(exchange, now);
            }
            BackendConnState::Busy(exchange) => self.drive(exchange, now),
            // Closed by the backend, or unsolicited bytes: of no use either way. But the event may
            // only announce bytes that were read before it came.
            BackendConnState::Idle { .. } => {
                if !backend.conn.socket.is_drained(&mut self.io.scratch) {
                    self.close_backend(id);
                }
            }
            BackendConnState::Closed => {}
        }
    }

    /// An event for a backend connection, when there is no time to move bytes.
    pub(super) fn backend_ready_later(
        &mut self,
        id: BackendConnId,
        ready: Readiness,
        now: Timestamp,
    ) {
        let Some(backend) = self.conns.backends.get_mut(id) else {
            return;
        };
        match backend.state {
            BackendConnState::Busy(exchange) => {
                backend.conn.socket.note(ready);
                self.resume_soon(exchange);
            }
            BackendConnState::Connecting(exchange) if !ready.broken => {
                backend.conn.socket.note(ready);
                if ready.writable || ready.readable {
                    self.connected(exchange, now);
                }
                self.resume_soon(exchange);
            }
            BackendConnState::Connecting(_)
            | BackendConnState::Idle { .. }
            | BackendConnState::Closed => self.backend_ready(id, ready, now),
        }
    }

    fn connected(&mut self, id: ExchangeId, now: Timestamp) {
        self.step(id, now, |exchange, io, _, now| {
            exchange.note_established(io, now);
            Step::Continue
        });
    }

    /// A connection could not be established, by `fault`. The other addresses of the backend come
    /// next, then other backends.
    fn connect_failed(
        &mut self,
        id: BackendConnId,
        exchange: ExchangeId,
        fault: Fault,
        now: Timestamp,
    ) {
        let Some(conn) = self.conns.backends.get(id) else {
            return;
        };
        let (pool, backend) = (conn.pool, conn.backend);
        let next = match conn.is_disowned() {
            // The round was over addresses that are not the backend's any more.
            true => AddressTry::from(self.pools.get(pool).connect.preferred(backend)),
            false => conn.address.next(),
        };
        match self.connect(pool, backend, next, exchange, now) {
            Ok(other) => {
                self.close_backend(id);
                if let Some(exchange) = self.conns.exchanges.get_mut(exchange)
                    && let Attempt::At { conn, .. } = &mut exchange.attempt
                {
                    *conn = other;
                }
                self.drive(exchange, now);
            }
            Err(_) => self.fail(exchange, fault, now),
        }
    }

    /// The deadline of a backend connection is over.
    pub(super) fn backend_due(&mut self, id: BackendConnId, now: Timestamp) {
        match self.conns.backends.get(id).map(|conn| conn.state) {
            Some(BackendConnState::Idle { .. }) => self.close_backend(id),
            Some(BackendConnState::Connecting(exchange)) => {
                self.connect_failed(id, exchange, Fault::ConnectTimeout, now);
            }
            // It was set for the connection to be established, or while it was idle.
            Some(BackendConnState::Busy(_) | BackendConnState::Closed) | None => {}
        }
    }

    /// Closes a backend connection at the end of this turn.
    pub(super) fn close_backend(&mut self, id: BackendConnId) {
        if let Some(conn) = self.conns.backends.get(id) {
            let idle = &mut self.pools.get_mut(conn.pool).idle;
            self.conns.close_backend(id, idle, &mut self.io.buffers);
        }
    }

    /// Keeps a backend connection for the next exchange, unless it is spoilt, there are enough, or
    /// there will be no next one.
    pub(super) fn keep_backend(&mut self, id: BackendConnId, now: Timestamp) {
        let Some(conn) = self.conns.backends.get_mut(id) else {
            return;
        };
        let backend = conn.backend;
        let pool = self.pools.get_mut(conn.pool);
        let has_room = pool.idle.len(backend) < pool.limits.max_idle_per_backend;
        let is_clean = conn.conn.unread.is_none()
            && !conn.conn.socket.is_read_closed()
            && !conn.conn.socket.is_broken()
            && conn.conn.socket.is_drained(&mut self.io.scratch);
        let is_wanted = !self.continuity.is_stopping()
            && !conn.is_disowned()
            && pool.backends.is_member(backend);
        if !(has_room && is_clean && is_wanted) {
            return self.close_backend(id);
        }
        let place = pool.idle.push(backend, id);
        conn.state = BackendConnState::Idle { place };
        self.timers.set(id, now + pool.limits.idle_timeout);
    }
}
