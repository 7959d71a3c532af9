//! Writes from where the bytes lie; bytes that the sink does not take wait.

use super::{Afterwards, Break, Flow};
use crate::http::Piece;
use crate::transport::body::Sink;
use crate::transport::buffer::Buffers;
use crate::transport::context::IoContext;
use crate::transport::pipe::Pipes;
use std::io::IoSlice;

/// A body that is copied behind its head instead of being written from where it lies.
const SHORT_BYTES: usize = 1024;

impl<Pipe> Flow<Pipe> {
    /// Writes `head` and what `input` has of the body in one call, straight from where they are;
    /// bytes that the sink does not take wait. A short body is put behind the head instead: copying
    /// it costs less than a vectored write. Returns how much of `input` was used.
    ///
    /// # Errors
    /// The framing is malformed. A failed sink shows at the next flush.
    pub fn accept<K: Sink<Pipe = Pipe>>(
        &mut self,
        head: &mut Vec<u8>,
        input: &[u8],
        to: &mut K,
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
            None if piece.is_empty() => self.emit([head], to, buffers),
            None if head.is_empty() => self.emit([piece], to, buffers),
            None => self.emit([head, piece], to, buffers),
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
            // What is inserted goes the way of all that is not at the front.
            Piece::Insert | Piece::NeedMore | Piece::End => Ok((0, b"")),
        }
    }

    /// Writes `parts` if nothing waits before them; what is not taken waits. So it does if the
    /// sink has failed: these bytes are nowhere else any more, and another sink may get them.
    fn emit<K: Sink<Pipe = Pipe>, const PARTS: usize>(
        &mut self,
        parts: [&[u8]; PARTS],
        to: &mut K,
        buffers: &mut Buffers,
    ) {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut sent = 0;
        if total > 0 && self.pending.is_none() {
            let is_last = self.afterwards == Afterwards::SinkEnds && self.body.is_complete();
            let parts = parts.map(IoSlice::new);
            let result = match is_last {
                true => to.send_last(&parts),
                false => to.send(&parts),
            };
            sent = result.unwrap_or(0);
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

    /// Writes the waiting bytes. Returns whether none is left.
    ///
    /// # Errors
    /// The sink failed.
    pub fn flush<K, P>(&mut self, to: &mut K, work: &mut IoContext<P>) -> Result<bool, Break>
    where
        K: Sink<Pipe = Pipe>,
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
            if self.afterwards != Afterwards::Kept {
                work.buffers.give_some(self.pending.take());
            }
        }
        self.drain_pipe(to, work)
    }
}
