//! Connections to backends, and registration of all connections, by mio.

use super::echo::EchoSocket;
use super::own_address::reaches;
use super::pipe::{Pipe, SystemPipes};
use super::stream::Stream;
use super::verifier::Verifier;
use crate::address::Address;
use crate::ids::ClientConnId;
use crate::proxy::{Network, Token};
use crate::route::Credentials;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Poll, Registry};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// The outside world of a [`Proxy`](crate::proxy::Proxy).
#[derive(Debug)]
pub(crate) struct SystemNetwork {
    registry: Registry,
    /// Verifies credentials; `None`: no route asks for any.
    verifier: Option<Verifier>,
}

impl SystemNetwork {
    /// Registers with `poll`.
    ///
    /// # Errors
    /// The system has no room for another descriptor.
    pub(crate) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            registry: poll.registry().try_clone()?,
            verifier: None,
        })
    }

    /// The same, with credentials verified by `verifier`.
    pub(crate) fn with_verifier(self, verifier: Option<Verifier>) -> Self {
        Self { verifier, ..self }
    }
}

/// The system says `EADDRNOTAVAIL` where all local ports for an address are taken, and also where no
/// local address leads there. Only the first is a shortage, which is told as `AddrInUse`: a datagram
/// could be sent there, as it needs no TCP port.
fn explain(error: io::Error, to: SocketAddr) -> io::Error {
    if error.kind() != io::ErrorKind::AddrNotAvailable {
        return error;
    }
    let probe = Socket::new(Domain::for_address(to), Type::DGRAM, None);
    match probe.and_then(|probe| probe.connect(&to.into())) {
        Ok(()) => io::ErrorKind::AddrInUse.into(),
        Err(_) => error,
    }
}

impl Network for SystemNetwork {
    type Stream = Stream;
    type Pipe = Pipe;
    type Pipes = SystemPipes;

    fn connect(&mut self, address: &Address) -> io::Result<Stream> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(*address);
                let stream = stream.map_err(|error| explain(error, *address))?;
                // Requests are written whole; waiting for more only adds latency.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path.as_path()).map(Stream::Unix),
        }
    }

    fn verify(&mut self, client: ClientConnId, credentials: Credentials) -> bool {
        let verifier = self.verifier.as_ref();
        verifier.is_some_and(|verifier| verifier.verify(client, credentials))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_of_ports_is_told_from_an_address_out_of_reach() {
        let missing = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        let here = "127.0.0.1:80".parse().unwrap();
        assert_eq!(explain(missing(), here).kind(), io::ErrorKind::AddrInUse);
        // The scope of a link-local address is missing: no interface leads there.
        let nowhere = "[fe80::1]:80".parse().unwrap();
        let kind = explain(missing(), nowhere).kind();
        assert_eq!(kind, io::ErrorKind::AddrNotAvailable);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let kind = explain(refused, here).kind();
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
    }
}
