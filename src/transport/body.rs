//! The two ends of a [`Flow`](super::Flow): where bytes come from and where they go.
//!
//! Owns what a flow asks of either end, and nothing about what the end is: a whole connection in
//! HTTP/1 and in TCP mode, one stream of an HTTP/2 connection later. Each pair of
//! ends is compiled on its own, so that an end which is not used costs the others nothing.

use super::buffer::{Buffer, Buffers};
use super::buffered_conn::BufferedConn;
use super::layer::Transport;
use super::socket::{Received, SendFailed, Socket};
use std::io::IoSlice;

/// An end that bytes are read from. Bytes that were read and not used come first.
pub trait Source {
    /// The pipe it can fill.
    type Pipe;

    /// Takes the bytes that were read before and not used.
    fn take_unread(&mut self) -> Option<Buffer>;

    /// Puts back the rest of a buffer from [`take_unread`](Self::take_unread).
    fn put_back(&mut self, rest: Buffer, buffers: &mut Buffers);

    /// Keeps bytes that were read and not used.
    fn keep(&mut self, bytes: &[u8], buffers: &mut Buffers);

    /// Returns whether reading has met the end.
    fn has_ended(&self) -> bool;

    /// Returns whether a read may bring something.
    fn may_read(&self) -> bool;

    /// Reads once.
    fn recv(&mut self, into: &mut [u8]) -> Received;

    /// Returns whether its bytes may go through a pipe.
    fn splices(&self) -> bool;

    /// Moves up to `max` bytes into `pipe`, once.
    fn fill(&mut self, pipe: &mut Self::Pipe, max: usize) -> Received;
}

/// An end that bytes are written to.
pub trait Sink {
    /// The pipe it can drain.
    type Pipe;

    /// Writes `parts` once and returns how many bytes were taken, possibly none.
    ///
    /// # Errors
    /// The connection failed.
    fn send(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, SendFailed>;

    /// The same for the last bytes: see [`Socket::send_last`].
    ///
    /// # Errors
    /// The connection failed.
    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, SendFailed>;

    /// Returns whether bytes may come to it through a pipe.
    fn splices(&self) -> bool;

    /// Moves up to `held` bytes out of `pipe`, once.
    ///
    /// # Errors
    /// The connection failed.
    fn drain(&mut self, pipe: &mut Self::Pipe, held: usize) -> Result<usize, SendFailed>;
}

impl<T: Transport> Source for BufferedConn<T> {
    type Pipe = T::Pipe;

    fn take_unread(&mut self) -> Option<Buffer> {
        self.unread.take()
    }

    fn put_back(&mut self, rest: Buffer, buffers: &mut Buffers) {
        Self::put_back(self, rest, buffers);
    }

    fn keep(&mut self, bytes: &[u8], buffers: &mut Buffers) {
        Self::keep(self, bytes, buffers);
    }

    fn has_ended(&self) -> bool {
        self.socket.has_ended()
    }

    fn may_read(&self) -> bool {
        self.socket.may_read()
    }

    fn recv(&mut self, into: &mut [u8]) -> Received {
        self.socket.recv(into)
    }

    fn splices(&self) -> bool {
        self.socket.io().splices()
    }

    fn fill(&mut self, pipe: &mut T::Pipe, max: usize) -> Received {
        self.socket.fill(pipe, max)
    }
}

impl<T: Transport> Sink for Socket<T> {
    type Pipe = T::Pipe;

    fn send(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, SendFailed> {
        Self::send(self, parts)
    }

    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, SendFailed> {
        Self::send_last(self, parts)
    }

    fn splices(&self) -> bool {
        self.io().splices()
    }

    fn drain(&mut self, pipe: &mut T::Pipe, held: usize) -> Result<usize, SendFailed> {
        Self::drain(self, pipe, held)
    }
}
