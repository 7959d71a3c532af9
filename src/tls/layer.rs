//! A connection that may speak TLS: what the rest of the proxy holds.
//!
//! A plain one costs a test of one pointer at each call.

use super::{Facts, Handshake, Session, TlsStream, Vault};
use crate::transport::Transport;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// A connection, and its TLS if it has any.
#[derive(Debug)]
pub struct Layer<T> {
    io: T,
    tls: Option<Box<TlsStream>>,
}

impl<T: Transport> Layer<T> {
    /// A plain connection.
    pub const fn plain(io: T) -> Self {
        Self { io, tls: None }
    }

    /// The connection itself, to be registered for events.
    pub fn io_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Speaks TLS from now on. `received` was read already.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unreachable_code, reason = "there is no session then")
    )]
    pub fn secure(&mut self, session: Session, vault: &Vault, received: &[u8]) {
        self.tls = Some(Box::new(TlsStream::new(session, vault, received)));
    }

    /// Returns whether it speaks TLS.
    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns whether anything has come of the peer's TLS.
    pub fn has_received(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_received())
    }

    /// What the handshake has agreed on; `None`: the connection is plain.
    pub fn facts(&self) -> Option<Facts<'_>> {
        self.tls.as_deref().map(TlsStream::facts)
    }

    /// Goes on with the handshake as far as it can without waiting. That of a plain connection is
    /// done.
    ///
    /// # Errors
    /// As those of [`TlsStream::handshake`].
    pub fn handshake(&mut self) -> io::Result<Handshake> {
        match &mut self.tls {
            None => Ok(Handshake::Done),
            Some(tls) => tls.handshake(&mut self.io),
        }
    }

    /// Opens nothing more that the peer sends: what is read from now on is to be discarded.
    pub fn abandon(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.abandon();
        }
    }
}

impl<T: Transport> Transport for Layer<T> {
    type Pipe = T::Pipe;

    #[inline]
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.recv(into),
            Some(tls) => open_into(tls, &mut self.io, into),
        }
    }

    #[inline]
    fn holds_more(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.holds_more())
    }

    #[inline]
    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.send(parts),
            Some(tls) => seal_from(tls, &mut self.io, parts),
        }
    }

    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.send_last(parts),
            Some(tls) => tls.send(&mut self.io, parts, true),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.finish(&mut self.io);
        }
        self.io.finish()
    }

    fn reset_on_close(&mut self) {
        self.io.reset_on_close();
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.io.take_error()
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.io.local_address()
    }

    fn splices(&self) -> bool {
        self.tls.is_none() && self.io.splices()
    }

    fn fill(&mut self, pipe: &mut T::Pipe, max: usize) -> io::Result<usize> {
        self.io.fill(pipe, max)
    }

    fn drain(&mut self, pipe: &mut T::Pipe, max: usize) -> io::Result<usize> {
        self.io.drain(pipe, max)
    }
}

/// Apart, as its size would keep the plain way from being inlined: 60 instructions a request.
#[inline(never)]
fn open_into<T: Transport>(tls: &mut TlsStream, io: &mut T, into: &mut [u8]) -> io::Result<usize> {
    tls.recv(io, into)
}

/// Apart for the same reason.
#[inline(never)]
fn seal_from<T: Transport>(
    tls: &mut TlsStream,
    io: &mut T,
    parts: &[IoSlice<'_>],
) -> io::Result<usize> {
    tls.send(io, parts, false)
}
