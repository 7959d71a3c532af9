//! A turn of the loop: events first, then the phases that end it.

use super::arena::{BackendConnId, ClientConnId};
use super::backend_conn::BackendConnState;
use super::client_conn::ClientConnState;
use super::network::{Network, Token};
use super::{Proxy, Runnable};
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;
use crate::transport::Readiness;
use std::mem;

impl<N: Network> Proxy<N> {
    /// Passes on what an event says of a socket. Late events for a socket that is gone, or about
    /// to be, are ignored.
    pub fn ready(&mut self, token: Token, ready: Readiness, now: Timestamp) {
        match token {
            Token::ClientConn(id) => self.client_ready(id, ready, now),
            Token::BackendConn(id) => self.link_ready(id, ready, now),
            Token::Checker(id) => self.checker_ready(id, ready, now),
            Token::HeartbeatConn(id) => self.heartbeat_conn_ready(id, ready, now),
        }
    }

    fn client_ready(&mut self, id: ClientConnId, ready: Readiness, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.conn.socket.note(ready);
        match client.state {
            ClientConnState::ProxyHeader => self.read_proxy_header(id, now),
            ClientConnState::Idle | ClientConnState::Head => self.read_request(id, now),
            ClientConnState::Busy(exchange) => self.drive(exchange, now),
            ClientConnState::Lingering { .. } => self.discard(id),
            ClientConnState::Closed => {}
        }
    }

    fn link_ready(&mut self, id: BackendConnId, ready: Readiness, now: Timestamp) {
        let Some(link) = self.conns.backends.get_mut(id) else {
            return;
        };
        link.conn.socket.note(ready);
        match link.state {
            BackendConnState::Connecting(exchange) => {
                if ready.broken {
                    self.connect_failed(id, exchange, now);
                } else if ready.writable || ready.readable {
                    self.connected(exchange, now);
                }
                self.drive(exchange, now);
            }
            BackendConnState::Busy(exchange) => self.drive(exchange, now),
            // Closed by the backend, or bytes nobody asked for: of no use either way. But the
            // event may only tell of bytes that were read before it came.
            BackendConnState::Idle { .. } => {
                if !link.conn.socket.is_drained(&mut self.io.scratch) {
                    self.close_link(id);
                }
            }
            BackendConnState::Closed => {}
        }
    }

    /// The phases that end a turn.
    pub fn finish_turn(&mut self, now: Timestamp) {
        self.finish_turn_telling(now, |_| {});
    }

    /// The same, for whoever measures each phase: calls `over` behind those that had something to
    /// do.
    pub(crate) fn finish_turn_telling(&mut self, now: Timestamp, mut over: impl FnMut(TurnPhase)) {
        if self.resume(now) {
            over(TurnPhase::Resume);
        }
        if self.expire_deadlines(now) {
            over(TurnPhase::Expire);
        }
        if self.follow_backends(now) {
            over(TurnPhase::Health);
        }
        // After all that gives a backend back: nobody else would call those who wait for it.
        if self.serve_queue(now) {
            over(TurnPhase::Queue);
        }
        if self.close_all() {
            over(TurnPhase::Close);
        }
    }

    fn follow_backends(&mut self, now: Timestamp) -> bool {
        let has_looked = self.look_at_heartbeats(now) | self.detect_hangs(now);
        self.pool.pass_time(now);
        self.follow_changes(now) || has_looked
    }

    /// Takes up what yielded in an earlier phase; what yields again waits for the next turn.
    fn resume(&mut self, now: Timestamp) -> bool {
        if self.run_queue.is_empty() {
            return false;
        }
        let mut again = mem::replace(&mut self.run_queue, mem::take(&mut self.run_queue_spare));
        for work in again.drain(..) {
            match work {
                Runnable::ClientConn(id) => {
                    if let Some(client) = self.conns.clients.get(id)
                        && client.state == ClientConnState::Idle
                    {
                        self.read_request(id, now);
                    }
                }
                Runnable::Exchange(id) => {
                    if let Some(exchange) = self.conns.exchanges.get_mut(id) {
                        exchange.has_yielded = false;
                    }
                    self.drive(id, now);
                }
                Runnable::Lingering(id) => self.discard(id),
                Runnable::HeartbeatConn(id) => self.read_heartbeat_conn(id, now),
            }
        }
        self.run_queue_spare = again;
        true
    }

    /// When the server must be called again at the latest, event or not. `None`: only on events.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        if !self.run_queue.is_empty() {
            return Some(Timestamp::ZERO);
        }
        let wheel = self.wheel.next_wakeup().unwrap_or(Timestamp::NEVER);
        let look = self.hang_check_due().unwrap_or(Timestamp::NEVER);
        let heartbeats = self.heartbeat_look_due().unwrap_or(Timestamp::NEVER);
        let first = wheel.min(look).min(heartbeats);
        let first = first.min(self.pool.next_change());
        (first != Timestamp::NEVER).then_some(first)
    }
}
