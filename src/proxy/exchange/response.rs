//! The response of a backend: reading its head, and what follows from it.

use super::state::{Attempt, Exchange, Phase};
use super::step::{ExchangeIo, Step};
use crate::error::Fault;
use crate::http::{
    Body, BodyLength, ConnectionOption, Parsed, Reframe, ResponseHead, ResponseRewrite, Version,
};
use crate::proxy::network::Network;
use crate::time::Timestamp;
use crate::transport::{Buffers, Flow, Gathered, IoContext};
use std::mem;
use std::num::NonZeroU16;

/// Heads read in one go, so that a flood of interim responses lets others have their turn.
const HEADS_PER_TURN: usize = 32;

impl<Pipe> Exchange<Pipe> {
    /// Reads until the head of the final response is complete. Interim responses are passed on.
    pub(super) fn await_response<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        ctx: &mut IoContext<N::Pipes>,
        now: Timestamp,
    ) -> Step {
        // What is unread may not have been looked at yet: an interim response held it up.
        let mut more = false;
        for _ in 0..HEADS_PER_TURN {
            if self.download.has_pending() {
                // An interim response the client has not taken: no more are read until it has.
                match self.deliver(io, ctx) {
                    Step::Finished => continue,
                    other => return other,
                }
            }
            let Some(backend) = io.backend.as_deref_mut() else {
                return Step::Failed(Fault::BackendGone);
            };
            let gathered = backend
                .conn
                .gather(&mut ctx.scratch, &mut ctx.buffers, more);
            let input = match gathered {
                Gathered::Input(input) => input,
                Gathered::Blocked => return Step::Wait,
                Gathered::End | Gathered::Failed => return Step::Failed(Fault::BackendGone),
            };
            self.record_first_byte(now);
            let bytes = input.bytes(&ctx.scratch);
            let taken = self.take_response(io, bytes, &mut ctx.buffers, now);
            let used = taken.as_ref().map_or(bytes.len(), |(used, _)| *used);
            if !input.is_finished(used)
                && let Some(backend) = io.backend.as_deref_mut()
            {
                backend
                    .conn
                    .used(input, used, &ctx.scratch, &mut ctx.buffers);
            }
            match taken {
                Ok((_, Head::Whole)) => return Step::Finished,
                Ok((_, Head::Final)) => return Step::Continue,
                Ok((_, Head::Upgraded)) => {
                    mem::replace(&mut self.upload, Flow::tunnel()).release(ctx);
                    return Step::Continue;
                }
                Ok((_, Head::Interim)) => more = false,
                Ok((_, Head::Partial)) => more = true,
                Ok((_, Head::Early)) => return Step::Wait,
                Err(fault) => return Step::Failed(fault),
            }
        }
        Step::Yield
    }

    /// Looks for a response head at the front of `input`. Returns how much was used.
    fn take_response<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        input: &[u8],
        buffers: &mut Buffers,
        now: Timestamp,
    ) -> Result<(usize, Head), Fault> {
        let head = match io.codec.parser.response(input, self.request.method) {
            Ok(Parsed::Complete(head)) => head,
            Ok(Parsed::Partial) => return Ok((0, Head::Partial)),
            Err(_) => return Err(Fault::BadResponse),
        };
        match head.status {
            // The protocol changes behind the request, which has not been sent to its end.
            101 if self.request.upgrade && head.upgrade && !self.upload.is_done() => {
                Ok((0, Head::Early))
            }
            101 if self.request.upgrade && head.upgrade => self.upgrade(io, &head, input, buffers),
            101 => Err(Fault::BadResponse),
            100..200 => self.interim(io, &head, input, buffers),
            408 if self.was_sent_too_late(&head, io) => {
                // As if the connection had ended without it.
                self.stats.first_byte_time = None;
                Err(Fault::BackendGone)
            }
            _ => self.respond(io, &head, input, buffers, now),
        }
    }

    /// Returns whether a 408 is about the idle connection that the request was sent on, and not about
    /// the request: the backend gave the connection up before the request arrived. The client has
    /// not been slow, so the request is repeated on a new connection, as RFC 9110, section 15.5.9
    /// allows. A second 408 is passed on, as that connection has served nothing before.
    #[cold]
    fn was_sent_too_late<N: Network<Pipe = Pipe>>(
        &self,
        head: &ResponseHead,
        io: &ExchangeIo<'_, N>,
    ) -> bool {
        let is_kept = matches!(self.attempt, Attempt::At { reused: true, .. });
        let retries = self.max_retries(io.pool.limits.max_retries);
        is_kept
            && !head.persistent
            && self.upload.is_done()
            && self.may_retry(Fault::BackendGone, retries)
    }

    /// Passes on an interim response; an HTTP/1.0 client does not know them (RFC 9110, 15.2).
    fn interim<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        head: &ResponseHead,
        input: &[u8],
        buffers: &mut Buffers,
    ) -> Result<(usize, Head), Fault> {
        self.request.awaits_continue &= head.status != 100;
        if self.request.version == Version::Http11 {
            let out = io
                .codec
                .write_response(head, input, &ResponseRewrite::default());
            let to = &mut io.client.conn.socket;
            let accepted = self.download.accept(out, b"", to, buffers);
            accepted.map_err(|_| Fault::BadResponse)?;
        }
        Ok((head.len, Head::Interim))
    }

    /// Passes on the final response: its head, and the part of the body that came with it.
    fn respond<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        head: &ResponseHead,
        input: &[u8],
        buffers: &mut Buffers,
        now: Timestamp,
    ) -> Result<(usize, Head), Fault> {
        let uploaded = self.upload.is_done();
        let framing = Framing::new(head, self.request.version);
        let sticky = io.pool.affinity.as_ref();
        let is_leaving = sticky.is_some() && !self.backend_is_member(io);
        // A client whose backend is leaving is released, and bound to no other.
        let is_last =
            io.continuity.closes(&io.client.listener) || (is_leaving && self.has_affinity());
        let sticky = sticky.filter(|_| !is_leaving);
        let persistent = self.request.persistent && uploaded && framing.delimited && !is_last;
        let rewrite = ResponseRewrite {
            connection: self.request.connection(persistent),
            reframe: framing.reframe,
            line: sticky.map_or(b"", |sticky| self.affinity_line(sticky)),
            date: b"",
        };
        let out = match io.client.listener.forward.adds_date() {
            true => io.codec.write_dated(head, input, &rewrite, now),
            false => io.codec.write_response(head, input, &rewrite),
        };
        if let Some(applied) = &self.applied {
            let backend = self.stats.backend.and_then(|id| io.pool.backends.name(id));
            applied.edit_response(out, backend.unwrap_or_default());
        }
        let mut download = framing.flow(head);
        if !persistent {
            download.end_sink();
        }
        let body = input.get(head.len..).unwrap_or_default();
        let to = &mut io.client.conn.socket;
        let used = download.accept(out, body, to, buffers);
        if used.is_err() && !download.is_touched() && !download.has_pending() {
            // Malformed from its first byte: the client has seen nothing, so a local reply is
            // possible.
            return Err(Fault::BadResponse);
        }
        self.stats.interim_bytes += self.download.passed();
        self.stats.status = NonZeroU16::new(head.status);
        self.download = download;
        if head.status < 500
            && let Attempt::At { lease, .. } = &mut self.attempt
        {
            io.pool.backends.proved(lease, now);
        }
        self.phase = Phase::Responding {
            reusable: head.persistent && uploaded,
            persistent,
            delimited: framing.delimited,
        };
        let found = match uploaded && self.download.is_done() {
            true => Head::Whole,
            false => Head::Final,
        };
        match used {
            Ok(used) => Ok((head.len + used, found)),
            Err(_) => Err(Fault::BadResponse),
        }
    }

    /// Turns the exchange into a tunnel after 101 (RFC 9110, section 7.8).
    fn upgrade<N: Network<Pipe = Pipe>>(
        &mut self,
        io: &mut ExchangeIo<'_, N>,
        head: &ResponseHead,
        input: &[u8],
        buffers: &mut Buffers,
    ) -> Result<(usize, Head), Fault> {
        // A client whose backend is leaving is bound to no other.
        let sticky = io.pool.affinity.as_ref();
        let sticky = sticky.filter(|_| self.backend_is_member(io));
        let rewrite = ResponseRewrite {
            connection: ConnectionOption::Upgrade,
            line: sticky.map_or(b"", |sticky| self.affinity_line(sticky)),
            ..ResponseRewrite::default()
        };
        let out = io.codec.write_response(head, input, &rewrite);
        let mut download = Flow::tunnel();
        let body = input.get(head.len..).unwrap_or_default();
        let to = &mut io.client.conn.socket;
        let used = download.accept(out, body, to, buffers);
        self.stats.status = NonZeroU16::new(head.status);
        self.stats.interim_bytes += self.download.passed();
        self.stats.head_bytes += self.upload.received() as usize;
        self.download = download;
        self.phase = Phase::OPEN_TUNNEL;
        let used = used.map_err(|_| Fault::BadResponse)?;
        Ok((head.len + used, Head::Upgraded))
    }

    /// Returns whether the operator wants the backend that responds to take part.
    fn backend_is_member<N: Network>(&self, io: &ExchangeIo<'_, N>) -> bool {
        let backend = self.stats.backend;
        backend.is_some_and(|backend| io.pool.backends.is_member(backend))
    }
}

/// The head found at the front of the bytes of a backend.
enum Head {
    Partial,
    /// 101 while the request body is still being sent: it waits.
    Early,
    Interim,
    Final,
    /// The final one, after which the exchange is a tunnel.
    Upgraded,
    /// The final one, and with it the whole response, which has been passed on: the usual case.
    Whole,
}

/// The framing of a response body for the client.
struct Framing {
    reframe: Reframe,
    /// True if the client can tell where the body ends without the connection closing.
    delimited: bool,
}

impl Framing {
    /// An HTTP/1.0 client is never sent chunks; an HTTP/1.1 client is sent chunks where the backend
    /// only closes, so that its connection persists and a break shows.
    fn new(head: &ResponseHead, client: Version) -> Self {
        let (reframe, delimited) = match (head.body, client) {
            (BodyLength::None | BodyLength::Length(_), _) => (Reframe::Keep, true),
            (BodyLength::Chunked, Version::Http11) => (Reframe::Keep, true),
            (BodyLength::UntilClose, Version::Http11) => (Reframe::Chunked, true),
            (BodyLength::Chunked, Version::Http10) => (Reframe::Identity, false),
            (BodyLength::UntilClose, Version::Http10) => (Reframe::Keep, false),
        };
        Self { reframe, delimited }
    }

    fn flow<Pipe>(&self, head: &ResponseHead) -> Flow<Pipe> {
        match self.reframe {
            Reframe::Keep => Flow::new(Body::of_response(head.body)),
            Reframe::Identity => Flow::new(Body::unframed(head.body)),
            Reframe::Chunked => {
                let mut flow = Flow::new(Body::new(head.body));
                flow.encode_chunks();
                flow
            }
        }
    }
}
