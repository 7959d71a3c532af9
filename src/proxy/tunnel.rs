//! Tunnels: a connection in TCP mode, or any connection after 101.
//!
//! Both directions are relayed independently. When one side ends, the other is told and goes on
//! until it ends too (half-close); when one side breaks, the other is reset, so that nobody takes
//! a break for an end.

use super::Proxy;
use super::arena::{ClientConnId, ExchangeId};
use super::client_conn::ClientConnState;
use super::connections::ExchangeIo;
use super::drive::Step;
use super::exchange::{Attempt, Exchange, ExchangeStats, Phase, Request};
use super::network::Network;
use crate::error::Fault;
use crate::strategy::KeySource;
use crate::time::Timestamp;
use crate::transport::{Break, Flow, IoContext, Pumped};

impl<N: Network> ExchangeIo<'_, N> {
    /// Moves bytes towards the backend, and tells it when the client has ended.
    fn relay_up(&mut self, work: &mut IoContext<N::Pipes>) -> Pumped {
        let to = &mut self.link.conn.socket;
        let pumped = self.exchange.upload.pump(&mut self.client.conn, to, work);
        if pumped == Pumped::Done
            && !self.link.is_connecting()
            && let Phase::Tunnel {
                upload_finished: finished @ false,
                ..
            } = &mut self.exchange.phase
        {
            self.link.conn.socket.finish();
            *finished = true;
        }
        pumped
    }

    /// Moves bytes towards the client, and with `may_end` tells it when the backend has ended.
    fn relay_down(&mut self, may_end: bool, work: &mut IoContext<N::Pipes>) -> Pumped {
        let to = &mut self.client.conn.socket;
        let pumped = self.exchange.download.pump(&mut self.link.conn, to, work);
        if pumped == Pumped::Done
            && may_end
            && let Phase::Tunnel {
                download_finished: finished @ false,
                ..
            } = &mut self.exchange.phase
        {
            self.client.conn.socket.finish();
            *finished = true;
        }
        pumped
    }

    /// Whether nothing shows yet that the backend has been reached.
    fn is_unreached(&self) -> bool {
        let exchange = &self.exchange;
        let moved = exchange.upload.is_touched() || exchange.download.received() > 0;
        self.link.is_connecting() && !moved
    }
}

impl<N: Network> Proxy<N> {
    /// Starts the exchange of a TCP connection, which is all of it.
    pub(super) fn begin_tunnel(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get(id) else {
            return;
        };
        let key = match self.key_source {
            KeySource::ClientAddress => super::request::key_of_address(client.address),
            KeySource::None | KeySource::Target | KeySource::Header(_) | KeySource::Cookie(_) => 0,
        };
        let stats = ExchangeStats::new(now, 0, None);
        let mut upload = Flow::tunnel();
        if self.settings.send_proxy.is_some() {
            let mut first = self.io.buffers.take(0);
            self.write_proxy_header(id, first.as_vec_mut());
            // Fails only on malformed framing, and a tunnel has none.
            let _ = upload.prepare(first, b"", false);
        }
        let mut exchange = Exchange::new(id, Request::unknown(), upload, key, stats);
        exchange.download = Flow::tunnel();
        exchange.phase = Phase::Tunnel {
            upload_finished: false,
            download_finished: false,
        };
        let exchange = self.conns.exchanges.insert(exchange);
        if let Some(client) = self.conns.clients.get_mut(id) {
            client.state = ClientConnState::Busy(exchange);
        }
        self.drive(exchange, now);
    }

    /// Moves bytes both ways.
    pub(super) fn tunnel(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        let Some(mut io) = self.conns.io(id) else {
            return Step::Gone;
        };
        let up = io.relay_up(&mut self.io);
        // The system tells of an error once: a link that failed in sending seems to be at its
        // end when it is read from.
        let link_failed = up == Pumped::Broken(Break::SinkFailed);
        if link_failed && io.is_unreached() {
            return Step::Failed(Fault::ConnectFailed);
        }
        let down = io.relay_down(!link_failed, &mut self.io);
        if !io.is_unreached() && io.link.is_connecting() {
            io.exchange.stats.connect_time = io.link.established(now);
        }
        let connecting = io.link.is_connecting();
        let is_over = io.exchange.is_finished_tunnel();
        self.note_tunnel_times(id, now);
        match (up, down) {
            (_, Pumped::Broken(Break::SourceFailed)) if connecting => {
                Step::Failed(Fault::ConnectFailed)
            }
            (Pumped::Broken(Break::SourceFailed), _) | (_, Pumped::Broken(Break::SinkFailed)) => {
                Step::Failed(Fault::ClientGone)
            }
            (Pumped::Broken(_), _) | (_, Pumped::Broken(_)) => Step::Failed(Fault::BackendGone),
            _ if is_over => Step::Finished,
            (Pumped::Yielded, _) | (_, Pumped::Yielded) => {
                self.resume_later(id);
                Step::Wait
            }
            _ => Step::Wait,
        }
    }

    /// In TCP mode the response time runs from the first client byte passed on to the first
    /// backend byte that follows.
    fn note_tunnel_times(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.conns.exchanges.get_mut(id) else {
            return;
        };
        if exchange.stats.status.is_some() || !matches!(exchange.attempt, Attempt::At { .. }) {
            return;
        }
        let is_sent = exchange.upload.is_touched() && exchange.upload.received() > 0;
        if exchange.stats.sent_at.is_none() && is_sent {
            exchange.stats.sent_at = Some(now);
        } else if exchange.stats.first_byte_time.is_none()
            && let Some(sent_at) = exchange.stats.sent_at
            && exchange.download.received() > 0
        {
            exchange.stats.first_byte_time = Some(now.since(sent_at));
        }
    }
}
