//! Traffic: client connections, exchanges and backend connections; what makes an exchange step, and
//! how it ends.
//!
//! [`Traffic::drive`] is the only loop. An exchange requests everything it needs of the rest (a
//! backend, a place in the queue, an end) by a [`Step`]; a failure is a step too, so nothing has to
//! remember to drive on after one. Does not know the phases of a turn, health checks or heartbeats.

use super::client_conn::ClientConn;
use super::clients::TURN_PATIENCE;
use super::codec::Codec;
use super::connections::{Connections, Lent};
use super::continuity::{Continuity, Superseded};
use super::exchange::{
    Attempt, AttemptEnd, CloseMode, Cut, Exchange, ExchangeIo, Phase, Step, TimeoutStatus,
    source_of,
};
use super::exchange_log::ExchangeLog;
use super::handshakes::Handshakes;
use super::network::Network;
use super::outbox::Outbox;
use super::run_queue::{RunQueue, Runnable};
use super::timers::Timers;
use super::worker_message::Message;
use crate::error::Fault;
use crate::ids::{ClientConnTag, ExchangeId, Table};
use crate::pool::{ConnectSpec, PoolId, Pools, Sources};
use crate::strategy::{BackendId, Outcome};
use crate::telemetry::ServedBy;
use crate::time::Timestamp;
use crate::tls::Vault;
use crate::transport::{IoContext, Transport};
use std::mem;

/// The connections and exchanges of a loop, and everything they need.
pub(super) struct Traffic<N: Network> {
    pub(super) network: N,
    pub(super) pools: Pools,
    pub(super) conns: Connections<N>,
    pub(super) codec: Codec,
    pub(super) io: IoContext<N::Pipes>,
    pub(super) timers: Timers,
    pub(super) run_queue: RunQueue,
    pub(super) log: ExchangeLog,
    pub(super) outbox: Outbox,
    pub(super) continuity: Continuity,
    pub(super) superseded: Superseded,
    pub(super) handshakes: Handshakes,
    /// Shared by all connections with TLS.
    pub(super) vault: Vault,
}

/// Stepping.
impl<N: Network> Traffic<N> {
    /// Does all that can be done for an exchange now.
    pub(super) fn drive(&mut self, id: ExchangeId, now: Timestamp) {
        self.drive_from(Step::Continue, id, now);
    }

    /// Ends the attempt under way by `fault`, and does all that can be done then.
    pub(super) fn fail(&mut self, id: ExchangeId, fault: Fault, now: Timestamp) {
        self.drive_from(Step::Failed(fault), id, now);
    }

    /// Takes a step of an exchange, and does all that can be done then. One that has ended waits.
    pub(super) fn drive_from(&mut self, mut step: Step, id: ExchangeId, now: Timestamp) {
        loop {
            step = match step {
                Step::Wait => return,
                Step::Yield => return self.resume_later(id),
                Step::Continue => self.step(id, now, Exchange::step),
                Step::Dispatch => self.dispatch(id, now),
                Step::ReleaseBackend => {
                    self.release_early(id, now);
                    Step::Continue
                }
                Step::Finished => return self.finish(id, now),
                Step::Failed(fault) => self.handle_failure(id, fault, now),
            };
        }
    }

    /// Lets an exchange do `work`, and moves its deadline if it waits then for something else, or
    /// bytes have moved.
    #[inline]
    pub(super) fn step(
        &mut self,
        id: ExchangeId,
        now: Timestamp,
        work: impl FnOnce(
            &mut Exchange<N::Pipe>,
            &mut ExchangeIo<'_, N>,
            &mut IoContext<N::Pipes>,
            Timestamp,
        ) -> Step,
    ) -> Step {
        let Some(lent) = self.conns.lend(id) else {
            return Step::Wait;
        };
        let exchange = lent.exchange;
        let mut io = ExchangeIo {
            client: lent.client,
            backend: lent.backend,
            pool: self.pools.get_mut(exchange.pool),
            codec: &mut self.codec,
            continuity: self.continuity,
        };
        let step = work(exchange, &mut io, &mut self.io, now);
        if let Step::Wait | Step::Yield = step
            && let Some(at) = exchange.renew_timeout(&io, now)
        {
            self.timers.set(id, at);
        }
        step
    }

    /// Puts an exchange into the run queue: once, however many reasons there are.
    fn resume_later(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id)
            && !mem::replace(&mut exchange.is_runnable, true)
        {
            self.run_queue.push_yielded(Runnable::Exchange(id));
        }
    }

    /// Has what an event of an exchange announced done in its turn. If the exchange is in the run
    /// queue, that turn comes.
    pub(super) fn resume_soon(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id)
            && !mem::replace(&mut exchange.is_runnable, true)
        {
            self.run_queue.push_new(Runnable::Exchange(id));
        }
    }

    /// The turn of an exchange in the run queue has come.
    pub(super) fn resume_exchange(&mut self, id: ExchangeId, now: Timestamp) {
        if let Some(exchange) = self.conns.exchanges.get_mut(id) {
            exchange.is_runnable = false;
            self.drive(id, now);
        }
    }

    /// The deadline of an exchange is over, or that of a measurement which is part of it.
    pub(super) fn exchange_due(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(lent) = self.conns.lend(id) else {
            return;
        };
        if lent.exchange.is_runnable {
            return self.timers.set(id, now + TURN_PATIENCE);
        }
        let min_rate = lent.client.listener.limits.min_body_rate.unwrap_or(0);
        match lent.exchange.check_timeout(min_rate, now) {
            None => {}
            Some(TimeoutStatus::Until(at)) => self.timers.set(id, at),
            Some(TimeoutStatus::Expired(_)) if lent.exchange.response_sent => {
                // It has been served.
                lent.exchange.upload_stopped = true;
                self.drive(id, now);
            }
            Some(TimeoutStatus::Expired(fault)) => self.fail(id, fault, now),
        }
    }
}

/// The end of attempts and exchanges.
impl<N: Network> Traffic<N> {
    /// The backend has delivered: settles the lease, and its connection may serve others even if
    /// the client has not taken everything yet.
    #[inline(always)]
    fn release_backend(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let Attempt::At {
            mut lease, conn, ..
        } = mem::replace(&mut exchange.attempt, Attempt::None)
        else {
            return;
        };
        let outcome = exchange.outcome(AttemptEnd::Delivered, lease.dispatched_at(), now);
        let pool = self.pools.get_mut(exchange.pool);
        if pool.backends.asks_for_source(outcome) {
            let from = sources(exchange, &self.conns.clients, &pool.connect);
            pool.backends.attribute(&mut lease, outcome, from, now);
        }
        // A connection that began with a PROXY header speaks for one client only.
        let keeps = exchange.keeps_backend_conn() && pool.connect.send_proxy.is_none();
        pool.backends.settle(lease, outcome, now);
        match keeps {
            true => self.keep_backend(conn, now),
            false => self.close_backend(conn),
        }
    }

    #[inline(never)]
    fn release_early(&mut self, id: ExchangeId, now: Timestamp) {
        self.release_backend(id, now);
    }

    /// Ends an exchange for good.
    pub(super) fn finish(&mut self, id: ExchangeId, now: Timestamp) {
        self.release_backend(id, now);
        self.timers.clear(id);
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let client = exchange.client;
        if let Some(conn) = self.conns.clients.get(client) {
            let record = exchange.record(conn.address, now);
            let (pool, pools) = (exchange.pool, &self.pools);
            let name = |id| pools.get(pool).backends.name(id);
            let served_by = || ServedBy {
                pool: pools.name(pool),
                backend: record.backend.and_then(name),
            };
            self.log
                .record(&record, || exchange.request_texts(), served_by, now);
        }
        if exchange.stats.is_held {
            exchange.end_hold(self.pools.get_mut(exchange.pool));
        }
        let close_mode = exchange.close_mode();
        exchange.release(&mut self.io);
        self.conns.exchanges.remove(id);
        match close_mode {
            CloseMode::Keep if self.continuity == Continuity::Unchanged => {
                self.await_request(client, now);
            }
            CloseMode::Keep => self.await_request_renewed(client, now),
            CloseMode::Linger => self.linger(client, now),
            CloseMode::Graceful if self.conns.has_input(client) => self.linger(client, now),
            CloseMode::Graceful => self.conns.finish_client(client, &mut self.io.buffers),
            CloseMode::Abrupt => self.conns.close_client(client, &mut self.io.buffers),
        }
    }

    /// Ends the attempt under way, and says what comes next: another backend, a local reply, or the
    /// end, after which nothing is to be done.
    fn handle_failure(&mut self, id: ExchangeId, fault: Fault, now: Timestamp) -> Step {
        let end = self.end_attempt(id, fault, now);
        let Some(Lent {
            exchange, client, ..
        }) = self.conns.lend(id)
        else {
            return Step::Wait;
        };
        exchange.stats.fault = Some(fault);
        let is_gone = client.conn.socket.is_broken();
        let pool = self.pools.get_mut(exchange.pool);
        let limits = pool.limits;
        if let Some(end) = end
            && !is_gone
            && exchange.may_retry(fault, exchange.max_retries(limits.max_retries))
            && (!end.costs_budget() || pool.retry_budget.spend(limits.retry_budget_percent, now))
        {
            return exchange.retry(end);
        }
        let status = exchange.local_status(fault).filter(|_| !is_gone);
        if let Some(status) = status {
            let buffers = &mut self.io.buffers;
            let date = match client.listener.forward.adds_date() {
                true => self.codec.date.at(now),
                false => b"",
            };
            let is_last = self.continuity.closes(&client.listener);
            return exchange.reply(fault, status, date, is_last, buffers);
        }
        if exchange.cut() == Cut::Reset {
            client.conn.socket.reset_on_close();
        }
        self.finish(id, now);
        Step::Wait
    }

    /// Gives the lease back and closes the connection. `None` if no attempt was under way.
    fn end_attempt(&mut self, id: ExchangeId, fault: Fault, now: Timestamp) -> Option<AttemptEnd> {
        let exchange = self.conns.exchanges.get_mut(id)?;
        let pool = self.pools.get_mut(exchange.pool);
        let (mut lease, conn, reused) = match mem::replace(&mut exchange.attempt, Attempt::None) {
            Attempt::None => return None,
            Attempt::Queued => {
                pool.queue.leave();
                return None;
            }
            Attempt::At {
                lease,
                conn,
                reused,
            } => (lease, conn, reused),
        };
        exchange.stats.refused += u16::from(fault == Fault::ConnectFailed);
        let end = exchange.attempt_end(fault, reused);
        let outcome = exchange.outcome(end, lease.dispatched_at(), now);
        if pool.backends.asks_for_source(outcome) {
            let from = sources(exchange, &self.conns.clients, &pool.connect);
            pool.backends.attribute(&mut lease, outcome, from, now);
        }
        if outcome != Outcome::Inconclusive {
            exchange.attempted.add(lease.backend());
        }
        if matches!(exchange.phase, Phase::Tunnel { .. })
            && let Some(conn) = self.conns.backends.get_mut(conn)
        {
            conn.conn.socket.reset_on_close();
        }
        pool.backends.settle(lease, outcome, now);
        self.close_backend(conn);
        Some(end)
    }

    /// Gives the exchanges that wait for a response of this backend to another one, each in its
    /// turn, where that is allowed and there is one. The others wait on: it may still respond.
    pub(super) fn redispatch_waiting(&mut self, pool: PoolId, backend: BackendId, now: Timestamp) {
        for id in self.conns.exchanges.ids() {
            if self.may_redispatch(id, pool, backend, now) {
                let runnable = Runnable::Redispatch(id, pool, backend);
                self.run_queue.push_new(runnable);
            }
        }
    }

    /// Returns whether an exchange that is at this backend may be evidence against it: one that was
    /// redispatched may itself be what takes long.
    pub(super) fn is_blamed(&self, pool: PoolId, backend: BackendId) -> bool {
        let mut exchanges = self.conns.exchanges.iter();
        exchanges.any(|(_, exchange)| {
            let is_there = exchange.pool == pool && exchange.backend() == Some(backend);
            is_there && !exchange.stats.is_redispatched
        })
    }

    /// Gives an exchange to another backend, if it still waits for this one.
    pub(super) fn redispatch(
        &mut self,
        id: ExchangeId,
        pool: PoolId,
        backend: BackendId,
        now: Timestamp,
    ) {
        if self.may_redispatch(id, pool, backend, now) {
            if let Some(exchange) = self.conns.exchanges.get_mut(id) {
                exchange.attempted.add(backend);
                exchange.stats.is_redispatched = true;
            }
            self.fail(id, Fault::BackendGone, now);
        }
    }

    /// Returns whether an exchange waits for a response of this backend, and another may be tried
    /// instead.
    fn may_redispatch(
        &mut self,
        id: ExchangeId,
        pool: PoolId,
        backend: BackendId,
        now: Timestamp,
    ) -> bool {
        let Some(Lent {
            exchange, client, ..
        }) = self.conns.lend(id)
        else {
            return false;
        };
        let waits = exchange.pool == pool && exchange.may_leave(backend);
        let of = self.pools.get_mut(pool);
        waits
            && of
                .backends
                .has_another(backend, exchange.attempted.as_slice())
            && of.retry_budget.is_left(of.limits.retry_budget_percent, now)
            && !client.conn.socket.is_broken()
            && {
                let retries = exchange.max_retries(of.limits.max_retries);
                exchange.may_retry(Fault::BackendGone, retries)
            }
    }

    /// Keeps a message for the other workers, if there are any.
    pub(super) fn tell_others(&mut self, pool: PoolId, message: Message) {
        if self.pools.get(pool).backends.is_shared() {
            self.outbox.message(message);
        }
    }
}

/// What an exchange came from, should its failure follow that.
#[cold]
fn sources<T: Transport, Pipe>(
    exchange: &Exchange<Pipe>,
    clients: &Table<ClientConnTag, ClientConn<T>>,
    connect: &ConnectSpec,
) -> Sources {
    // A connection of a proxy carries the requests of many clients.
    let (client, connection) = match exchange.stats.named_client_key {
        0 => {
            let peer = clients.get(exchange.client);
            let client = peer.map_or(0, |peer| source_of(peer.address));
            (client, exchange.client.to_bits())
        }
        named => (u64::from(named), 0),
    };
    Sources {
        client,
        connection,
        // A PROXY header stands before the request line.
        target: match connect.send_proxy {
            None => exchange.target(),
            Some(_) => 0,
        },
        key: 0,
    }
}
