//! A turn of the loop: events first, then the phases that end it.

use super::arena::{BackendConnId, ClientConnId};
use super::backend_conn::BackendConnState;
use super::client_conn::ClientConnState;
use super::network::{Network, Token};
use super::{Proxy, Runnable};
use crate::time::Timestamp;
use crate::transport::Readiness;

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

    /// Runs all phases that follow the events, at one instant: for a driver without a clock of its
    /// own, as in a simulation. The event loop calls each phase itself, to time and bound it.
    pub fn finish_turn(&mut self, now: Timestamp) {
        for _ in 0..self.runnable() {
            self.resume_next(now);
        }
        self.expire_deadlines(now);
        self.follow_backends(now);
        self.serve_queue(now);
        self.close_all();
    }

    /// Entries of the run queue. Work that yields again joins its end, so a resume phase takes as
    /// many as there are when it begins.
    #[must_use]
    pub fn runnable(&self) -> usize {
        self.run_queue.len()
    }

    /// Resumes what has waited longest in the run queue.
    pub fn resume_next(&mut self, now: Timestamp) {
        match self.run_queue.pop_front() {
            None => {}
            Some(Runnable::ClientConn(id)) => {
                if let Some(client) = self.conns.clients.get(id)
                    && client.state == ClientConnState::Idle
                {
                    self.read_request(id, now);
                }
            }
            Some(Runnable::Exchange(id)) => {
                if let Some(exchange) = self.conns.exchanges.get_mut(id) {
                    exchange.has_yielded = false;
                }
                self.drive(id, now);
            }
            Some(Runnable::Lingering(id)) => self.discard(id),
            Some(Runnable::HeartbeatConn(id)) => self.read_heartbeat_conn(id, now),
        }
    }

    /// The health phase: looks for missed heartbeats and hanging backends, and follows changes of
    /// state. Returns whether there was anything to do.
    pub fn follow_backends(&mut self, now: Timestamp) -> bool {
        let has_looked = self.look_at_heartbeats(now) | self.detect_hangs(now);
        self.pool.pass_time(now);
        self.follow_changes(now) || has_looked
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
