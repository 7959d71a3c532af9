//! One end of a relay: a connection and the bytes received on it that are not used yet.
//!
//! Owns the order of bytes: those kept come before those still in the kernel. Invariant: a
//! connection with nothing unread holds no buffer.

use super::buffer::{Buffer, Buffers};
use super::layer::Transport;
use super::socket::{Received, Socket};

/// A connection and the bytes that were received on it and not understood or passed on yet.
#[derive(Debug)]
pub struct BufferedConn<T> {
    /// The connection.
    pub socket: Socket<T>,
    /// Part of a head, pipelined requests, or the start of a tunnel. `None` when there is
    /// nothing: an idle connection holds no buffer.
    pub unread: Option<Buffer>,
}

impl<T: Transport> BufferedConn<T> {
    /// A connection on which nothing has been received.
    pub fn new(io: T) -> Self {
        Self {
            socket: Socket::new(io),
            unread: None,
        }
    }

    /// Keeps `bytes` until they are taken. They follow those kept before.
    pub fn keep(&mut self, bytes: &[u8], buffers: &mut Buffers) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.unread {
            Some(unread) => unread.append(bytes),
            None => self.unread = Some(buffers.take_with(bytes)),
        }
    }

    /// Puts back what is left of a buffer that was taken out of `unread`.
    pub fn put_back(&mut self, rest: Buffer, buffers: &mut Buffers) {
        if rest.is_drained() {
            buffers.give(rest);
        } else {
            self.unread = Some(rest);
        }
    }
}

/// The bytes at hand for parsing a head.
#[derive(Debug)]
pub enum Gathered {
    /// Bytes, at least one.
    Input(Input),
    /// Nothing new now; an event announces more.
    Blocked,
    /// The peer will send no more.
    End,
    /// The connection failed.
    Failed,
}

/// Bytes at hand, and where they lie.
#[derive(Debug)]
pub enum Input {
    /// At the front of the scratch buffer.
    Scratch(usize),
    /// In the buffer that was `unread`.
    Held(Buffer),
}

impl Input {
    /// The bytes.
    #[must_use]
    pub fn bytes<'a>(&'a self, scratch: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Scratch(count) => scratch.get(..*count).unwrap_or_default(),
            Self::Held(buffer) => buffer.pending(),
        }
    }

    /// Returns whether there is nothing to keep and nothing to give back once `count` bytes were
    /// used: the usual case, in which [`BufferedConn::used`] has nothing to do.
    #[must_use]
    pub const fn is_finished(&self, count: usize) -> bool {
        match self {
            Self::Scratch(end) => count >= *end,
            Self::Held(_) => false,
        }
    }
}

impl<T: Transport> BufferedConn<T> {
    /// Gets bytes to look at: what is unread, or with `more` that and what one read brings.
    /// To be followed by [`used`](Self::used).
    pub fn gather(&mut self, scratch: &mut [u8], buffers: &mut Buffers, more: bool) -> Gathered {
        if !more && let Some(unread) = self.unread.take() {
            return Gathered::Input(Input::Held(unread));
        }
        if self.socket.has_ended() {
            return Gathered::End;
        }
        if !self.socket.may_read() {
            return Gathered::Blocked;
        }
        match self.socket.recv(scratch) {
            Received::Blocked => Gathered::Blocked,
            Received::End => Gathered::End,
            Received::Failed => Gathered::Failed,
            Received::Bytes(count) => {
                if self.unread.is_none() {
                    return Gathered::Input(Input::Scratch(count));
                }
                self.keep(scratch.get(..count).unwrap_or_default(), buffers);
                match self.unread.take() {
                    Some(unread) => Gathered::Input(Input::Held(unread)),
                    None => Gathered::Blocked,
                }
            }
        }
    }

    /// Keeps what is left of `input` after its first `count` bytes were used.
    pub fn used(&mut self, input: Input, count: usize, scratch: &[u8], buffers: &mut Buffers) {
        match input {
            Input::Scratch(end) => {
                self.keep(scratch.get(count..end).unwrap_or_default(), buffers);
            }
            Input::Held(mut buffer) => {
                buffer.consume(count);
                self.put_back(buffer, buffers);
            }
        }
    }
}
