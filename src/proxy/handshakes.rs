//! The TLS handshake of a client: when it begins, how many there may be, how it fails.
//!
//! A hello costs as much as ten requests, so it waits for its turn behind what is under way; the
//! flights that follow it are cheap and do not. A session is made when the first byte has come: a
//! client that connects and says nothing costs no more than its connection. Of the handshakes that
//! have begun there is a limit, and one more costs the oldest its place: a client that means it has
//! finished long before as many others have begun. Refused: accepting no more at the limit, by which
//! a thousand silent clients would keep all others out.

use super::client_conn::ClientConnState;
use super::connections::Connections;
use super::network::Network;
use super::traffic::Traffic;
use crate::error::Refusal;
use crate::ids::ClientConnId;
use crate::time::Timestamp;
use crate::tls::Handshake;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// Handshakes under way at once in a worker, from the first byte on. Each holds a session and what
/// has come of a message: 10 MB in all, or 80 if every client does its worst.
const MAX_HANDSHAKES: usize = 2000;

/// The handshakes that have begun.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// The oldest first. Those that are over may still be among them.
    begun: VecDeque<ClientConnId>,
}

impl Handshakes {
    /// Notes one more. Returns the one that has to give way to it, if there are too many.
    fn begin<N: Network>(
        &mut self,
        id: ClientConnId,
        conns: &Connections<N>,
    ) -> Option<ClientConnId> {
        self.begun.push_back(id);
        if self.begun.len() <= MAX_HANDSHAKES {
            return None;
        }
        self.begun.retain(|id| {
            let client = conns.clients.get(*id);
            client.is_some_and(|client| client.state == ClientConnState::Handshake)
        });
        match self.begun.len() > MAX_HANDSHAKES {
            true => self.begun.pop_front(),
            false => None,
        }
    }
}

impl<N: Network> Traffic<N> {
    /// Waits for the first byte of a client.
    #[cold]
    pub(super) fn await_hello(&mut self, id: ClientConnId, timeout: Duration, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.state = ClientConnState::Handshake;
        if client.conn.unread.is_some() || client.conn.socket.may_read() {
            self.shake_hands_later(id);
        }
        self.timers.set(id, now + timeout);
    }

    /// Has a handshake gone on with in its turn.
    pub(super) fn shake_hands_later(&mut self, id: ClientConnId) {
        if let Some(client) = self.conns.clients.get_mut(id)
            && !mem::replace(&mut client.is_runnable, true)
        {
            self.run_queue.push_handshake(id);
        }
    }

    /// An event for a client in its handshake.
    #[cold]
    pub(super) fn handshake_ready(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get(id) else {
            return;
        };
        match client.conn.socket.io().is_secure() {
            true => self.shake_hands(id, now),
            false if client.conn.socket.may_read() => self.shake_hands_later(id),
            // There is room to write, and nothing to say.
            false => {}
        }
    }

    /// Goes on with a handshake as far as it can.
    #[cold]
    pub(super) fn shake_hands(&mut self, id: ClientConnId, now: Timestamp) {
        if !self.begin_handshake(id) {
            return self.conns.close_client(id, &mut self.io.buffers);
        }
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        match client.conn.socket.io_mut().handshake() {
            Ok(Handshake::UnderWay) => {}
            Ok(Handshake::Done) => {
                client.is_tls = true;
                self.begin_service(id, now);
            }
            Err(_) => self.handshake_failed(id, now),
        }
    }

    /// Makes the session, if there is none yet. Returns whether there is one.
    fn begin_handshake(&mut self, id: ClientConnId) -> bool {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return false;
        };
        if client.conn.socket.io().is_secure() {
            return true;
        }
        // A reload may have made the listener a plain one meanwhile.
        let tls = client.listener.tls.as_ref();
        let Some(session) = tls.and_then(|tls| tls.server.accept()) else {
            return false;
        };
        let unread = client.conn.unread.take();
        let received = unread.as_ref().map_or(&b""[..], |unread| unread.pending());
        let layer = client.conn.socket.io_mut();
        layer.secure(session, &self.vault, received);
        self.io.buffers.give_some(unread);
        if let Some(oldest) = self.handshakes.begin(id, &self.conns) {
            self.conns.close_client(oldest, &mut self.io.buffers);
        }
        true
    }

    /// One that has said something is told why, and counted; one that has not has only looked
    /// whether anything listens.
    fn handshake_failed(&mut self, id: ClientConnId, now: Timestamp) {
        let client = self.conns.clients.get_mut(id);
        match client.is_some_and(|client| client.conn.socket.io().has_received()) {
            true => self.refuse(id, Refusal::TlsFailed, now),
            false => self.conns.close_client(id, &mut self.io.buffers),
        }
    }

    /// The time of a handshake is over.
    #[cold]
    pub(super) fn handshake_due(&mut self, id: ClientConnId, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id) {
            client.conn.socket.io_mut().abandon();
        }
        self.handshake_failed(id, now);
    }
}
