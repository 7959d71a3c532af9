//! A turn of the loop: events first, then the phases that end it.

use super::arena::{ClientId, LinkId};
use super::client::ClientState;
use super::link::LinkState;
use super::network::{Network, Token};
use super::{Again, Server};
use crate::observe::{LastPhase, Turns};
use crate::relay::Readiness;
use crate::time::Timestamp;
use std::mem;

impl<N: Network> Server<N> {
    /// Passes on what an event says of a socket. Late events for a socket that is gone, or about
    /// to be, are ignored.
    pub fn ready(&mut self, token: Token, ready: Readiness, now: Timestamp) {
        match token {
            Token::Client(id) => self.client_ready(id, ready, now),
            Token::Link(id) => self.link_ready(id, ready, now),
            Token::Prober(id) => self.prober_ready(id, ready, now),
            Token::Feed(id) => self.feed_ready(id, ready, now),
        }
    }

    fn client_ready(&mut self, id: ClientId, ready: Readiness, now: Timestamp) {
        let Some(client) = self.slots.clients.get_mut(id) else {
            return;
        };
        client.peer.socket.note(ready);
        match client.state {
            ClientState::Introducing => self.read_introduction(id, now),
            ClientState::Idle | ClientState::Head => self.read_request(id, now),
            ClientState::Busy(exchange) => self.drive(exchange, now),
            ClientState::Lingering { .. } => self.discard(id),
            ClientState::Closed => {}
        }
    }

    fn link_ready(&mut self, id: LinkId, ready: Readiness, now: Timestamp) {
        let Some(link) = self.slots.links.get_mut(id) else {
            return;
        };
        link.peer.socket.note(ready);
        match link.state {
            LinkState::Connecting(exchange) => {
                if ready.broken {
                    self.connect_failed(id, exchange, now);
                } else if ready.writable || ready.readable {
                    self.connected(exchange, now);
                }
                self.drive(exchange, now);
            }
            LinkState::Busy(exchange) => self.drive(exchange, now),
            // Closed by the backend, or bytes nobody asked for: of no use either way. But the
            // event may only tell of bytes that were read before it came.
            LinkState::Idle { .. } => {
                if !link.peer.socket.is_drained(&mut self.work.scratch) {
                    self.close_link(id);
                }
            }
            LinkState::Closed => {}
        }
    }

    /// What watches the turns of the loop.
    pub(crate) fn turns(&mut self) -> &mut Turns {
        self.metrics.turns()
    }

    /// The phases that end a turn.
    pub fn finish_turn(&mut self, now: Timestamp) {
        self.finish_turn_telling(now, |_, _| {});
    }

    /// The same, for whoever measures each phase: calls `over` behind those that had something to
    /// do.
    pub(crate) fn finish_turn_telling(
        &mut self,
        now: Timestamp,
        mut over: impl FnMut(&mut Turns, LastPhase),
    ) {
        if self.go_on(now) {
            over(self.turns(), LastPhase::Yielded);
        }
        if self.expire_deadlines(now) {
            over(self.turns(), LastPhase::Deadlines);
        }
        if self.follow_backends(now) {
            over(self.turns(), LastPhase::Backends);
        }
        // After all that gives a backend back: nobody else would call those who wait for it.
        if self.serve_queue(now) {
            over(self.turns(), LastPhase::Queue);
        }
        if self.close_all() {
            over(self.turns(), LastPhase::Closing);
        }
    }

    fn follow_backends(&mut self, now: Timestamp) -> bool {
        let has_looked = self.look_at_heartbeats(now) | self.look_for_silence(now);
        self.upstream.pass_time(now);
        self.follow_changes(now) || has_looked
    }

    /// Takes up what yielded in an earlier phase; what yields again waits for the next turn.
    fn go_on(&mut self, now: Timestamp) -> bool {
        if self.again.is_empty() {
            return false;
        }
        let mut again = mem::replace(&mut self.again, mem::take(&mut self.again_spare));
        for work in again.drain(..) {
            match work {
                Again::Client(id) => {
                    if let Some(client) = self.slots.clients.get(id)
                        && client.state == ClientState::Idle
                    {
                        self.read_request(id, now);
                    }
                }
                Again::Exchange(id) => {
                    if let Some(exchange) = self.slots.exchanges.get_mut(id) {
                        exchange.has_yielded = false;
                    }
                    self.drive(id, now);
                }
                Again::Lingering(id) => self.discard(id),
                Again::Feed(id) => self.read_feed(id, now),
            }
        }
        self.again_spare = again;
        true
    }

    /// When the server must be called again at the latest, event or not. `None`: only on events.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        if !self.again.is_empty() {
            return Some(Timestamp::ZERO);
        }
        let wheel = self.wheel.next_wakeup().unwrap_or(Timestamp::NEVER);
        let look = self.silence_look_due().unwrap_or(Timestamp::NEVER);
        let heartbeats = self.heartbeat_look_due().unwrap_or(Timestamp::NEVER);
        let first = wheel.min(look).min(heartbeats);
        let first = first.min(self.upstream.next_change());
        (first != Timestamp::NEVER).then_some(first)
    }
}
