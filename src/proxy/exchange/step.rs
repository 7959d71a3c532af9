//! The transition function of an exchange.

use super::state::{Attempt, Exchange, Phase};
use crate::error::{Fault, Refusal};
use crate::pool::Pool;
use crate::proxy::backend_conn::BackendConn;
use crate::proxy::client_conn::ClientConn;
use crate::proxy::codec::Codec;
use crate::proxy::continuity::Continuity;
use crate::proxy::network::Network;
use crate::time::Timestamp;
use crate::transport::{Break, IoContext, Pumped};

/// The next action of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing until an event or the deadline.
    Wait,
    /// More could be done at once, but others have their turn first.
    Yield,
    /// The phase has changed: go on.
    Continue,
    /// It needs a backend.
    Dispatch,
    /// The backend has delivered; the client has not taken all of it yet.
    ReleaseBackend,
    /// Everything has been delivered.
    Finished,
    /// It cannot go on like this.
    Failed(Fault),
}

impl Step {
    /// This step, unless it would only wait: then `other`, which waits or yields.
    fn or(self, other: Self) -> Self {
        match self {
            Self::Wait => other,
            step => step,
        }
    }
}

/// The parts of the proxy that an exchange works on, lent for one step.
pub(crate) struct ExchangeIo<'a, N: Network> {
    pub(crate) client: &'a mut ClientConn<N::Stream>,
    /// The connection of the attempt under way.
    pub(crate) backend: Option<&'a mut BackendConn<N::Stream>>,
    pub(crate) pool: &'a mut Pool,
    pub(crate) codec: &'a mut Codec,
    /// Says whether the next response is the last of its connection.
    pub(crate) continuity: Continuity,
}

impl<Pipe> Exchange<Pipe> {
    /// Does what can be done now, and returns what comes next.
    pub(crate) fn step<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
        now: Timestamp,
    ) -> Step {
        if self.is_runnable {
            // It goes on in its turn, whatever has happened.
            return Step::Wait;
        }
        match (self.phase, &self.attempt) {
            (Phase::AwaitingHead, Attempt::None) if !self.upload.is_received() => {
                self.hold_body(io, ctx)
            }
            (Phase::AwaitingHead | Phase::Tunnel { .. }, Attempt::None) => Step::Dispatch,
            (Phase::AwaitingHead | Phase::Tunnel { .. }, Attempt::Queued) => {
                // A client that has gone gives its place up.
                let socket = &io.client.conn.socket;
                let has_closed = self.upload.is_received()
                    && socket.is_read_closed()
                    && io.client.listener.abort_on_close;
                match socket.is_broken() || has_closed {
                    true => Step::Failed(Fault::ClientGone),
                    false => Step::Wait,
                }
            }
            (Phase::AwaitingHead, Attempt::At { .. }) => match self.upload(io, ctx, now) {
                up @ (Step::Wait | Step::Yield) => self.await_response(io, ctx, now).or(up),
                other => other,
            },
            (Phase::Responding { .. }, Attempt::At { .. }) => match self.upload(io, ctx, now) {
                Step::Wait if self.response_sent && !self.is_rest_wanted(io) => Step::Finished,
                // The client has its response, whatever becomes of the rest of its request.
                Step::Failed(_) if self.response_sent => Step::Finished,
                up @ (Step::Wait | Step::Yield) if self.response_sent => up,
                up @ (Step::Wait | Step::Yield) => self.download(io, ctx).or(up),
                other => other,
            },
            (Phase::Responding { .. } | Phase::LocalReply { .. }, _) => self.deliver(io, ctx),
            (Phase::Tunnel { .. }, Attempt::At { .. }) => self.tunnel(io, ctx, now),
        }
    }

    /// Moves what is left of the request towards the backend. After [`Step::Wait`] and
    /// [`Step::Yield`] the response is next.
    #[inline]
    pub(crate) fn upload<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
        now: Timestamp,
    ) -> Step {
        if io.client.conn.socket.is_broken() {
            return Step::Failed(Fault::ClientGone);
        }
        match self.upload.is_done() || self.upload_stopped {
            true => Step::Wait,
            false => self.send_request(io, ctx, now),
        }
    }

    #[inline(never)]
    fn send_request<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
        now: Timestamp,
    ) -> Step {
        let Some(backend) = io.backend.as_deref_mut() else {
            return Step::Failed(Fault::BackendGone);
        };
        let sink = &mut backend.conn.socket;
        let pumped = self.upload.pump(&mut io.client.conn, sink, ctx);
        if self.upload.is_touched() {
            self.note_established(io, now);
        }
        match pumped {
            Pumped::Blocked | Pumped::Yielded | Pumped::Done if self.is_too_large() => {
                Step::Failed(Fault::Refused(Refusal::BodyTooLarge))
            }
            Pumped::Blocked | Pumped::Done => Step::Wait,
            Pumped::Yielded => Step::Yield,
            // A client that has its response need not send what is not awaited.
            Pumped::Broken(Break::Truncated) if matches!(self.phase, Phase::Responding { .. }) => {
                self.upload_stopped = true;
                Step::Wait
            }
            Pumped::Broken(Break::SourceFailed | Break::Truncated) => {
                Step::Failed(Fault::ClientGone)
            }
            Pumped::Broken(Break::BadFraming) => Step::Failed(Fault::Refused(Refusal::BadChunk)),
            Pumped::Broken(Break::SinkFailed) if is_connecting(io) => {
                Step::Failed(Fault::ConnectFailed)
            }
            Pumped::Broken(Break::SinkFailed) => {
                // The backend may have responded before it stopped reading.
                self.upload_stopped = true;
                Step::Continue
            }
        }
    }

    /// Moves the backend's response towards the client.
    fn download<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
    ) -> Step {
        let Some(backend) = io.backend.as_deref_mut() else {
            return Step::Failed(Fault::BackendGone);
        };
        let to = &mut io.client.conn.socket;
        let pumped = self.download.pump(&mut backend.conn, to, ctx);
        match pumped {
            Pumped::Done if self.is_rest_wanted(io) => {
                io.client.conn.socket.finish();
                self.response_sent = true;
                Step::Wait
            }
            Pumped::Done => Step::Finished,
            // A slow client does not keep the backend: it is free as soon as it has delivered.
            _ if self.download.is_received() && !self.is_rest_wanted(io) => Step::ReleaseBackend,
            Pumped::Broken(Break::SinkFailed) => Step::Failed(Fault::ClientGone),
            Pumped::Blocked => Step::Wait,
            Pumped::Yielded => Step::Yield,
            Pumped::Broken(Break::SourceFailed | Break::Truncated) => {
                Step::Failed(Fault::BackendGone)
            }
            Pumped::Broken(Break::BadFraming) => Step::Failed(Fault::BadResponse),
        }
    }

    /// Returns whether the backend, which has responded early, may still want the rest of the request:
    /// it has not ended its side, and the client sends.
    fn is_rest_wanted<N: Network<Pipe = Pipe>>(&self, io: &ExchangeIo<'_, N>) -> bool {
        let is_kept_back = self.request.awaits_continue && self.upload.received() == 0;
        let backend = io.backend.as_deref();
        !self.upload.is_done()
            && !self.upload_stopped
            && !is_kept_back
            && backend.is_some_and(|backend| !backend.conn.socket.is_read_closed())
    }

    /// Writes what is left of a response that has been received, or of a local reply.
    pub(super) fn deliver<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
    ) -> Step {
        match self.download.flush(&mut io.client.conn.socket, ctx) {
            Ok(true) => Step::Finished,
            Ok(false) => Step::Wait,
            Err(_) => Step::Failed(Fault::ClientGone),
        }
    }

    /// Notes that the backend connection is established: an event says so, or bytes have moved.
    pub(crate) fn note_established<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        now: Timestamp,
    ) {
        let Some(backend) = io.backend.as_deref_mut() else {
            return;
        };
        let Some(connect_time) = backend.established(now) else {
            return;
        };
        self.stats.connect_time = Some(connect_time);
        let is_its_own = !backend.is_disowned();
        if is_its_own {
            io.pool.backends.accepted(backend.backend);
        }
        let addresses = io.pool.connect.addresses(backend.backend).len();
        let index = backend.address.index(addresses);
        if let Some(index) = index.filter(|_| is_its_own && addresses > 1) {
            io.pool.connect.prefer(backend.backend, index);
        }
        // A tunnel may last for hours: its trial is won by the connection.
        if matches!(self.phase, Phase::Tunnel { .. })
            && let Attempt::At { lease, .. } = &mut self.attempt
        {
            io.pool.backends.proved(lease, now);
        }
    }
}

/// Returns whether the backend connection is not established yet.
pub(super) fn is_connecting<N: Network>(io: &ExchangeIo<'_, N>) -> bool {
    io.backend
        .as_ref()
        .is_some_and(|backend| backend.is_connecting())
}
