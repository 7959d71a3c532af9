//! Deadlines: what each connection is waited for, and what follows when the wait is over.

use super::Server;
use super::arena::{ClientId, ExchangeId, LinkId};
use super::client::ClientState;
use super::exchange::{Attempt, Exchange, Phase};
use super::link::LinkState;
use super::network::{Network, Token};
use crate::error::{Fault, Refusal};
use crate::time::Timestamp;
use crate::timers::Fired;
use std::mem;

/// Whom an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Client,
    Backend,
    /// Either side of a tunnel.
    Both,
    /// A backend with room.
    Room,
}

fn awaited<Pipe>(exchange: &Exchange<Pipe>) -> Awaited {
    if let Attempt::Queued { .. } = exchange.attempt {
        return Awaited::Room;
    }
    match exchange.phase {
        Phase::Tunnel { .. } => match exchange.attempt {
            Attempt::Idle | Attempt::Queued { .. } => Awaited::Backend,
            Attempt::At { .. } => Awaited::Both,
        },
        Phase::Answering { .. } => Awaited::Client,
        Phase::Responding { .. } if exchange.download.has_pending() => Awaited::Client,
        Phase::Responding { .. } => Awaited::Backend,
        Phase::AwaitingHead if exchange.upload.has_pending() => Awaited::Backend,
        Phase::AwaitingHead if exchange.upload.is_received() => Awaited::Backend,
        Phase::AwaitingHead => Awaited::Client,
    }
}

impl<N: Network> Server<N> {
    /// Moves the deadline of a client connection.
    pub(super) fn set_client_deadline(&mut self, id: ClientId, at: Timestamp) {
        if let Some(client) = self.slots.clients.get_mut(id)
            && let Some(at) = client.deadline.set(at)
        {
            self.wheel.arm(Token::Client(id), at);
        }
    }

    /// Moves the deadline of a connection to a backend.
    pub(super) fn set_link_deadline(&mut self, id: LinkId, at: Timestamp) {
        if let Some(link) = self.slots.links.get_mut(id)
            && let Some(at) = link.deadline.set(at)
        {
            self.wheel.arm(Token::Link(id), at);
        }
    }

    /// Something happened in an exchange: whoever is waited for now has his full time.
    pub(super) fn renew_deadline(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get(id) else {
            return;
        };
        let timeouts = &self.settings.timeouts;
        let at = match (awaited(exchange), &exchange.attempt) {
            // Nothing that happens meanwhile makes the wait in the queue longer.
            (Awaited::Room, Attempt::Queued { until }) => *until,
            (Awaited::Room, _) => now + timeouts.queue,
            (Awaited::Client, _) => now + timeouts.client,
            (Awaited::Backend, _) => now + timeouts.server,
            (Awaited::Both, _) => now + timeouts.tunnel,
        };
        self.set_client_deadline(exchange.client, at);
    }

    /// The deadline phase of a turn.
    pub(super) fn expire_deadlines(&mut self, now: Timestamp) {
        let mut due = mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for token in due.drain(..) {
            match token {
                Token::Client(id) => self.client_fired(id, now),
                Token::Link(id) => self.link_fired(id, now),
            }
        }
        self.due = due;
    }

    fn client_fired(&mut self, id: ClientId, now: Timestamp) {
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        match client.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::Client(id), at),
            Fired::Due => match client.state {
                ClientState::Idle | ClientState::Lingering { .. } => self.close_client(id),
                ClientState::Head => self.refuse(id, Refusal::HeadTimeout, now),
                ClientState::Busy(exchange) => self.exchange_timed_out(exchange, now),
                ClientState::Closed => {}
            },
        }
    }

    fn exchange_timed_out(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get(id) else {
            return;
        };
        let fault = match awaited(exchange) {
            Awaited::Client | Awaited::Both => Fault::ClientTimeout,
            Awaited::Backend => Fault::BackendTimeout,
            Awaited::Room => Fault::QueueTimeout,
        };
        self.fail(id, fault, now);
        self.drive(id, now);
    }

    fn link_fired(&mut self, id: LinkId, now: Timestamp) {
        let Some(link) = self.slots.links.get_mut(id) else {
            return;
        };
        match link.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::Link(id), at),
            Fired::Due => match link.state {
                LinkState::Idle { .. } => self.close_link(id),
                LinkState::Connecting(exchange) => {
                    self.fail(exchange, Fault::ConnectTimeout, now);
                    self.drive(exchange, now);
                }
                LinkState::Busy(_) | LinkState::Closed => {}
            },
        }
    }
}
