//! A connection as the relay wants it: TCP, or a UNIX socket. Checks by echo use it as well.
//!
//! Reading and writing go to the kernel by rustix, not through the C library: in a process with
//! several threads each of its calls makes itself a point where the thread may be cancelled.
//! They take any descriptor, so which kind it is matters only where the two differ.

use super::echo::EchoSocket;
use super::pipe::Pipe;
use crate::transport::Transport;
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::writev;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// A non-blocking connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Messages to and from one host, for a check. Never relayed.
    Echo(EchoSocket),
}

impl Stream {
    pub(crate) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => registry.register(stream, token, interest),
            Self::Unix(stream) => registry.register(stream, token, interest),
            Self::Echo(socket) => {
                let descriptor = socket.as_fd().as_raw_fd();
                registry.register(&mut SourceFd(&descriptor), token, interest)
            }
        }
    }
}

/// With the last bytes of a connection: more follows, namely its end.
const LAST: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::MORE);

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Echo(socket) => socket.as_fd(),
        }
    }
}

impl Transport for Stream {
    type Pipe = Pipe;

    #[inline]
    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(recv(self, into, RecvFlags::empty())?.0),
            Self::Echo(socket) => socket.recv(into),
        }
    }

    #[inline]
    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            // Without the vector the kernel has less to look at.
            [only] => Ok(send(self, only, SendFlags::NOSIGNAL)?),
            several => Ok(writev(self, several)?),
        }
    }

    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [only] => Ok(send(self, only, LAST)?),
            several => Ok(sendmsg(
                self,
                several,
                &mut SendAncillaryBuffer::default(),
                LAST,
            )?),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        SockRef::from(&*self).shutdown(Shutdown::Write)
    }

    fn reset_on_close(&mut self) {
        // Closing works all the same if this is refused, and on a UNIX socket, which knows no
        // reset; the peer then sees an end.
        let _ = SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }

    fn take_error(&mut self) -> Option<io::Error> {
        SockRef::from(&*self).take_error().ok().flatten()
    }

    fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Unix(_) | Self::Echo(_) => None,
        }
    }

    fn fill(&mut self, pipe: &mut Pipe, max: usize) -> io::Result<usize> {
        pipe.fill_from(self, max)
    }

    fn drain(&mut self, pipe: &mut Pipe, max: usize) -> io::Result<usize> {
        pipe.drain_to(self, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream as Blocking};
    use std::time::Instant;

    /// The event that the system waits for at most.
    const HELD_BACK: Duration = Duration::from_millis(200);
    const DEADLINE: Duration = Duration::from_secs(5);

    /// Both ends of a connection.
    fn connected() -> (Stream, Blocking) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = Blocking::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        (Stream::Tcp(TcpStream::from_std(near)), far)
    }

    #[test]
    fn the_last_bytes_come_with_the_end() {
        for parts in [&["answer"][..], &["", "answer", ""], &["an", "swer"]] {
            let (mut near, mut far) = connected();
            let began = Instant::now();
            let parts: Vec<_> = parts
                .iter()
                .map(|part| IoSlice::new(part.as_bytes()))
                .collect();
            assert_eq!(near.send_last(&parts).unwrap(), 6);
            far.set_nonblocking(true).unwrap();
            let early = far.read(&mut [0; 8]);
            if began.elapsed() < HELD_BACK / 2 {
                assert_eq!(early.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            }
            near.finish().unwrap();
            far.set_nonblocking(false).unwrap();
            far.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut heard = String::new();
            far.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "answer");
        }
    }
}
