//! Deadlines: what each connection is waited for, and what follows when the wait is over.

use super::Server;
use super::arena::{ClientId, ExchangeId, LinkId};
use super::awaited::{Awaited, Wait, Waited};
use super::client::ClientState;
use super::exchange::Attempt;
use super::link::{Link, LinkState};
use super::network::{Network, Token};
use crate::error::{Fault, Refusal};
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use std::mem;

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

    /// Something happened in an exchange: whoever is waited for now has his full time, if it is
    /// somebody else than before or bytes have moved.
    pub(super) fn renew_deadline(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get_mut(id) else {
            return;
        };
        let is_connecting = match exchange.attempt {
            Attempt::At { link, .. } => {
                let link = self.slots.links.get(link);
                link.is_some_and(Link::is_connecting)
            }
            Attempt::Idle | Attempt::Queued => false,
        };
        let (awaited, moved) = (Awaited::of(exchange, is_connecting), exchange.moved());
        let timeouts = &self.settings.timeouts;
        let measured = self.settings.limits.min_body_rate > 0;
        match &mut exchange.wait {
            Some(wait) if wait.is_for(awaited) && !wait.has_moved(moved) => return,
            Some(wait) if wait.is_for(awaited) => wait.extend(moved, timeouts, now),
            wait => *wait = Some(Wait::begin(awaited, moved, timeouts, measured, now)),
        }
        let client = exchange.client;
        let next_look = exchange.wait.map_or(Timestamp::NEVER, |w| w.next_look());
        self.set_client_deadline(client, next_look);
    }

    /// The deadline phase of a turn.
    pub(super) fn expire_deadlines(&mut self, now: Timestamp) -> bool {
        self.wheel.expire(now, &mut self.due);
        if self.due.is_empty() {
            return false;
        }
        let mut due = mem::take(&mut self.due);
        for token in due.drain(..) {
            match token {
                Token::Client(id) => self.client_fired(id, now),
                Token::Link(id) => self.link_fired(id, now),
                Token::Prober(id) => self.prober_fired(id, now),
                Token::Feed(id) => self.feed_fired(id, now),
            }
        }
        self.due = due;
        true
    }

    /// What a client has armed came out: for the one that has its slot now, if any.
    fn client_fired(&mut self, id: ClientId, now: Timestamp) {
        let id = match self.slots.clients.successor(id) {
            Ok(id) => id,
            Err(left) => return forget(left, now),
        };
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        match client.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::Client(id), at),
            Fired::Due => match client.state {
                ClientState::Idle | ClientState::Lingering { .. } => self.close_client(id),
                ClientState::Introducing => self.refuse(id, Refusal::BadProxyHeader, now),
                ClientState::Head => self.refuse(id, Refusal::HeadTimeout, now),
                ClientState::Busy(exchange) => self.look_at_wait(exchange, now),
                ClientState::Closed => {}
            },
        }
    }

    /// A wait is over, or a measurement that is part of it.
    fn look_at_wait(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get_mut(id) else {
            return;
        };
        let Some(wait) = &mut exchange.wait else {
            return;
        };
        let least_rate = self.settings.limits.min_body_rate;
        match wait.look(exchange.upload.received(), least_rate, now) {
            Waited::Until(at) => {
                let client = exchange.client;
                self.set_client_deadline(client, at);
            }
            Waited::InVain(fault) => {
                // What follows, an answer of our own for instance, is a wait of its own.
                exchange.wait = None;
                self.fail(id, fault, now);
                self.drive(id, now);
            }
        }
    }

    fn link_fired(&mut self, id: LinkId, now: Timestamp) {
        let id = match self.slots.links.successor(id) {
            Ok(id) => id,
            Err(left) => return forget(left, now),
        };
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

/// What was armed came out, and nobody is there: the next in this slot has nothing armed.
fn forget(left: Option<&mut Deadline>, now: Timestamp) {
    if let Some(deadline) = left {
        // It is not set, so nothing is due.
        let _ = deadline.fired(now);
    }
}
