//! One direction of a relay: the bytes of one message, or of a tunnel, from source to sink.
//!
//! A flow reads only when everything it read before has been written, so what it holds is
//! bounded by one read (or one pipe), whatever the peers do: back-pressure needs no accounting.
//! It follows the framing of the body and passes on what it has understood, so it knows where
//! the message ends; bytes beyond stay with the source. It refuses to know what a head is: the
//! head is simply the first thing to be written.
//!
//! Bulk bytes go through a pipe (`splice(2)`) and never visit user space. A pipe is held only
//! while there is something in it.

use super::buffer::{Buffer, Buffers};
use super::peer::{Peer, Workspace};
use super::socket::{Received, Socket};
use super::transport::{Pipes, Transport};
use crate::http::{Body, ChunkedEncoder, Piece};
use std::io::IoSlice;

/// Bytes one flow may move before others get their turn.
const TURN_BYTES: usize = 1024 * 1024;
/// A body that is copied behind its head instead of being written from where it lies.
const SHORT_BYTES: usize = 1024;
/// A body with at least this much to come is spliced; below, copying is cheaper than the second
/// system call.
const SPLICE_MIN_BYTES: u64 = 64 * 1024;
/// Bytes asked of the kernel for one fill of a pipe.
const SPLICE_MAX_BYTES: usize = 256 * 1024;

/// How far a call to [`Flow::pump`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pumped {
    /// Nothing more can be done until an event.
    Blocked,
    /// More could be done at once, but others wait.
    Yielded,
    /// The whole message has been handed to the sink.
    Done,
    /// It never will be.
    Broken(Break),
}

/// Why a message cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The source ended in the middle of the message.
    Truncated,
    /// The connection to the source failed.
    SourceFailed,
    /// The connection to the sink failed.
    SinkFailed,
    /// The framing of the body is malformed.
    BadFraming,
}

/// One direction of a relay.
#[derive(Debug)]
pub struct Flow<Pipe> {
    body: Body,
    /// Puts plain bytes into chunks on the way.
    encoder: Option<ChunkedEncoder>,
    pending: Option<Buffer>,
    /// Whether `pending` is kept when it has been written, to be written again.
    keep: bool,
    /// Whether the sink has taken anything.
    touched: bool,
    pipe: Option<(Pipe, usize)>,
    /// Whether the last read filled the scratch buffer: a sign of bulk.
    bulk: bool,
    received: u64,
    passed: u64,
}

impl<Pipe> Flow<Pipe> {
    /// A flow of which nothing has been read yet.
    pub fn new(body: Body) -> Self {
        Self {
            body,
            encoder: None,
            pending: None,
            keep: false,
            touched: false,
            pipe: None,
            bulk: false,
            received: 0,
            passed: 0,
        }
    }

    /// A flow that ends where the source ends, in both directions of a tunnel.
    pub fn tunnel() -> Self {
        Self::new(Body::UntilClose)
    }

    /// Puts the bytes of the source, which ends by closing, into chunks.
    pub fn encode_chunks(&mut self) {
        self.encoder = Some(ChunkedEncoder::default());
    }

    /// Whether the source owes nothing more.
    pub fn is_received(&self) -> bool {
        self.body.is_complete()
    }

    /// Whether something waits for the sink.
    pub fn has_pending(&self) -> bool {
        self.pending.as_ref().is_some_and(|held| !held.is_drained())
            || self.pipe.as_ref().is_some_and(|(_, held)| *held > 0)
    }

    /// Whether everything has been received and written.
    pub fn is_done(&self) -> bool {
        self.is_received() && !self.has_pending()
    }

    /// Whether the sink has taken anything since the start or the last [`rewind`](Self::rewind).
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Whether all of the message is at hand and can be written again from the start.
    pub fn can_rewind(&self) -> bool {
        !self.touched || self.keep
    }

    /// Starts over with another sink. Only if [`can_rewind`](Self::can_rewind).
    pub fn rewind(&mut self) {
        self.touched = false;
        if let Some(pending) = &mut self.pending {
            pending.rewind();
        }
    }

    /// Bytes of the message taken from the source so far, framing included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes taken by sinks so far.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Sets what is written first, and takes from `input` what belongs to the body. With `keep`,
    /// a message that is complete by now is kept for [`rewind`](Self::rewind). Returns how much
    /// of `input` was used.
    ///
    /// # Errors
    /// The framing is malformed.
    pub fn prepare(&mut self, mut first: Buffer, input: &[u8], keep: bool) -> Result<usize, Break> {
        let used = self.take_pieces(input, &mut first);
        self.pending = Some(first);
        self.keep = keep && self.is_received();
        self.received += *used.as_ref().unwrap_or(&0) as u64;
        used
    }

    /// Adds a finished message behind what is pending. Only when nothing is to be received.
    pub fn append(&mut self, message: Buffer, buffers: &mut Buffers) {
        match &mut self.pending {
            Some(pending) => {
                pending.append(message.pending());
                buffers.give(message);
            }
            None => self.pending = Some(message),
        }
    }

    /// Gives everything back.
    pub fn release<P: Pipes<Pipe = Pipe>>(&mut self, work: &mut Workspace<P>) {
        work.buffers.give_some(self.pending.take());
        self.release_pipe(work);
    }

    /// Copies what `input` has of the body to the end of `out`. Returns how much was used.
    fn take_pieces(&mut self, input: &[u8], out: &mut Buffer) -> Result<usize, Break> {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            match self.body.next(rest).map_err(|_| Break::BadFraming)? {
                Piece::Forward(count) => {
                    let piece = rest.get(..count).unwrap_or(rest);
                    if let Some(encoder) = &mut self.encoder {
                        out.append(encoder.chunk(count).as_bytes());
                    }
                    out.append(piece);
                    used += count;
                }
                Piece::Skip(count) => used += count,
                Piece::NeedMore | Piece::End => break,
            }
        }
        Ok(used)
    }
}

/// The hot path: reading and writing.
impl<Pipe> Flow<Pipe> {
    /// Writes `head` and what `input` has of the body in one call, straight from where they are;
    /// what the sink does not take waits. A short body is put behind the head instead: copying
    /// it costs less than a vectored write. Returns how much of `input` was used.
    ///
    /// # Errors
    /// The framing is malformed. That the sink failed shows when what waits is flushed.
    pub fn accept<T: Transport<Pipe = Pipe>>(
        &mut self,
        head: &mut Vec<u8>,
        input: &[u8],
        to: &mut Socket<T>,
        buffers: &mut Buffers,
    ) -> Result<usize, Break> {
        let (mut used, mut piece) = self.first_piece(input)?;
        if self.encoder.is_none() && !head.is_empty() && piece.len() <= SHORT_BYTES {
            head.extend_from_slice(piece);
            piece = b"";
        }
        match &mut self.encoder {
            Some(encoder) => {
                let chunk = encoder.chunk(piece.len());
                self.emit([head, chunk.as_bytes(), piece], to, buffers);
            }
            None => self.emit([head, b"", piece], to, buffers),
        }
        let rest = input.get(used..).unwrap_or_default();
        if !rest.is_empty() && !self.body.is_complete() {
            let mut out = match self.pending.take() {
                Some(pending) => pending,
                None => buffers.take(rest.len()),
            };
            let more = self.take_pieces(rest, &mut out);
            self.pending = Some(out);
            used += more?;
        }
        self.received += used as u64;
        Ok(used)
    }

    /// The front of `input` that can be passed on as it is; usually all of it.
    fn first_piece<'a>(&mut self, input: &'a [u8]) -> Result<(usize, &'a [u8]), Break> {
        if input.is_empty() || self.body.is_complete() {
            return Ok((0, b""));
        }
        match self.body.next(input).map_err(|_| Break::BadFraming)? {
            Piece::Forward(count) => Ok((count, input.get(..count).unwrap_or(input))),
            Piece::Skip(count) => Ok((count, b"")),
            Piece::NeedMore | Piece::End => Ok((0, b"")),
        }
    }

    /// Writes `parts` if nothing waits before them; what is not taken waits. So it does if the
    /// sink has failed: these bytes are nowhere else any more, and another sink may get them.
    fn emit<T: Transport<Pipe = Pipe>>(
        &mut self,
        parts: [&[u8]; 3],
        to: &mut Socket<T>,
        buffers: &mut Buffers,
    ) {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut sent = 0;
        if total > 0 && self.pending.is_none() {
            sent = to.send(&parts.map(IoSlice::new)).unwrap_or(0);
            self.count(sent);
        }
        if sent == total {
            return;
        }
        let mut out = match self.pending.take() {
            Some(pending) => pending,
            None => buffers.take(total - sent),
        };
        for part in parts {
            let skipped = sent.min(part.len());
            out.append(part.get(skipped..).unwrap_or_default());
            sent -= skipped;
        }
        self.pending = Some(out);
    }

    fn count(&mut self, sent: usize) {
        self.touched |= sent > 0;
        self.passed += sent as u64;
    }

    /// Moves bytes until one side blocks, the message ends or breaks, or others want their turn.
    pub fn pump<T, P>(
        &mut self,
        from: &mut Peer<T>,
        to: &mut Socket<T>,
        work: &mut Workspace<P>,
    ) -> Pumped
    where
        T: Transport<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        let mut budget = TURN_BYTES;
        loop {
            match self.flush(to, work) {
                Ok(true) => {}
                Ok(false) => return Pumped::Blocked,
                Err(failed) => return Pumped::Broken(failed),
            }
            if self.body.is_complete() {
                return Pumped::Done;
            }
            if budget == 0 {
                return Pumped::Yielded;
            }
            match self.advance(from, to, work) {
                Ok(Step::Moved(count)) => budget = budget.saturating_sub(count),
                Ok(Step::Blocked) => return Pumped::Blocked,
                Err(failed) => return Pumped::Broken(failed),
            }
        }
    }

    /// Takes the next bytes from the source: what is left unread, else what the socket has.
    fn advance<T, P>(
        &mut self,
        from: &mut Peer<T>,
        to: &mut Socket<T>,
        work: &mut Workspace<P>,
    ) -> Result<Step, Break>
    where
        T: Transport<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        if let Some(mut unread) = from.unread.take() {
            let used = self.accept(&mut Vec::new(), unread.pending(), to, &mut work.buffers);
            unread.consume(*used.as_ref().unwrap_or(&0));
            from.put_back(unread, &mut work.buffers);
            return used.map(Step::Moved);
        }
        if from.socket.has_ended() {
            return self.source_ended(&mut work.buffers);
        }
        if !from.socket.may_read() {
            return Ok(Step::Blocked);
        }
        let received = if self.is_bulk() {
            self.fill_pipe(&mut from.socket, work)
        } else {
            None
        };
        match received {
            Some(step) => self.received_in_pipe(step, work),
            None => self.copy(from, to, work),
        }
    }

    fn copy<T, P>(
        &mut self,
        from: &mut Peer<T>,
        to: &mut Socket<T>,
        work: &mut Workspace<P>,
    ) -> Result<Step, Break>
    where
        T: Transport<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        let Workspace {
            scratch, buffers, ..
        } = work;
        // Not reading past the end leaves the next request in the kernel, without a buffer.
        let room = match self.body {
            Body::Length(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Body::Empty | Body::Chunked(_) | Body::UntilClose => usize::MAX,
        };
        let room = room.min(scratch.len());
        let into = scratch.get_mut(..room).unwrap_or_default();
        match from.socket.recv(into) {
            Received::Bytes(count) => {
                let bytes = scratch.get(..count).unwrap_or_default();
                self.bulk = count == scratch.len();
                let used = self.accept(&mut Vec::new(), bytes, to, buffers)?;
                from.keep(bytes.get(used..).unwrap_or_default(), buffers);
                Ok(Step::Moved(count))
            }
            Received::Blocked => Ok(Step::Blocked),
            Received::End => self.source_ended(buffers),
            Received::Failed => Err(Break::SourceFailed),
        }
    }

    /// The end of the source ends the message, or cuts it short.
    fn source_ended(&mut self, buffers: &mut Buffers) -> Result<Step, Break> {
        if !matches!(self.body, Body::UntilClose) {
            return Err(Break::Truncated);
        }
        self.body = Body::Empty;
        if let Some(encoder) = self.encoder.take() {
            match &mut self.pending {
                Some(pending) => pending.append(encoder.finish()),
                None => self.pending = Some(buffers.take_with(encoder.finish())),
            }
        }
        Ok(Step::Moved(0))
    }

    /// Writes what waits. Returns whether nothing is left.
    ///
    /// # Errors
    /// The sink failed.
    pub fn flush<T, P>(
        &mut self,
        to: &mut Socket<T>,
        work: &mut Workspace<P>,
    ) -> Result<bool, Break>
    where
        T: Transport<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        if let Some(pending) = &mut self.pending {
            if !pending.is_drained() {
                let sent = to
                    .send(&[IoSlice::new(pending.pending())])
                    .map_err(|_| Break::SinkFailed)?;
                pending.consume(sent);
                self.touched |= sent > 0;
                self.passed += sent as u64;
            }
            if !pending.is_drained() {
                return Ok(false);
            }
            if !self.keep {
                work.buffers.give_some(self.pending.take());
            }
        }
        self.drain_pipe(to, work)
    }
}

/// Bulk bytes, through a pipe.
impl<Pipe> Flow<Pipe> {
    fn is_bulk(&self) -> bool {
        match self.body {
            Body::Length(left) => left >= SPLICE_MIN_BYTES,
            Body::UntilClose => self.bulk && self.encoder.is_none(),
            Body::Empty | Body::Chunked(_) => false,
        }
    }

    /// `None` if no pipe can be had.
    fn fill_pipe<T, P>(&mut self, from: &mut Socket<T>, work: &mut Workspace<P>) -> Option<Received>
    where
        T: Transport<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        let max = match self.body {
            Body::Length(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Body::Empty | Body::Chunked(_) | Body::UntilClose => usize::MAX,
        };
        let (mut pipe, held) = match self.pipe.take() {
            Some(pipe) => pipe,
            None => (work.pipes.take()?, 0),
        };
        let received = from.fill(&mut pipe, max.min(SPLICE_MAX_BYTES));
        let more = match received {
            Received::Bytes(count) => count,
            Received::Blocked | Received::End | Received::Failed => 0,
        };
        self.pipe = Some((pipe, held + more));
        Some(received)
    }

    fn received_in_pipe<P: Pipes<Pipe = Pipe>>(
        &mut self,
        received: Received,
        work: &mut Workspace<P>,
    ) -> Result<Step, Break> {
        match received {
            Received::Bytes(count) => {
                self.body.advance(count as u64);
                self.received += count as u64;
                return Ok(Step::Moved(count));
            }
            Received::Blocked => {}
            Received::End => return self.source_ended(&mut work.buffers),
            Received::Failed => return Err(Break::SourceFailed),
        }
        // Nothing to move for now: an idle tunnel holds no pipe, and starts over with copying.
        self.bulk = false;
        self.release_pipe(work);
        Ok(Step::Blocked)
    }

    /// Returns whether nothing is left in the pipe.
    fn drain_pipe<T, P>(
        &mut self,
        to: &mut Socket<T>,
        work: &mut Workspace<P>,
    ) -> Result<bool, Break>
    where
        T: Transport<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        while let Some((pipe, held)) = &mut self.pipe {
            if *held == 0 {
                if self.body.is_complete() {
                    self.release_pipe(work);
                }
                return Ok(true);
            }
            let sent = to.drain(pipe, *held).map_err(|_| Break::SinkFailed)?;
            *held -= sent.min(*held);
            self.touched |= sent > 0;
            self.passed += sent as u64;
            if sent == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn release_pipe<P: Pipes<Pipe = Pipe>>(&mut self, work: &mut Workspace<P>) {
        if let Some((pipe, held)) = self.pipe.take() {
            work.pipes.give(pipe, held);
        }
    }
}

/// What [`Flow::advance`] did.
enum Step {
    Moved(usize),
    Blocked,
}
