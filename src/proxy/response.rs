//! The answer of a backend: reading its head, and what follows from it.

use super::Proxy;
use super::arena::ExchangeId;
use super::drive::Step;
use super::exchange::{Attempt, Phase, Request};
use super::network::Network;
use crate::error::Fault;
use crate::http::{
    Body, BodyLength, ConnectionOption, Parsed, Reframe, ResponseHead, ResponseRewrite, Version,
};
use crate::time::Timestamp;
use crate::transport::{Flow, Gathered};
use std::mem;

/// Looks for a head in one go, so that a flood of interim answers lets others have their turn.
const HEADS_PER_TURN: usize = 32;

impl<N: Network> Proxy<N> {
    /// Reads until the head of the final answer is complete. Interim answers are passed on.
    pub(super) fn await_response(&mut self, id: ExchangeId, now: Timestamp) -> Step {
        let mut scratch = mem::take(&mut self.io.scratch);
        let step = self.read_response(id, &mut scratch, now);
        self.io.scratch = scratch;
        step
    }

    fn read_response(&mut self, id: ExchangeId, scratch: &mut [u8], now: Timestamp) -> Step {
        // What is unread may not have been looked at yet: an interim answer held it up.
        let mut more = false;
        for _ in 0..HEADS_PER_TURN {
            let Some(io) = self.conns.io(id) else {
                return Step::Gone;
            };
            if io.exchange.download.has_pending() {
                // An interim answer the client has not taken: no more are read until it has.
                match self.deliver(id) {
                    Step::Finished => continue,
                    other => return other,
                }
            }
            let buffers = &mut self.io.buffers;
            let input = match io.link.conn.gather(scratch, buffers, more) {
                Gathered::Input(input) => input,
                Gathered::Blocked => return Step::Wait,
                Gathered::End | Gathered::Failed => return Step::Failed(Fault::BackendGone),
            };
            io.exchange.record_first_byte(now);
            let request = io.exchange.request;
            let bytes = input.bytes(scratch);
            let taken = self.take_response(id, request, bytes, now);
            let used = taken.as_ref().map_or(bytes.len(), |(used, _)| *used);
            if !input.is_finished(used)
                && let Some(io) = self.conns.io(id)
            {
                let buffers = &mut self.io.buffers;
                io.link.conn.used(input, used, scratch, buffers);
            }
            match taken {
                Ok((_, Head::Whole)) => return Step::Finished,
                Ok((_, Head::Final)) => return Step::Continue,
                Ok((_, Head::Interim)) => more = false,
                Ok((_, Head::Partial)) => more = true,
                Err(fault) => return Step::Failed(fault),
            }
        }
        Step::Yield
    }

    /// Looks for the head of an answer at the front of `input`. Returns how much was used.
    fn take_response(
        &mut self,
        id: ExchangeId,
        request: Request,
        input: &[u8],
        now: Timestamp,
    ) -> Result<(usize, Head), Fault> {
        let head = match self.parser.response(input, request.method) {
            Ok(Parsed::Complete(head)) => head,
            Ok(Parsed::Partial) => return Ok((0, Head::Partial)),
            Err(_) => return Err(Fault::BadResponse),
        };
        match head.status {
            101 if request.upgrade && head.upgrade => self.upgrade(id, &head, input),
            101 => Err(Fault::BadResponse),
            100..200 => self.interim(id, &head, input),
            _ => self.respond(id, &head, input, now),
        }
    }

    /// Passes on an interim answer; an HTTP/1.0 client does not know them (RFC 9110, 15.2).
    fn interim(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        input: &[u8],
    ) -> Result<(usize, Head), Fault> {
        let Some(io) = self.conns.io(id) else {
            return Err(Fault::BackendGone);
        };
        let exchange = io.exchange;
        if exchange.request.version == Version::Http11 {
            let rewrite = ResponseRewrite::default();
            self.head_out.clear();
            self.parser
                .write_response(head, input, &rewrite, &mut self.head_out);
            let to = &mut io.client.conn.socket;
            exchange
                .download
                .accept(&mut self.head_out, b"", to, &mut self.io.buffers)
                .map_err(|_| Fault::BadResponse)?;
        }
        Ok((head.len, Head::Interim))
    }

    /// Passes on the final answer: its head, and what of the body came with it.
    fn respond(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        input: &[u8],
        now: Timestamp,
    ) -> Result<(usize, Head), Fault> {
        let Some(io) = self.conns.io(id) else {
            return Err(Fault::BackendGone);
        };
        let exchange = io.exchange;
        let uploaded = exchange.upload.is_done();
        let plan = Plan::new(head, exchange.request.version);
        let is_member = |backend| self.pool.is_member(backend);
        let is_leaving = self.sticky.is_some() && !exchange.stats.backend.is_some_and(is_member);
        // Who is bound to a backend that leaves is let go, and nobody is bound to it any more.
        let is_last = self.stopping || (is_leaving && exchange.has_affinity());
        let sticky = self.sticky.as_ref().filter(|_| !is_leaving);
        let persistent = exchange.request.persistent && uploaded && plan.delimited && !is_last;
        let rewrite = ResponseRewrite {
            connection: exchange.request.connection(persistent),
            reframe: plan.reframe,
            line: sticky.map_or(b"", |sticky| exchange.sticky_line(sticky)),
        };
        self.head_out.clear();
        self.parser
            .write_response(head, input, &rewrite, &mut self.head_out);
        let mut download = plan.flow(head);
        if !persistent {
            download.end_sink();
        }
        let body = input.get(head.len..).unwrap_or_default();
        let to = &mut io.client.conn.socket;
        let used = download.accept(&mut self.head_out, body, to, &mut self.io.buffers);
        if used.is_err() && !download.is_touched() && !download.has_pending() {
            // Malformed from its first byte: the client has seen nothing and can be told.
            return Err(Fault::BadResponse);
        }
        exchange.stats.interim_bytes += exchange.download.passed();
        exchange.stats.status = Some(head.status);
        exchange.download = download;
        let is_over = uploaded && exchange.download.is_done();
        if head.status < 500
            && let Attempt::At { lease, .. } = &mut exchange.attempt
        {
            self.pool.proved(lease, now);
        }
        exchange.phase = Phase::Responding {
            reusable: head.persistent && uploaded,
            persistent,
            delimited: plan.delimited,
        };
        let found = if is_over { Head::Whole } else { Head::Final };
        match used {
            Ok(used) => Ok((head.len + used, found)),
            Err(_) => Err(Fault::BadResponse),
        }
    }

    /// Turns the exchange into a tunnel after 101 (RFC 9110, section 7.8).
    fn upgrade(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        input: &[u8],
    ) -> Result<(usize, Head), Fault> {
        let Some(io) = self.conns.io(id) else {
            return Err(Fault::BackendGone);
        };
        let exchange = io.exchange;
        if !exchange.upload.is_done() {
            return Err(Fault::BadResponse);
        }
        let rewrite = ResponseRewrite {
            connection: ConnectionOption::Upgrade,
            ..ResponseRewrite::default()
        };
        self.head_out.clear();
        self.parser
            .write_response(head, input, &rewrite, &mut self.head_out);
        let mut download = Flow::tunnel();
        let body = input.get(head.len..).unwrap_or_default();
        let to = &mut io.client.conn.socket;
        let used = download.accept(&mut self.head_out, body, to, &mut self.io.buffers);
        exchange.stats.status = Some(head.status);
        exchange.stats.interim_bytes += exchange.download.passed();
        exchange.stats.head_bytes += exchange.upload.received() as usize;
        exchange.download = download;
        let mut upload = mem::replace(&mut exchange.upload, Flow::tunnel());
        upload.release(&mut self.io);
        exchange.phase = Phase::Tunnel {
            upload_finished: false,
            download_finished: false,
        };
        let used = used.map_err(|_| Fault::BadResponse)?;
        Ok((head.len + used, Head::Final))
    }
}

/// What was found at the front of the bytes a backend sent.
enum Head {
    Partial,
    Interim,
    Final,
    /// The final one, and with it all of the answer, which has been passed on: the usual case.
    Whole,
}

/// How a response body is passed on.
struct Plan {
    reframe: Reframe,
    /// Whether the client can tell where the body ends without the connection closing.
    delimited: bool,
}

impl Plan {
    /// A client that speaks HTTP/1.0 is never sent chunks; one that speaks HTTP/1.1 is sent
    /// chunks where the backend only closes, so that its connection goes on and a break shows.
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
            Reframe::Keep => Flow::new(Body::new(head.body)),
            Reframe::Identity => Flow::new(Body::unframed(head.body)),
            Reframe::Chunked => {
                let mut flow = Flow::new(Body::new(head.body));
                flow.encode_chunks();
                flow
            }
        }
    }
}
