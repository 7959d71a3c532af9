//! The heartbeat listener: a UDP socket and a TCP listener on one address.
//!
//! Edge-triggered like any socket: what an event tells is remembered until would-block.

use super::BindError;
use super::inherited::{Purpose, SharedSocket, Sockets};
use super::listener::{Accepted, Listener, bind_by, refusal};
use crate::address::Address;
use crate::heartbeat::MAX_BYTES;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Ports tried that are free for TCP, until one is for UDP too.
const PORT_ATTEMPTS: usize = 16;

const DATAGRAMS: Token = Token(usize::MAX - 1);
const CONNECTIONS: Token = Token(usize::MAX - 2);

/// The two sockets.
#[derive(Debug)]
pub(crate) struct HeartbeatListener {
    datagrams: UdpSocket,
    has_datagrams: bool,
    connections: Listener,
    address: SocketAddr,
    /// As it was asked for, with port 0 for any.
    asked: SocketAddr,
    /// One byte more than a message may have, so that a longer one does not pass for it.
    buffer: [u8; MAX_BYTES + 1],
}

impl HeartbeatListener {
    /// Binds both sockets, or goes on by those of another process that are there already.
    ///
    /// # Errors
    /// One of them cannot be bound; says why and what to do.
    pub(crate) fn bind_from(
        address: SocketAddr,
        inherited: &mut Sockets,
    ) -> Result<Self, BindError> {
        const FLAG: &str = "--heartbeat-listen";
        let mut attempts = if address.port() == 0 {
            PORT_ATTEMPTS
        } else {
            1
        };
        loop {
            let asked = Address::Tcp(address);
            let taken = inherited.take_listening(Purpose::Heartbeats, &asked);
            let listeners = bind_by(0, &asked, 1, None, taken);
            let Some(connections) = listeners.map_err(|error| error.with_flag(FLAG))?.pop() else {
                return Err(refusal(io::ErrorKind::AddrNotAvailable.into()).with_flag(FLAG));
            };
            let bound = connections.address().tcp().unwrap_or(address);
            attempts -= 1;
            let taken = inherited.take_datagrams(Purpose::Heartbeats, &asked);
            match taken.map_or_else(|| open(bound), take_over) {
                Ok(datagrams) => {
                    return Ok(Self {
                        datagrams,
                        has_datagrams: true,
                        connections,
                        address: bound,
                        asked: address,
                        buffer: [0; MAX_BYTES + 1],
                    });
                }
                Err(error) if attempts == 0 => {
                    return Err(refusal(error).with_flag(FLAG).with_address(bound));
                }
                Err(_) => {}
            }
        }
    }

    /// The address, with the port the system chose for port 0.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shares both sockets, for another process.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn share(&self) -> io::Result<[SharedSocket; 2]> {
        let asked = Address::Tcp(self.asked);
        let datagrams = SharedSocket::of(&self.datagrams, Purpose::Heartbeats, &asked)?;
        Ok([self.connections.share(Purpose::Heartbeats)?, datagrams])
    }

    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.datagrams, DATAGRAMS, Interest::READABLE)?;
        self.connections.register(registry, CONNECTIONS)
    }

    /// Asks for events no more, as [`Listener::deregister`] does.
    pub(crate) fn deregister(&mut self, registry: &Registry) {
        // As there.
        let _ = registry.deregister(&mut self.datagrams);
        self.connections.deregister(registry);
    }

    /// Notes an event. Returns whether it was for one of the two.
    pub(crate) fn note(&mut self, token: Token) -> bool {
        match token {
            DATAGRAMS => self.has_datagrams = true,
            CONNECTIONS => self.connections.ready = true,
            _ => return false,
        }
        true
    }

    /// Returns whether datagrams may be left from an earlier turn.
    pub(crate) const fn has_datagrams(&self) -> bool {
        self.has_datagrams
    }

    /// Returns whether connections may be left from an earlier turn.
    pub(crate) const fn has_connections(&self) -> bool {
        self.connections.ready
    }

    /// Takes the next datagram, with the address it came from; `None` if none waits.
    ///
    /// # Errors
    /// Those of one datagram; the next may be well.
    pub(crate) fn datagram(&mut self) -> io::Result<Option<(&[u8], SocketAddr)>> {
        if !self.has_datagrams {
            return Ok(None);
        }
        match self.datagrams.recv_from(&mut self.buffer) {
            Ok((count, from)) => {
                let datagram = self.buffer.get(..count).unwrap_or_default();
                Ok(Some((datagram, from)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.has_datagrams = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Accepts the next connection; `None` if none waits.
    ///
    /// # Errors
    /// The system could not accept it.
    pub(crate) fn connection(&mut self) -> io::Result<Option<Accepted>> {
        match self.connections.ready {
            true => self.connections.accept(),
            false => Ok(None),
        }
    }
}

/// Goes on by the socket of another process.
fn take_over(inherited: OwnedFd) -> io::Result<UdpSocket> {
    let socket = Socket::from(inherited);
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
