//! From a request to a connection: picking a backend, and finding or opening a link to it.

use super::Proxy;
use super::arena::{BackendConnId, ExchangeId};
use super::backend_conn::{BackendConn, BackendConnState};
use super::exchange::{Attempt, Exchange, Phase};
use super::network::{Network, Token};
use crate::error::{Fault, is_shortage};
use crate::pool::Lease;
use crate::strategy::{BackendId, Outcome};
use crate::time::Timestamp;
use std::io;

/// What came of trying to find a backend.
pub(super) enum Dispatched {
    /// The exchange has a backend and a link.
    Attached,
    /// Those who could serve it are at their limits: it waits, or has to.
    AllFull,
}

fn is_queued<Pipe>(exchange: Option<&Exchange<Pipe>>) -> bool {
    exchange.is_some_and(|exchange| matches!(exchange.attempt, Attempt::Queued))
}

impl<N: Network> Proxy<N> {
    /// Finds a backend for an exchange, or a place in the queue. Whoever comes while others wait
    /// waits behind them.
    ///
    /// # Errors
    /// As [`try_dispatch`](Self::try_dispatch), or the queue is full.
    pub(super) fn dispatch(&mut self, id: ExchangeId, now: Timestamp) -> Result<Dispatched, Fault> {
        if !self.queue.is_empty() {
            return self.enqueue(id, now);
        }
        match self.try_dispatch(id, now)? {
            Dispatched::Attached => Ok(Dispatched::Attached),
            Dispatched::AllFull => self.enqueue(id, now),
        }
    }

    fn enqueue(&mut self, id: ExchangeId, now: Timestamp) -> Result<Dispatched, Fault> {
        let limit = self.settings.limits.queue_limit;
        let exchanges = &self.conns.exchanges;
        let is_waiting = |id| is_queued(exchanges.get(id));
        if !self.queue.join(id, limit, is_waiting, now) {
            return Err(Fault::QueueFull);
        }
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            exchange.attempt = Attempt::Queued;
        }
        Ok(Dispatched::AllFull)
    }

    /// Gives those who wait what has become free. Returns whether anybody waited.
    pub fn serve_queue(&mut self, now: Timestamp) -> bool {
        if self.queue.is_unused() {
            return false;
        }
        self.queue.answer_call();
        let has_waited = !self.queue.is_empty();
        loop {
            let exchanges = &self.conns.exchanges;
            let Some(id) = self.queue.first(|id| is_queued(exchanges.get(id))) else {
                break;
            };
            match self.try_dispatch(id, now) {
                Ok(Dispatched::AllFull) => break,
                Ok(Dispatched::Attached) => self.queue.leave(),
                Err(fault) => self.fail(id, fault, now),
            }
            self.drive(id, now);
        }
        self.call = self.queue.call(|| self.pool.has_room());
        has_waited
    }

    /// Picks a backend for an exchange and gives it a connection, which may still be opening.
    ///
    /// # Errors
    /// There is nobody to pick, or everybody who was picked could not be reached.
    fn try_dispatch(&mut self, id: ExchangeId, now: Timestamp) -> Result<Dispatched, Fault> {
        loop {
            let Some(exchange) = self.conns.exchanges.get_mut(id) else {
                return Ok(Dispatched::Attached);
            };
            let attempted = exchange.attempted.as_slice();
            let affinity = exchange
                .affinity
                .filter(|affinity| !attempted.contains(affinity));
            let affinity = affinity.and_then(|affinity| self.pool.pick_by_affinity(affinity, now));
            let picked = affinity.or_else(|| self.pool.pick(exchange.key, attempted, now));
            let Some(lease) = picked else {
                if self.pool.is_full(attempted) {
                    return Ok(Dispatched::AllFull);
                }
                return Err(exchange.stats.fault.unwrap_or(Fault::NoBackend));
            };
            let backend = lease.backend();
            self.metrics.picked(backend);
            if exchange.stats.attempts == 0 {
                self.retry_budget.request(now);
            }
            if let Some((failed_at, fault)) = exchange.stats.begin_attempt(backend) {
                self.metrics.retried(failed_at, fault);
            }
            let reusable =
                matches!(exchange.phase, Phase::AwaitingHead) && !exchange.needs_new_link;
            let pooled = if reusable {
                self.take_idle(backend, id)
            } else {
                None
            };
            let link = match pooled {
                Some(link) => Ok(link),
                None => self.connect(backend, id, now),
            };
            match link {
                Ok(link) => {
                    self.attach(id, lease, link, pooled.is_some());
                    return Ok(Dispatched::Attached);
                }
                Err(error) if is_shortage(&error) => {
                    self.pool.settle(lease, Outcome::Inconclusive, now);
                    return Err(Fault::Overloaded);
                }
                Err(_) => self.could_not_connect(id, lease, now),
            }
        }
    }

    fn attach(&mut self, id: ExchangeId, lease: Lease, link: BackendConnId, reused: bool) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            exchange.attempt = Attempt::At {
                lease,
                link,
                reused,
            };
        }
    }

    /// Takes a link from the pool: changes two ids, makes no system call.
    fn take_idle(&mut self, backend: BackendId, exchange: ExchangeId) -> Option<BackendConnId> {
        let id = self.idle.pop(backend)?;
        let link = self.conns.backends.get_mut(id)?;
        link.state = BackendConnState::Busy(exchange);
        link.deadline.clear();
        Some(id)
    }

    /// Opens a connection to the first address of a backend that does not fail at once.
    fn connect(
        &mut self,
        backend: BackendId,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> io::Result<BackendConnId> {
        self.connect_from(backend, 0, exchange, now)
    }

    /// The same, beginning with the address at `first`.
    pub(super) fn connect_from(
        &mut self,
        backend: BackendId,
        first: usize,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> io::Result<BackendConnId> {
        let addresses = self.addresses.get(backend.slot());
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for (place, address) in addresses.into_iter().flatten().enumerate().skip(first) {
            match self.network.connect(address) {
                Ok(stream) => {
                    let link = BackendConn::new(stream, backend, place, exchange, now);
                    return self.insert_link(link, now);
                }
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn insert_link(
        &mut self,
        link: BackendConn<N::Stream>,
        now: Timestamp,
    ) -> io::Result<BackendConnId> {
        let id = self
            .conns
            .backends
            .insert_after(|deadline| BackendConn { deadline, ..link });
        if let Some(link) = self.conns.backends.get_mut(id) {
            let stream = link.conn.socket.io_mut();
            if let Err(error) = self.network.register(stream, Token::BackendConn(id)) {
                self.conns.remove_link(id);
                return Err(error);
            }
        }
        self.set_link_deadline(id, now + self.settings.timeouts.connect);
        Ok(id)
    }

    /// A connection was refused before it was under way.
    fn could_not_connect(&mut self, id: ExchangeId, lease: Lease, now: Timestamp) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            exchange.attempted.add(lease.backend());
            exchange.stats.refused += 1;
            exchange.stats.fault = Some(Fault::ConnectFailed);
        }
        self.pool.settle(lease, Outcome::Unreachable, now);
    }

    /// An event says that a link is established.
    pub(super) fn connected(&mut self, exchange: ExchangeId, now: Timestamp) {
        if let Some(io) = self.conns.io(exchange) {
            io.exchange.stats.connect_time = io.link.established(now);
            if matches!(io.exchange.phase, Phase::Tunnel { .. })
                && let Attempt::At { lease, .. } = &mut io.exchange.attempt
            {
                self.pool.proved(lease, now);
            }
        }
    }

    /// An event says that a link could not be established. The other addresses of the backend
    /// come next, then other backends.
    pub(super) fn connect_failed(
        &mut self,
        id: BackendConnId,
        exchange: ExchangeId,
        now: Timestamp,
    ) {
        let Some(link) = self.conns.backends.get(id) else {
            return;
        };
        let (backend, next) = (link.backend, link.address + 1);
        match self.connect_from(backend, next, exchange, now) {
            Ok(other) => {
                self.close_link(id);
                if let Some(exchange) = self.conns.exchanges.get_mut(exchange)
                    && let Attempt::At { link, .. } = &mut exchange.attempt
                {
                    *link = other;
                }
            }
            Err(_) => self.fail(exchange, Fault::ConnectFailed, now),
        }
    }
}
