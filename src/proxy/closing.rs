//! Closing: decided anywhere, done in one phase at the end of the turn.

use super::Proxy;
use super::arena::{BackendConnId, ClientConnId};
use super::backend_conn::BackendConnState;
use super::client_conn::ClientConnState;
use super::network::{Network, Token};
use crate::time::Timestamp;
use crate::transport::Received;
use std::mem;
use std::time::Duration;

/// How long a client that may still be sending is listened to after its last answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of what it still sends is thrown away before it is cut off.
const LINGER_MAX_BYTES: u32 = 1024 * 1024;
/// Reads of thrown-away bytes in one go, so that others have their turn.
const LINGER_READS: usize = 4;

impl<N: Network> Proxy<N> {
    /// Closes a client connection at the end of this turn.
    pub(super) fn close_client(&mut self, id: ClientConnId) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        if client.state == ClientConnState::Closed {
            return;
        }
        client.state = ClientConnState::Closed;
        let unread = client.conn.unread.take();
        self.io.buffers.give_some(unread);
        self.closing.push(Token::ClientConn(id));
    }

    /// Closes a connection to a backend at the end of this turn.
    pub(super) fn close_link(&mut self, id: BackendConnId) {
        let Some(link) = self.conns.backends.get_mut(id) else {
            return;
        };
        let state = mem::replace(&mut link.state, BackendConnState::Closed);
        let (backend, unread) = (link.backend, link.conn.unread.take());
        self.io.buffers.give_some(unread);
        match state {
            BackendConnState::Closed => return,
            BackendConnState::Idle { place } => {
                let moved = self.idle.remove(backend, place);
                if let Some(moved) = moved.and_then(|id| self.conns.backends.get_mut(id)) {
                    moved.state = BackendConnState::Idle { place };
                }
            }
            BackendConnState::Connecting(_) | BackendConnState::Busy(_) => {}
        }
        self.closing.push(Token::BackendConn(id));
    }

    /// Closes a client connection after its last answer, at once unless more has come from it.
    /// The sending side is ended first: bytes that come before it is closed cannot cost the client
    /// an answer that is still held back.
    pub(super) fn close_gracefully(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        if client.conn.unread.is_some() || client.conn.socket.may_read() {
            self.linger(id, now);
        } else {
            client.conn.socket.finish();
            self.close_client(id);
        }
    }

    /// Ends the sending side and listens on for a while, so that the answer is not lost.
    pub(super) fn linger(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.conn.socket.finish();
        client.state = ClientConnState::Lingering { dropped: 0 };
        let unread = client.conn.unread.take();
        self.io.buffers.give_some(unread);
        self.set_client_deadline(id, now + LINGER_TIMEOUT);
        self.discard(id);
    }

    /// Throws away what a lingering client sends.
    pub(super) fn discard(&mut self, id: ClientConnId) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        let ClientConnState::Lingering { mut dropped } = client.state else {
            return;
        };
        if client.conn.socket.has_ended() {
            // Nothing can come any more that closing could answer with a reset.
            self.close_client(id);
            return;
        }
        for _ in 0..LINGER_READS {
            if !client.conn.socket.may_read() {
                break;
            }
            match client.conn.socket.recv(&mut self.io.scratch) {
                Received::Bytes(count) => dropped = dropped.saturating_add(count as u32),
                Received::Blocked => break,
                Received::End | Received::Failed => dropped = u32::MAX,
            }
            if dropped >= LINGER_MAX_BYTES {
                self.close_client(id);
                return;
            }
        }
        client.state = ClientConnState::Lingering { dropped };
        if client.conn.socket.may_read() {
            self.run_queue.push_back(super::Runnable::Lingering(id));
        }
    }

    /// The closing phase. Returns whether anything was closed.
    pub fn close_all(&mut self) -> bool {
        if self.closing.is_empty() {
            return false;
        }
        let mut closing = mem::take(&mut self.closing);
        for token in closing.drain(..) {
            match token {
                Token::ClientConn(id) => self.conns.remove_client(id),
                Token::BackendConn(id) => self.conns.remove_link(id),
                Token::Checker(id) => drop(self.checkers.remove(id)),
                Token::HeartbeatConn(id) => self.drop_heartbeat_conn(id),
            }
        }
        self.closing = closing;
        true
    }
}
