//! Pumping: reading from the source whenever nothing waits for the sink.

use super::{Afterwards, Break, Flow, Pumped};
use crate::http::Body;
use crate::transport::body::{Sink, Source};
use crate::transport::buffer::Buffers;
use crate::transport::context::IoContext;
use crate::transport::pipe::Pipes;
use crate::transport::socket::{Received, SendFailed};
use std::io::IoSlice;
use std::marker::PhantomData;

/// Work one flow may do before others get their turn, about what it takes to copy so many bytes: a
/// fifth of a millisecond.
const TURN_WORK: usize = 256 * 1024;
/// Work of a read of any size: two system calls, one to pass it on.
const READ_WORK: usize = 4 * 1024;
/// Work of a byte of framing, each of which is looked at, where content goes by in runs.
const FRAMING_WORK: usize = 8;

/// Bytes read at once while memory is short, so that what a slow sink leaves is little.
const SHORT_READ_BYTES: usize = 4 * 1024;

/// The result of [`Flow::advance`].
pub(super) enum Step {
    Moved(usize),
    Blocked,
}

/// Takes nothing: all that is sent there waits.
struct NoSink<Pipe>(PhantomData<Pipe>);

impl<Pipe> Sink for NoSink<Pipe> {
    type Pipe = Pipe;

    fn send(&mut self, _: &[IoSlice<'_>]) -> Result<usize, SendFailed> {
        Ok(0)
    }

    fn send_last(&mut self, _: &[IoSlice<'_>]) -> Result<usize, SendFailed> {
        Ok(0)
    }

    fn splices(&self) -> bool {
        false
    }

    fn drain(&mut self, _: &mut Pipe, _: usize) -> Result<usize, SendFailed> {
        Ok(0)
    }
}

impl<Pipe> Flow<Pipe> {
    /// Moves bytes until one side blocks, the message ends or breaks, or others want their turn.
    pub fn pump<S, K, P>(&mut self, from: &mut S, to: &mut K, work: &mut IoContext<P>) -> Pumped
    where
        S: Source<Pipe = Pipe>,
        K: Sink<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        let mut work_left = TURN_WORK;
        loop {
            match self.flush(to, work) {
                Ok(true) => {}
                Ok(false) => return Pumped::Blocked,
                Err(failed) => return Pumped::Broken(failed),
            }
            if self.body.is_complete() {
                return Pumped::Done;
            }
            if work_left == 0 {
                return Pumped::Yielded;
            }
            let framing = self.body.framing_bytes();
            match self.advance(from, to, work) {
                Ok(Step::Moved(count)) => {
                    work_left = work_left.saturating_sub(self.work(count, framing));
                }
                Ok(Step::Blocked) => return Pumped::Blocked,
                Err(failed) => return Pumped::Broken(failed),
            }
        }
    }

    /// Takes the next bytes from the source: unread ones, else those of the socket.
    fn advance<S, K, P>(
        &mut self,
        from: &mut S,
        to: &mut K,
        work: &mut IoContext<P>,
    ) -> Result<Step, Break>
    where
        S: Source<Pipe = Pipe>,
        K: Sink<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        if let Some(step) = self.before_read(from, to, work)? {
            return Ok(step);
        }
        let received = if self.is_bulk() && from.splices() && to.splices() {
            self.fill_pipe(from, work)
        } else {
            None
        };
        match received {
            Some(step) => self.received_in_pipe(step, work),
            None => self.copy(from, to, work),
        }
    }

    /// Takes what needs no read: unread bytes, the end. `None`: the source is to be read.
    #[inline]
    fn before_read<S, K, P>(
        &mut self,
        from: &mut S,
        to: &mut K,
        work: &mut IoContext<P>,
    ) -> Result<Option<Step>, Break>
    where
        S: Source<Pipe = Pipe>,
        K: Sink<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        if let Some(mut unread) = from.take_unread() {
            let used = self.accept(&mut Vec::new(), unread.pending(), to, &mut work.buffers);
            unread.consume(*used.as_ref().unwrap_or(&0));
            from.put_back(unread, &mut work.buffers);
            return Ok(Some(Step::Moved(used?)));
        }
        if from.has_ended() {
            return self.source_ended(&mut work.buffers).map(Some);
        }
        Ok((!from.may_read()).then_some(Step::Blocked))
    }

    /// Takes in what comes of the message while there is no sink for it, until it is complete or has
    /// about `limit` bytes. With `keep` a message that is complete then is kept for
    /// [`rewind`](Self::rewind).
    pub fn hold<S, P>(
        &mut self,
        from: &mut S,
        limit: usize,
        keep: bool,
        work: &mut IoContext<P>,
    ) -> Pumped
    where
        S: Source<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        let to = &mut NoSink(PhantomData);
        let mut work_left = TURN_WORK;
        while !self.body.is_complete() && self.received < limit as u64 {
            if work_left == 0 {
                return Pumped::Yielded;
            }
            let framing = self.body.framing_bytes();
            let step = match self.before_read(from, to, work) {
                Ok(None) => self.copy(from, to, work),
                Ok(Some(step)) => Ok(step),
                Err(failed) => Err(failed),
            };
            match step {
                Ok(Step::Moved(count)) => {
                    work_left = work_left.saturating_sub(self.work(count, framing));
                }
                Ok(Step::Blocked) => return Pumped::Blocked,
                Err(failed) => return Pumped::Broken(failed),
            }
        }
        if keep && self.body.is_complete() {
            self.afterwards = Afterwards::Kept;
        }
        Pumped::Done
    }

    /// The work of a step that moved so many bytes, before which so many of framing were read.
    fn work(&self, count: usize, framing_before: Option<u32>) -> usize {
        let framing = self.body.framing_bytes().unwrap_or_default();
        let framing = framing - framing_before.unwrap_or_default().min(framing);
        count + READ_WORK + framing as usize * FRAMING_WORK
    }

    fn copy<S, K, P>(
        &mut self,
        from: &mut S,
        to: &mut K,
        work: &mut IoContext<P>,
    ) -> Result<Step, Break>
    where
        S: Source<Pipe = Pipe>,
        K: Sink<Pipe = Pipe>,
        P: Pipes<Pipe = Pipe>,
    {
        let IoContext {
            scratch, buffers, ..
        } = work;
        // Not reading past the end leaves the next request in the kernel, without a buffer.
        let room = match self.body {
            Body::Length(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Body::Empty | Body::Chunked(_) | Body::UntilClose => usize::MAX,
        };
        let most = match buffers.is_short() {
            true => SHORT_READ_BYTES,
            false => scratch.len(),
        };
        let room = room.min(most);
        let into = scratch.get_mut(..room).unwrap_or_default();
        match from.recv(into) {
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
    pub(super) fn source_ended(&mut self, buffers: &mut Buffers) -> Result<Step, Break> {
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
}
