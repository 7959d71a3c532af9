//! Tunnels: a connection in TCP mode, or any connection after 101.
//!
//! Both directions are relayed independently. When one side ends, its end is passed on and the
//! other side goes on until it ends too (half-close). When one side breaks, the other is reset, so
//! that it cannot take the break for an end.

use super::state::{Exchange, Phase};
use super::step::{ExchangeIo, Step, is_connecting};
use crate::error::Fault;
use crate::proxy::network::Network;
use crate::time::Timestamp;
use crate::transport::{Break, IoContext, Pumped};

impl<Pipe> Exchange<Pipe> {
    /// Moves bytes both ways.
    pub(super) fn tunnel<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
        now: Timestamp,
    ) -> Step {
        let up = self.relay_up(io, ctx);
        // The system reports an error once: a connection that failed in sending seems to be at its
        // end when it is read from.
        let backend_failed = up == Pumped::Broken(Break::SinkFailed);
        if backend_failed && !self.has_moved() && is_connecting(io) {
            return Step::Failed(Fault::ConnectFailed);
        }
        let down = self.relay_down(!backend_failed, io, ctx);
        if self.has_moved() {
            self.note_established(io, now);
        }
        let is_connecting = is_connecting(io);
        self.record_tunnel_times(now);
        match (up, down) {
            (_, Pumped::Broken(Break::SourceFailed)) if is_connecting => {
                Step::Failed(Fault::ConnectFailed)
            }
            (Pumped::Broken(Break::SourceFailed), _) | (_, Pumped::Broken(Break::SinkFailed)) => {
                Step::Failed(Fault::ClientGone)
            }
            (Pumped::Broken(_), _) | (_, Pumped::Broken(_)) => Step::Failed(Fault::BackendGone),
            _ if self.is_finished_tunnel() => Step::Finished,
            (Pumped::Yielded, _) | (_, Pumped::Yielded) => Step::Yield,
            _ => Step::Wait,
        }
    }

    /// Moves bytes towards the backend, and tells it when the client has ended.
    fn relay_up<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
    ) -> Pumped {
        let Some(backend) = io.backend.as_deref_mut() else {
            return Pumped::Broken(Break::SinkFailed);
        };
        let to = &mut backend.conn.socket;
        let pumped = self.upload.pump(&mut io.client.conn, to, ctx);
        if pumped == Pumped::Done
            && !backend.is_connecting()
            && let Phase::Tunnel {
                upload_finished: finished @ false,
                ..
            } = &mut self.phase
        {
            backend.conn.socket.finish();
            *finished = true;
        }
        pumped
    }

    /// Moves bytes towards the client, and with `may_end` tells it when the backend has ended.
    fn relay_down<N: Network<Pipe = Pipe>>(
        &mut self,
        may_end: bool,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
    ) -> Pumped {
        let Some(backend) = io.backend.as_deref_mut() else {
            return Pumped::Broken(Break::SourceFailed);
        };
        let to = &mut io.client.conn.socket;
        let pumped = self.download.pump(&mut backend.conn, to, ctx);
        if pumped == Pumped::Done
            && may_end
            && let Phase::Tunnel {
                download_finished: finished @ false,
                ..
            } = &mut self.phase
        {
            io.client.conn.socket.finish();
            *finished = true;
        }
        pumped
    }

    /// Returns whether bytes have passed in either direction, so the backend has been reached.
    fn has_moved(&self) -> bool {
        self.upload.is_touched() || self.download.received() > 0
    }

    /// Returns whether both sides have ended, and both ends have been passed on.
    const fn is_finished_tunnel(&self) -> bool {
        matches!(
            self.phase,
            Phase::Tunnel {
                upload_finished: true,
                download_finished: true,
            }
        )
    }

    /// In TCP mode the response time runs from the first client byte passed on to the first
    /// backend byte that follows.
    fn record_tunnel_times(&mut self, now: Timestamp) {
        if self.stats.status.is_some() {
            return;
        }
        let is_sent = self.upload.is_touched() && self.upload.received() > 0;
        if self.stats.sent_at.is_none() && is_sent {
            self.stats.sent_at = Some(now);
        } else if self.stats.first_byte_time.is_none()
            && let Some(sent_at) = self.stats.sent_at
            && self.download.received() > 0
        {
            self.stats.first_byte_time = Some(now.since(sent_at));
        }
    }
}
