//! Tunnels: a connection in TCP mode, or any connection after 101.
//!
//! Both directions are relayed independently. When one side ends, the other is told and goes on
//! until it ends too (half-close); when one side breaks, the other is reset, so that nobody takes
//! a break for an end.

use super::Server;
use super::arena::{ClientId, ExchangeId};
use super::client::ClientState;
use super::drive::Verdict;
use super::exchange::{Attempt, Exchange, Notes, Phase, Request};
use super::network::Network;
use super::slots::Parties;
use crate::balance::KeySource;
use crate::error::Fault;
use crate::relay::{Break, Flow, Pumped, Workspace};
use crate::time::Timestamp;

impl<N: Network> Parties<'_, N> {
    /// Moves bytes towards the backend, and tells it when the client has ended.
    fn relay_up(&mut self, work: &mut Workspace<N::Pipes>) -> Pumped {
        let to = &mut self.link.peer.socket;
        let pumped = self.exchange.upload.pump(&mut self.client.peer, to, work);
        if pumped == Pumped::Done
            && !self.link.is_connecting()
            && let Phase::Tunnel {
                upload_finished: finished @ false,
                ..
            } = &mut self.exchange.phase
        {
            self.link.peer.socket.finish();
            *finished = true;
        }
        pumped
    }

    /// Moves bytes towards the client, and with `may_end` tells it when the backend has ended.
    fn relay_down(&mut self, may_end: bool, work: &mut Workspace<N::Pipes>) -> Pumped {
        let to = &mut self.client.peer.socket;
        let pumped = self.exchange.download.pump(&mut self.link.peer, to, work);
        if pumped == Pumped::Done
            && may_end
            && let Phase::Tunnel {
                download_finished: finished @ false,
                ..
            } = &mut self.exchange.phase
        {
            self.client.peer.socket.finish();
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

impl<N: Network> Server<N> {
    /// Starts the exchange of a TCP connection, which is all of it.
    pub(super) fn begin_tunnel(&mut self, id: ClientId, now: Timestamp) {
        let Some(client) = self.slots.clients.get(id) else {
            return;
        };
        let key = match self.key_source {
            KeySource::ClientAddress => super::request::key_of_address(client.address),
            KeySource::None | KeySource::Target | KeySource::Header(_) | KeySource::Cookie(_) => 0,
        };
        let notes = Notes::new(now, 0, None);
        let mut upload = Flow::tunnel();
        if self.settings.send_proxy.is_some() {
            let mut first = self.work.buffers.take(0);
            self.introduce(id, first.as_vec_mut());
            // Fails only on malformed framing, and a tunnel has none.
            let _ = upload.prepare(first, b"", false);
        }
        let mut exchange = Exchange::new(id, Request::unknown(), upload, key, notes);
        exchange.download = Flow::tunnel();
        exchange.phase = Phase::Tunnel {
            upload_finished: false,
            download_finished: false,
        };
        let exchange = self.slots.exchanges.insert(exchange);
        if let Some(client) = self.slots.clients.get_mut(id) {
            client.state = ClientState::Busy(exchange);
        }
        self.drive(exchange, now);
    }

    /// Moves bytes both ways.
    pub(super) fn tunnel(&mut self, id: ExchangeId, now: Timestamp) -> Verdict {
        let Some(mut parties) = self.slots.parties(id) else {
            return Verdict::Gone;
        };
        let up = parties.relay_up(&mut self.work);
        // The system tells of an error once: a link that failed in sending seems to be at its
        // end when it is read from.
        let link_failed = up == Pumped::Broken(Break::SinkFailed);
        if link_failed && parties.is_unreached() {
            return Verdict::Failed(Fault::ConnectFailed);
        }
        let down = parties.relay_down(!link_failed, &mut self.work);
        if !parties.is_unreached() && parties.link.is_connecting() {
            parties.exchange.notes.connect_time = parties.link.established(now);
        }
        let connecting = parties.link.is_connecting();
        let is_over = parties.exchange.is_finished_tunnel();
        self.note_tunnel_times(id, now);
        match (up, down) {
            (_, Pumped::Broken(Break::SourceFailed)) if connecting => {
                Verdict::Failed(Fault::ConnectFailed)
            }
            (Pumped::Broken(Break::SourceFailed), _) | (_, Pumped::Broken(Break::SinkFailed)) => {
                Verdict::Failed(Fault::ClientGone)
            }
            (Pumped::Broken(_), _) | (_, Pumped::Broken(_)) => Verdict::Failed(Fault::BackendGone),
            _ if is_over => Verdict::Finished,
            (Pumped::Yielded, _) | (_, Pumped::Yielded) => {
                self.go_on_later(id);
                Verdict::Wait
            }
            _ => Verdict::Wait,
        }
    }

    /// In TCP mode the response time runs from the first client byte passed on to the first
    /// backend byte that follows.
    fn note_tunnel_times(&mut self, id: ExchangeId, now: Timestamp) {
        let Some(exchange) = self.slots.exchanges.get_mut(id) else {
            return;
        };
        if exchange.notes.status.is_some() || !matches!(exchange.attempt, Attempt::At { .. }) {
            return;
        }
        let is_sent = exchange.upload.is_touched() && exchange.upload.received() > 0;
        if exchange.notes.sent_at.is_none() && is_sent {
            exchange.notes.sent_at = Some(now);
        } else if exchange.notes.first_byte_time.is_none()
            && let Some(sent_at) = exchange.notes.sent_at
            && exchange.download.received() > 0
        {
            exchange.notes.first_byte_time = Some(now.since(sent_at));
        }
    }
}
