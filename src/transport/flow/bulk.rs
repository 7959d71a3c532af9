//! Bulk bytes, which go through a pipe and never visit user space.

use super::pump::Step;
use super::{Break, Flow};
use crate::http::Body;
use crate::transport::body::{Sink, Source};
use crate::transport::context::IoContext;
use crate::transport::pipe::Pipes;
use crate::transport::socket::Received;

/// A body with at least this much to come is spliced; below, copying is cheaper than the second
/// system call.
const SPLICE_MIN_BYTES: u64 = 64 * 1024;
/// Bytes requested of the kernel for one fill of a pipe.
const SPLICE_MAX_BYTES: usize = 256 * 1024;

impl<Pipe> Flow<Pipe> {
    pub(super) fn is_bulk(&self) -> bool {
        match self.body {
            Body::Length(left) => left >= SPLICE_MIN_BYTES,
            Body::UntilClose => self.bulk && self.encoder.is_none(),
            Body::Empty | Body::Chunked(_) => false,
        }
    }

    /// `None` if no pipe can be had.
    pub(super) fn fill_pipe<S, P>(
        &mut self,
        from: &mut S,
        work: &mut IoContext<P>,
    ) -> Option<Received>
    where
        S: Source<Pipe = Pipe>,
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
        self.pipe = Some((pipe, held + more as u32));
        Some(received)
    }

    pub(super) fn received_in_pipe<P: Pipes<Pipe = Pipe>>(
        &mut self,
        received: Received,
        work: &mut IoContext<P>,
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
    pub(super) fn drain_pipe<K, P>(
        &mut self,
        to: &mut K,
        work: &mut IoContext<P>,
    ) -> Result<bool, Break>
    where
        K: Sink<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        while let Some((pipe, held)) = &mut self.pipe {
            if *held == 0 {
                if self.body.is_complete() {
                    self.release_pipe(work);
                }
                return Ok(true);
            }
            let sent = to.drain(pipe, *held as usize);
            let sent = sent.map_err(|_| Break::SinkFailed)?;
            *held = held.saturating_sub(sent as u32);
            self.touched |= sent > 0;
            self.passed += sent as u64;
            if sent == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn release_pipe<P: Pipes<Pipe = Pipe>>(&mut self, work: &mut IoContext<P>) {
        if let Some((pipe, held)) = self.pipe.take() {
            work.pipes.give(pipe, held as usize);
        }
    }
}
