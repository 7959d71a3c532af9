//! The end of an exchange: the backend is given back, the record is made, and the client asks
//! again or is seen off.

use super::Proxy;
use super::arena::{BackendConnId, ExchangeId};
use super::backend_conn::BackendConnState;
use super::exchange::{Attempt, Exchange, Phase};
use super::log_fields::LogFields;
use super::network::Network;
use crate::strategy::{BackendId, Outcome};
use crate::telemetry::Record;
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// What becomes of a client connection.
enum CloseMode {
    NextRequest,
    /// It has its last answer.
    Graceful,
    /// It has its last answer and may not know that it is the last.
    Linger,
    /// Its answer was cut.
    Close,
}

impl<N: Network> Proxy<N> {
    /// The backend has delivered: its lease is settled and its link may serve others, even if
    /// the client has not taken everything yet.
    pub(super) fn release_backend(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let Attempt::At { lease, link, .. } = mem::replace(&mut exchange.attempt, Attempt::Idle)
        else {
            return;
        };
        let outcome = outcome(exchange, now.since(lease.dispatched_at()));
        let reusable = match exchange.phase {
            // A link that was progress speaks for one client only.
            Phase::Responding { reusable, .. } => reusable && self.settings.send_proxy.is_none(),
            Phase::AwaitingHead | Phase::LocalReply { .. } | Phase::Tunnel { .. } => false,
        };
        let backend = lease.backend();
        self.pool.settle(lease, outcome, now);
        if reusable {
            self.pool(backend, link, now);
        } else {
            self.close_link(link);
        }
    }

    /// Puts a link where the next exchange finds it, unless it is spoilt, there are enough, or
    /// there will be no next one.
    fn pool(&mut self, backend: BackendId, id: BackendConnId, now: Timestamp) {
        let room = self.idle.len(backend) < self.settings.limits.max_idle_per_backend;
        let Some(link) = self.conns.backends.get_mut(id) else {
            return;
        };
        let is_clean = link.conn.unread.is_none()
            && !link.conn.socket.is_read_closed()
            && !link.conn.socket.is_broken()
            && link.conn.socket.is_drained(&mut self.io.scratch);
        let is_wanted = !self.stopping && self.pool.is_member(backend);
        if !(room && is_clean && is_wanted) {
            self.close_link(id);
            return;
        }
        let place = self.idle.push(backend, id);
        link.state = BackendConnState::Idle { place };
        self.set_link_deadline(id, now + self.settings.timeouts.pool_idle);
    }

    /// Ends an exchange for good.
    pub(super) fn finish_exchange(&mut self, id: ExchangeId, now: Timestamp) {
        self.release_backend(id, now);
        self.record(id, now);
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let (close_mode, client) = (close_mode(exchange), exchange.client);
        exchange.upload.release(&mut self.io);
        exchange.download.release(&mut self.io);
        if let Some(log_fields) = exchange.stats.log_fields.take() {
            self.io.buffers.give(log_fields.into_buffer());
        }
        self.conns.exchanges.remove(id);
        match close_mode {
            CloseMode::NextRequest if !self.stopping => self.await_request(client, now),
            CloseMode::Graceful => self.close_gracefully(client, now),
            CloseMode::NextRequest | CloseMode::Linger => self.linger(client, now),
            CloseMode::Close => self.close_client(client),
        }
    }

    /// Makes the one record of an exchange and shows it to everybody who learns from it.
    fn record(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get(id) else {
            return;
        };
        let stats = &exchange.stats;
        let Some(client) = self.conns.clients.get(exchange.client) else {
            return;
        };
        let log_fields = stats.log_fields.as_ref().map(LogFields::parts);
        let (request_id, method, target) = log_fields.unwrap_or_default();
        let record = Record {
            started_at: stats.started_at,
            client: client.address,
            request_id,
            method,
            target,
            status: stats.status,
            bytes_in: stats.head_bytes as u64 + exchange.upload.received(),
            bytes_out: stats.interim_bytes + exchange.download.passed(),
            backend: stats.backend,
            connect_time: stats.connect_time,
            first_byte_time: stats.first_byte_time,
            total_time: now.since(stats.started_at),
            retries: stats.retries(),
            fault: stats.fault,
        };
        self.metrics.record(&record);
        if !self.access_log.is_on() {
            return;
        }
        let name = stats.backend.and_then(|id| self.pool.name(id));
        let wall = self.wall_at_zero + now.since(Timestamp::ZERO);
        self.access_log
            .append(&mut self.log_lines, wall, &record, name);
    }
}

/// What an exchange that came to its end says of its backend. Errors are no samples: a fast
/// failure must not look like a fast backend.
fn outcome<Pipe>(exchange: &Exchange<Pipe>, life: Duration) -> Outcome {
    match (exchange.phase, exchange.stats.status) {
        (Phase::Tunnel { .. }, None) => Outcome::Success {
            response_time: Some(exchange.stats.first_byte_time.unwrap_or(life)),
        },
        (_, Some(400..500 | 501 | 505)) => Outcome::ClientError,
        (_, Some(500..)) => Outcome::Failure,
        _ => Outcome::Success {
            response_time: exchange.stats.first_byte_time,
        },
    }
}

fn close_mode<Pipe>(exchange: &Exchange<Pipe>) -> CloseMode {
    let delivered = exchange.download.is_done();
    // A client that counts on its connection may be sending its next request by now.
    let may_be_sending = exchange.request.persistent || !exchange.upload.is_done();
    match exchange.phase {
        Phase::Responding { persistent, .. } | Phase::LocalReply { persistent }
            if delivered && persistent =>
        {
            CloseMode::NextRequest
        }
        // Closing while the client sends would reset the connection.
        Phase::LocalReply { .. } if delivered => CloseMode::Linger,
        Phase::Responding { .. } if delivered && may_be_sending => CloseMode::Linger,
        Phase::Responding { .. } if delivered => CloseMode::Graceful,
        Phase::AwaitingHead
        | Phase::Responding { .. }
        | Phase::LocalReply { .. }
        | Phase::Tunnel { .. } => CloseMode::Close,
    }
}
