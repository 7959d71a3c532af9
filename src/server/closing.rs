//! Closing: decided anywhere, done in one phase at the end of the turn.

use super::Server;
use super::arena::{ClientId, LinkId};
use super::client::ClientState;
use super::link::LinkState;
use super::network::{Network, Token};
use crate::relay::Received;
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// How long a client that may still be sending is listened to after its last answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of what it still sends is thrown away before it is cut off.
const LINGER_MAX_BYTES: u32 = 1024 * 1024;
/// Reads of thrown-away bytes in one go, so that others have their turn.
const LINGER_READS: usize = 4;

impl<N: Network> Server<N> {
    /// Closes a client connection at the end of this turn.
    pub(super) fn close_client(&mut self, id: ClientId) {
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        if client.state == ClientState::Closed {
            return;
        }
        client.state = ClientState::Closed;
        let unread = client.peer.unread.take();
        self.work.buffers.give_some(unread);
        self.closing.push(Token::Client(id));
    }

    /// Closes a connection to a backend at the end of this turn.
    pub(super) fn close_link(&mut self, id: LinkId) {
        let Some(link) = self.slots.links.get_mut(id) else {
            return;
        };
        let state = mem::replace(&mut link.state, LinkState::Closed);
        let (backend, unread) = (link.backend, link.peer.unread.take());
        self.work.buffers.give_some(unread);
        match state {
            LinkState::Closed => return,
            LinkState::Idle { place } => {
                let moved = self.idle.remove(backend, place);
                if let Some(moved) = moved.and_then(|id| self.slots.links.get_mut(id)) {
                    moved.state = LinkState::Idle { place };
                }
            }
            LinkState::Connecting(_) | LinkState::Busy(_) => {}
        }
        self.closing.push(Token::Link(id));
    }

    /// Closes a client connection after its last answer, at once unless more has come from it.
    /// The sending side is ended first: bytes that come before it is closed cannot cost the client
    /// an answer that is still held back.
    pub(super) fn see_off(&mut self, id: ClientId, now: Timestamp) {
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        if client.peer.unread.is_some() || client.peer.socket.may_read() {
            self.linger(id, now);
        } else {
            client.peer.socket.finish();
            self.close_client(id);
        }
    }

    /// Ends the sending side and listens on for a while, so that the answer is not lost.
    pub(super) fn linger(&mut self, id: ClientId, now: Timestamp) {
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        client.peer.socket.finish();
        client.state = ClientState::Lingering { dropped: 0 };
        let unread = client.peer.unread.take();
        self.work.buffers.give_some(unread);
        self.set_client_deadline(id, now + LINGER_TIMEOUT);
        self.discard(id);
    }

    /// Throws away what a lingering client sends.
    pub(super) fn discard(&mut self, id: ClientId) {
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        let ClientState::Lingering { mut dropped } = client.state else {
            return;
        };
        if client.peer.socket.has_ended() {
            // Nothing can come any more that closing could answer with a reset.
            self.close_client(id);
            return;
        }
        for _ in 0..LINGER_READS {
            if !client.peer.socket.may_read() {
                break;
            }
            match client.peer.socket.recv(&mut self.work.scratch) {
                Received::Bytes(count) => dropped = dropped.saturating_add(count as u32),
                Received::Blocked => break,
                Received::End | Received::Failed => dropped = u32::MAX,
            }
            if dropped >= LINGER_MAX_BYTES {
                self.close_client(id);
                return;
            }
        }
        client.state = ClientState::Lingering { dropped };
        if client.peer.socket.may_read() {
            self.again.push(super::Again::Lingering(id));
        }
    }

    /// The closing phase. Returns whether anything was closed.
    pub(super) fn close_all(&mut self) -> bool {
        if self.closing.is_empty() {
            return false;
        }
        let mut closing = mem::take(&mut self.closing);
        for token in closing.drain(..) {
            match token {
                Token::Client(id) => self.slots.remove_client(id),
                Token::Link(id) => self.slots.remove_link(id),
                Token::Prober(id) => drop(self.probers.remove(id)),
                Token::Feed(id) => self.drop_feed(id),
            }
        }
        self.closing = closing;
        true
    }
}
