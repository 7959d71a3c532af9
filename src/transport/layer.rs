//! The layer under a [`Socket`](super::Socket): the bytes of a connection as its peer sends them.
//!
//! Owns the contract that real and scripted connections implement. Refuses to know messages.
//!
//! A plain connection is one layer; TLS is another that is laid over it, and keeps the same contract
//! of what it has received and sent in plain.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// A non-blocking byte stream. Errors are those of the system; [`io::ErrorKind::WouldBlock`] means
/// that nothing was done and that an event will announce the next chance.
pub trait Transport {
    /// Stores bulk bytes between two connections without a visit to user space.
    type Pipe;

    /// Reads into `into`; 0 means the peer will send no more.
    ///
    /// # Errors
    /// Those of `recv(2)`.
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Returns whether a read may bring more although the last one did not fill its buffer: bytes
    /// wait above the system's socket, or more may be there than was read.
    fn holds_more(&self) -> bool {
        false
    }

    /// Writes from `parts`, in order, as much as fits. What was not taken is to be given again,
    /// first.
    ///
    /// # Errors
    /// Those of `writev(2)`.
    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// The same for the last bytes. [`finish`](Self::finish) has to follow at once: they may wait
    /// for it, so that bytes and end go in one packet.
    ///
    /// # Errors
    /// Those of `sendmsg(2)`.
    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(parts)
    }

    /// Tells the peer that nothing more will be sent; receiving goes on.
    ///
    /// # Errors
    /// Those of `shutdown(2)`.
    fn finish(&mut self) -> io::Result<()>;

    /// Makes closing the connection reset it, so that the peer can tell a break from an end.
    fn reset_on_close(&mut self);

    /// Returns why the connection failed, if it did.
    fn take_error(&mut self) -> Option<io::Error>;

    /// Our end of the connection, if it has an IP address.
    fn local_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Returns whether its bytes may go through a pipe.
    fn splices(&self) -> bool {
        true
    }

    /// Moves up to `max` bytes from the connection into `pipe`; 0 means the peer will send no
    /// more.
    ///
    /// # Errors
    /// Those of `splice(2)`.
    fn fill(&mut self, pipe: &mut Self::Pipe, max: usize) -> io::Result<usize>;

    /// Moves up to `max` bytes from `pipe` to the connection.
    ///
    /// # Errors
    /// Those of `splice(2)`.
    fn drain(&mut self, pipe: &mut Self::Pipe, max: usize) -> io::Result<usize>;
}
