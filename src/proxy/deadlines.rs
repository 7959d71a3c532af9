//! Deadlines: what each connection is waited for, and what follows when the wait is over.

use super::Proxy;
use super::arena::{BackendConnId, ClientConnId, ExchangeId};
use super::backend_conn::{BackendConn, BackendConnState};
use super::client_conn::ClientConnState;
use super::exchange::Attempt;
use super::network::{Network, Token};
use super::timeout::{Timeout, TimeoutStatus, WaitReason};
use crate::error::{Fault, Refusal};
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use std::mem;

impl<N: Network> Proxy<N> {
    /// Moves the deadline of a client connection.
    pub(super) fn set_client_deadline(&mut self, id: ClientConnId, at: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id)
            && let Some(at) = client.deadline.set(at)
        {
            self.wheel.arm(Token::ClientConn(id), at);
        }
    }

    /// Moves the deadline of a connection to a backend.
    pub(super) fn set_link_deadline(&mut self, id: BackendConnId, at: Timestamp) {
        if let Some(link) = self.conns.backends.get_mut(id)
            && let Some(at) = link.deadline.set(at)
        {
            self.wheel.arm(Token::BackendConn(id), at);
        }
    }

    /// Something happened in an exchange: whoever is waited for now has his full time, if it is
    /// somebody else than before or bytes have moved.
    pub(super) fn renew_deadline(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let is_connecting = match exchange.attempt {
            Attempt::At { link, .. } => {
                let link = self.conns.backends.get(link);
                link.is_some_and(BackendConn::is_connecting)
            }
            Attempt::Idle | Attempt::Queued => false,
        };
        let (reason, moved) = (WaitReason::of(exchange, is_connecting), exchange.moved());
        let timeouts = &self.settings.timeouts;
        let measured = self.settings.limits.min_body_rate > 0;
        match &mut exchange.timeout {
            Some(wait) if wait.is_for(reason) && !wait.has_moved(moved) => return,
            Some(wait) if wait.is_for(reason) => wait.extend(moved, timeouts, now),
            wait => *wait = Some(Timeout::begin(reason, moved, timeouts, measured, now)),
        }
        let client = exchange.client;
        let next_look = exchange.timeout.map_or(Timestamp::NEVER, |w| w.next_look());
        self.set_client_deadline(client, next_look);
    }

    /// The deadline phase of a turn.
    pub fn expire_deadlines(&mut self, now: Timestamp) -> bool {
        self.wheel.expire(now, &mut self.due);
        if self.due.is_empty() {
            return false;
        }
        let mut due = mem::take(&mut self.due);
        for token in due.drain(..) {
            match token {
                Token::ClientConn(id) => self.client_fired(id, now),
                Token::BackendConn(id) => self.link_fired(id, now),
                Token::Checker(id) => self.checker_fired(id, now),
                Token::HeartbeatConn(id) => self.heartbeat_conn_fired(id, now),
            }
        }
        self.due = due;
        true
    }

    /// What a client has armed came out: for the one that has its slot now, if any.
    fn client_fired(&mut self, id: ClientConnId, now: Timestamp) {
        let id = match self.conns.clients.successor(id) {
            Ok(id) => id,
            Err(left) => return forget(left, now),
        };
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        match client.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::ClientConn(id), at),
            Fired::Due => match client.state {
                ClientConnState::Idle | ClientConnState::Lingering { .. } => self.close_client(id),
                ClientConnState::ProxyHeader => self.refuse(id, Refusal::BadProxyHeader, now),
                ClientConnState::Head => self.refuse(id, Refusal::HeadTimeout, now),
                ClientConnState::Busy(exchange) => self.check_timeout(exchange, now),
                ClientConnState::Closed => {}
            },
        }
    }

    /// A wait is over, or a measurement that is part of it.
    fn check_timeout(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        let Some(wait) = &mut exchange.timeout else {
            return;
        };
        let least_rate = self.settings.limits.min_body_rate;
        match wait.look(exchange.upload.received(), least_rate, now) {
            TimeoutStatus::Until(at) => {
                let client = exchange.client;
                self.set_client_deadline(client, at);
            }
            TimeoutStatus::Expired(fault) => {
                // What follows, an answer of our own for instance, is a wait of its own.
                exchange.timeout = None;
                self.fail(id, fault, now);
                self.drive(id, now);
            }
        }
    }

    fn link_fired(&mut self, id: BackendConnId, now: Timestamp) {
        let id = match self.conns.backends.successor(id) {
            Ok(id) => id,
            Err(left) => return forget(left, now),
        };
        let Some(link) = self.conns.backends.get_mut(id) else {
            return;
        };
        match link.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::BackendConn(id), at),
            Fired::Due => match link.state {
                BackendConnState::Idle { .. } => self.close_link(id),
                BackendConnState::Connecting(exchange) => {
                    self.fail(exchange, Fault::ConnectTimeout, now);
                    self.drive(exchange, now);
                }
                BackendConnState::Busy(_) | BackendConnState::Closed => {}
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
