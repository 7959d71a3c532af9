//! The end of an exchange: the backend is given back, the record is made, and the client asks
//! again or is seen off.

use super::Server;
use super::arena::{ExchangeId, LinkId};
use super::exchange::{Attempt, Exchange, Phase};
use super::label::Label;
use super::link::LinkState;
use super::network::Network;
use crate::balance::{BackendId, Outcome};
use crate::observe::Record;
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// What becomes of a client connection.
enum Farewell {
    NextRequest,
    /// It has its last answer.
    SeeOff,
    /// It has its last answer and may not know that it is the last.
    Linger,
    /// Its answer was cut.
    Close,
}

impl<N: Network> Server<N> {
    /// The backend has delivered: its lease is settled and its link may serve others, even if
    /// the client has not taken everything yet.
    pub(super) fn release_backend(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get_mut(id) else {
            return;
        };
        let Attempt::At { lease, link, .. } = mem::replace(&mut exchange.attempt, Attempt::Idle)
        else {
            return;
        };
        let outcome = outcome(exchange, now.since(lease.dispatched_at()));
        let reusable = match exchange.phase {
            // A link that was introduced speaks for one client only.
            Phase::Responding { reusable, .. } => reusable && self.settings.send_proxy.is_none(),
            Phase::AwaitingHead | Phase::Answering { .. } | Phase::Tunnel { .. } => false,
        };
        let backend = lease.backend();
        self.upstream.settle(lease, outcome, now);
        if reusable {
            self.pool(backend, link, now);
        } else {
            self.close_link(link);
        }
    }

    /// Puts a link where the next exchange finds it, unless it is spoilt, there are enough, or
    /// there will be no next one.
    fn pool(&mut self, backend: BackendId, id: LinkId, now: Timestamp) {
        let room = self.idle.len(backend) < self.settings.limits.max_idle_per_backend;
        let Some(link) = self.slots.links.get_mut(id) else {
            return;
        };
        let is_clean = link.peer.unread.is_none()
            && !link.peer.socket.is_read_closed()
            && !link.peer.socket.is_broken()
            && link.peer.socket.is_drained(&mut self.work.scratch);
        let is_wanted = !self.stopping && self.upstream.is_member(backend);
        if !(room && is_clean && is_wanted) {
            self.close_link(id);
            return;
        }
        let place = self.idle.push(backend, id);
        link.state = LinkState::Idle { place };
        self.set_link_deadline(id, now + self.settings.timeouts.pool_idle);
    }

    /// Ends an exchange for good.
    pub(super) fn conclude(&mut self, id: ExchangeId, now: Timestamp) {
        self.release_backend(id, now);
        self.record(id, now);
        let Some(exchange) = self.slots.exchanges.get_mut(id) else {
            return;
        };
        let (farewell, client) = (farewell(exchange), exchange.client);
        exchange.upload.release(&mut self.work);
        exchange.download.release(&mut self.work);
        if let Some(label) = exchange.notes.label.take() {
            self.work.buffers.give(label.into_buffer());
        }
        self.slots.exchanges.remove(id);
        match farewell {
            Farewell::NextRequest if !self.stopping => self.await_request(client, now),
            Farewell::SeeOff => self.see_off(client, now),
            Farewell::NextRequest | Farewell::Linger => self.linger(client, now),
            Farewell::Close => self.close_client(client),
        }
    }

    /// Makes the one record of an exchange and shows it to everybody who learns from it.
    fn record(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get(id) else {
            return;
        };
        let notes = &exchange.notes;
        let Some(client) = self.slots.clients.get(exchange.client) else {
            return;
        };
        let label = notes.label.as_ref().map(Label::parts);
        let (request_id, method, target) = label.unwrap_or_default();
        let record = Record {
            started_at: notes.started_at,
            client: client.address,
            request_id,
            method,
            target,
            status: notes.status,
            bytes_in: notes.head_bytes as u64 + exchange.upload.received(),
            bytes_out: notes.interim_bytes + exchange.download.passed(),
            backend: notes.backend,
            connect_time: notes.connect_time,
            first_byte_time: notes.first_byte_time,
            total_time: now.since(notes.started_at),
            retries: notes.retries(),
            fault: notes.fault,
        };
        self.metrics.record(&record);
        if !self.access_log.is_on() {
            return;
        }
        let name = notes.backend.and_then(|id| self.upstream.name(id));
        let wall = self.wall_at_zero + now.since(Timestamp::ZERO);
        self.access_log
            .append(&mut self.log_lines, wall, &record, name);
    }
}

/// What an exchange that came to its end says of its backend. Errors are no samples: a fast
/// failure must not look like a fast backend.
fn outcome<Pipe>(exchange: &Exchange<Pipe>, life: Duration) -> Outcome {
    match (exchange.phase, exchange.notes.status) {
        (Phase::Tunnel { .. }, None) => Outcome::Success {
            response_time: Some(exchange.notes.first_byte_time.unwrap_or(life)),
        },
        (_, Some(400..500 | 501 | 505)) => Outcome::Declined,
        (_, Some(500..)) => Outcome::Failure,
        _ => Outcome::Success {
            response_time: exchange.notes.first_byte_time,
        },
    }
}

fn farewell<Pipe>(exchange: &Exchange<Pipe>) -> Farewell {
    let delivered = exchange.download.is_done();
    // A client that counts on its connection may be sending its next request by now.
    let may_be_sending = exchange.request.persistent || !exchange.upload.is_done();
    match exchange.phase {
        Phase::Responding { persistent, .. } | Phase::Answering { persistent }
            if delivered && persistent =>
        {
            Farewell::NextRequest
        }
        // Closing while the client sends would reset the connection.
        Phase::Answering { .. } if delivered => Farewell::Linger,
        Phase::Responding { .. } if delivered && may_be_sending => Farewell::Linger,
        Phase::Responding { .. } if delivered => Farewell::SeeOff,
        Phase::AwaitingHead
        | Phase::Responding { .. }
        | Phase::Answering { .. }
        | Phase::Tunnel { .. } => Farewell::Close,
    }
}
