//! A TCP connection as the relay wants it.
//!
//! Reading and writing go to the kernel by rustix, not through the C library: in a process with
//! several threads each of its calls makes itself a point where the thread may be cancelled.

use super::pipe::Pipe;
use crate::relay::Transport;
use mio::net::TcpStream;
use rustix::io::writev;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// A non-blocking TCP connection.
#[derive(Debug)]
pub(crate) struct Stream(pub(super) TcpStream);

impl Transport for Stream {
    type Pipe = Pipe;

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(recv(&self.0, into, RecvFlags::empty())?.0)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut filled = parts.iter().filter(|part| !part.is_empty());
        match (filled.next(), filled.next()) {
            (None, _) => Ok(0),
            // One part is sent without the vector: the kernel has less to look at.
            (Some(only), None) => Ok(send(&self.0, only, SendFlags::NOSIGNAL)?),
            (Some(_), Some(_)) => Ok(writev(&self.0, parts)?),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&mut self) {
        // Closing works all the same if this is refused; the peer then sees an end.
        let _ = SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.0.take_error().ok().flatten()
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    fn fill(&mut self, pipe: &mut Pipe, max: usize) -> io::Result<usize> {
        pipe.fill_from(&self.0, max)
    }

    fn drain(&mut self, pipe: &mut Pipe, max: usize) -> io::Result<usize> {
        pipe.drain_to(&self.0, max)
    }
}
