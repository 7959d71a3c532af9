//! A connection and its readiness.
//!
//! The edge-triggered contract is kept here. A socket is registered once, for reading and
//! writing; the system reports each *change* to ready, once. So readiness is remembered in the
//! socket and forgotten only when an operation shows that it is used up:
//! * a read that fills less than its buffer has drained the socket; asking again would only
//!   return would-block. The exception is an end of stream that was already reported: no
//!   further event would announce it, so reading goes on until it is seen;
//! * a write that takes less than it was given has filled the socket.

use super::layer::Transport;
use std::io::{self, IoSlice};

/// The readiness that an event reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read, or an end or an error to be seen by reading.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer has ended its sending side.
    pub read_closed: bool,
    /// The connection is gone in both directions, or failed.
    pub broken: bool,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now; an event will tell.
    Blocked,
    /// The peer will send no more.
    End,
    /// The connection failed.
    Failed,
}

/// The connection failed while writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendFailed;

/// A connection with its remembered readiness.
#[derive(Debug)]
pub struct Socket<T> {
    io: T,
    readable: bool,
    writable: bool,
    read_closed: bool,
    ended: bool,
    broken: bool,
    /// True if a write has failed. The system reports an error once, so reading then meets what
    /// looks like an end.
    send_failed: bool,
}

impl<T: Transport> Socket<T> {
    /// A new connection. It is taken to be writable until a write shows otherwise: the first
    /// write is tried without waiting for an event.
    pub fn new(io: T) -> Self {
        Self {
            io,
            readable: false,
            writable: true,
            read_closed: false,
            ended: false,
            broken: false,
            send_failed: false,
        }
    }

    /// The connection itself.
    pub fn io(&self) -> &T {
        &self.io
    }

    /// The connection itself, to be registered for events.
    pub fn io_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Adds the readiness of an event.
    pub fn note(&mut self, ready: Readiness) {
        self.readable |= ready.readable || ready.read_closed || ready.broken;
        self.writable |= ready.writable;
        self.read_closed |= ready.read_closed;
        self.broken |= ready.broken;
    }

    /// Returns whether a read may bring something.
    pub fn may_read(&self) -> bool {
        self.readable && !self.ended
    }

    /// Returns whether a write may take something.
    pub fn may_write(&self) -> bool {
        self.writable
    }

    /// Returns whether an event said that the connection is gone in both directions.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns whether reading has met the end of what the peer sends.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns whether the peer is known to have ended its sending side, read up to there or not.
    pub fn is_read_closed(&self) -> bool {
        self.read_closed || self.ended
    }

    /// Reads once.
    pub fn recv(&mut self, into: &mut [u8]) -> Received {
        let result = retry_interrupted(|| self.io.recv(into));
        self.received(result, into.len())
    }

    /// Moves bytes into `pipe`, once. A pipe may take less than is there, so only would-block
    /// shows that the socket is drained.
    pub fn fill(&mut self, pipe: &mut T::Pipe, max: usize) -> Received {
        let result = retry_interrupted(|| self.io.fill(pipe, max));
        self.received(result, 0)
    }

    fn received(&mut self, result: io::Result<usize>, asked: usize) -> Received {
        match result {
            Ok(0) => {
                self.readable = false;
                self.ended = true;
                if self.send_failed {
                    Received::Failed
                } else {
                    Received::End
                }
            }
            Ok(count) => {
                self.readable =
                    count >= asked || self.read_closed || self.broken || self.io.holds_more();
                Received::Bytes(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Received::Blocked
            }
            Err(_) => {
                self.readable = false;
                self.ended = true;
                Received::Failed
            }
        }
    }

    /// Returns whether the peer has sent nothing beyond what was read. Asks the system only if the
    /// last read did not show it.
    pub fn is_drained(&mut self, scratch: &mut [u8]) -> bool {
        !self.may_read() || self.recv(scratch) == Received::Blocked
    }

    /// Returns whether nothing has come from the peer, not even its end. Always asks the system: an
    /// event may be on its way.
    pub fn is_quiet(&mut self, scratch: &mut [u8]) -> bool {
        !self.ended && self.recv(scratch) == Received::Blocked
    }

    /// Writes `parts` once and returns how many bytes were taken, possibly none.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, SendFailed> {
        self.write(parts, T::send)
    }

    /// The same for the last bytes: if all were taken, [`finish`](Self::finish) has to follow
    /// in the same call of the loop, because they may be held back until then.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send_last(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, SendFailed> {
        self.write(parts, T::send_last)
    }

    fn write(
        &mut self,
        parts: &[IoSlice<'_>],
        call: impl Fn(&mut T, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> Result<usize, SendFailed> {
        if !self.writable {
            return Ok(0);
        }
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let result = retry_interrupted(|| call(&mut self.io, parts));
        self.sent(result, total)
    }

    /// Moves up to `held` bytes out of `pipe`, once. Only would-block shows that the socket is
    /// full: `splice(2)` may take less for reasons of its own.
    ///
    /// # Errors
    /// The connection failed.
    pub fn drain(&mut self, pipe: &mut T::Pipe, held: usize) -> Result<usize, SendFailed> {
        if !self.writable {
            return Ok(0);
        }
        let result = retry_interrupted(|| self.io.drain(pipe, held));
        self.sent(result, 1)
    }

    fn sent(&mut self, result: io::Result<usize>, total: usize) -> Result<usize, SendFailed> {
        match result {
            Ok(count) => {
                self.writable = count >= total;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(0)
            }
            Err(_) => {
                // Reading shows why, or a response the peer sent before it broke off.
                self.broken = true;
                self.send_failed = true;
                self.readable = true;
                Err(SendFailed)
            }
        }
    }

    /// Ends the sending side. A connection that failed meanwhile shows it by reading.
    pub fn finish(&mut self) {
        if self.io.finish().is_err() {
            self.broken = true;
            self.readable = true;
        }
    }

    /// Makes closing the connection reset it.
    pub fn reset_on_close(&mut self) {
        self.io.reset_on_close();
    }

    /// Returns why the connection failed, if it did.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.io.take_error()
    }
}

/// Signals may interrupt a call; a few repetitions are always enough, and a bound keeps a
/// misbehaving transport from holding the loop.
fn retry_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    for _ in 0..16 {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}
