//! One direction of a relay: the bytes of one message, or of a tunnel, from source to sink.
//!
//! A flow reads only when everything it read before has been written, so the bytes it holds are
//! bounded by one read (or one pipe), however the peers behave: back-pressure needs no accounting.
//! It follows the framing of the body and passes on only bytes it has understood, so it knows where
//! the message ends; bytes beyond stay with the source. It does not know heads: the head is simply
//! the first thing to be written.
//!
//! Bulk bytes go through a pipe (`splice(2)`) and never visit user space. A pipe is held only
//! while there is something in it.

mod bulk;
mod pump;
mod write;

use super::buffer::{Buffer, Buffers};
use super::context::IoContext;
use super::pipe::Pipes;
use crate::http::{Body, ChunkedEncoder, Piece};

/// Progress of a call to [`Flow::pump`].
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

/// The reason why a message cannot be passed on.
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
    afterwards: Afterwards,
    /// True if the sink has taken anything.
    touched: bool,
    /// Bulk bytes, and how many they are, which is less than a pipe can hold.
    pipe: Option<(Pipe, u32)>,
    /// True if the last read filled the scratch buffer: a sign of bulk.
    bulk: bool,
    received: u64,
    passed: u64,
}

/// The treatment of a message that has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Nothing,
    /// It is kept, to be written again.
    Kept,
    /// The sink is ended.
    SinkEnds,
}

impl<Pipe> Flow<Pipe> {
    /// A flow of which nothing has been read yet.
    pub fn new(body: Body) -> Self {
        Self {
            body,
            encoder: None,
            pending: None,
            afterwards: Afterwards::Nothing,
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

    /// The sink is to be ended as soon as this flow is done: the last bytes may wait for that.
    pub fn end_sink(&mut self) {
        self.afterwards = Afterwards::SinkEnds;
    }

    /// Returns whether the whole message has been received.
    pub fn is_received(&self) -> bool {
        self.body.is_complete()
    }

    /// Returns whether something waits for the sink.
    pub fn has_pending(&self) -> bool {
        self.pending.as_ref().is_some_and(|held| !held.is_drained())
            || self.pipe.as_ref().is_some_and(|(_, held)| *held > 0)
    }

    /// Returns whether everything has been received and written.
    pub fn is_done(&self) -> bool {
        self.is_received() && !self.has_pending()
    }

    /// Returns whether the sink has taken anything since the start or the last
    /// [`rewind`](Self::rewind).
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Returns whether all of the message is at hand and can be written again from the start.
    pub fn can_rewind(&self) -> bool {
        !self.touched || self.afterwards == Afterwards::Kept
    }

    /// The message as it is kept to be written again; empty if it is not.
    pub fn kept(&self) -> &[u8] {
        match (&self.pending, self.afterwards) {
            (Some(pending), Afterwards::Kept) => pending.all(),
            _ => b"",
        }
    }

    /// Changes what is written first, while nothing of it has been taken.
    pub fn amend(&mut self, amend: impl FnOnce(&mut Vec<u8>)) {
        if let Some(pending) = &mut self.pending
            && !self.touched
        {
            amend(pending.as_vec_mut());
        }
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

    /// Bytes of content taken from the source in chunks so far; 0 if it is sent in another way.
    pub fn chunked_content(&self) -> u64 {
        let framing = self.body.framing_bytes();
        framing.map_or(0, |framing| {
            self.received.saturating_sub(u64::from(framing))
        })
    }

    /// Bytes taken by sinks so far.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Sets the bytes to write first, and takes the part of the body at the front of `input`. With
    /// `keep`, a message that is complete by now is kept for [`rewind`](Self::rewind). Returns how
    /// much of `input` was used.
    ///
    /// # Errors
    /// The framing is malformed.
    pub fn prepare(&mut self, mut first: Buffer, input: &[u8], keep: bool) -> Result<usize, Break> {
        let used = self.take_pieces(input, &mut first);
        self.pending = Some(first);
        if keep && self.is_received() {
            self.afterwards = Afterwards::Kept;
        }
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
    pub fn release<P: Pipes<Pipe = Pipe>>(&mut self, work: &mut IoContext<P>) {
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
                Piece::Insert => out.append(self.body.insert()),
                Piece::NeedMore | Piece::End => break,
            }
        }
        Ok(used)
    }
}
