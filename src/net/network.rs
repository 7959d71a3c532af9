//! Connections to backends, and registration of all connections, by mio.

use super::echo::EchoSocket;
use super::own_address::reaches;
use super::pipe::{Pipe, SystemPipes};
use super::stream::Stream;
use crate::address::Address;
use crate::proxy::{Network, Token};
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Poll, Registry};
use std::io;
use std::net::SocketAddr;

/// The outside world of a [`Proxy`](crate::proxy::Proxy).
#[derive(Debug)]
pub(crate) struct SystemNetwork {
    registry: Registry,
}

impl SystemNetwork {
    /// Registers with `poll`.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub(crate) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            registry: poll.registry().try_clone()?,
        })
    }
}

impl Network for SystemNetwork {
    type Stream = Stream;
    type Pipe = Pipe;
    type Pipes = SystemPipes;

    fn connect(&mut self, address: &Address) -> io::Result<Stream> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                // Requests are written whole; waiting for more only adds latency.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path.as_path()).map(Stream::Unix),
        }
    }

    fn reaches(&self, backend: &Address, listener: &Address) -> bool {
        reaches(backend, listener)
    }

    fn open_echo(&mut self, host: SocketAddr) -> io::Result<Stream> {
        EchoSocket::open(host).map(Stream::Echo)
    }

    fn register(&mut self, stream: &mut Stream, token: Token) -> io::Result<()> {
        let token = mio::Token(token.to_bits() as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        stream.register(&self.registry, token, interest)
    }
}
