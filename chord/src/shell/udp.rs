//! The datagram socket of a host.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

/// Datagrams that wait in the kernel, in bytes: a burst of all fingers of all peers, and floods.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The reason that a host could not be set up.
#[derive(Debug)]
pub enum BindError {
    /// No such host.
    Unresolved(String),
    /// Not to be bound.
    Bind(SocketAddr, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(host) => write!(f, "no address is known for {host}"),
            Self::Bind(addr, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "port {} of {} is taken, perhaps by another node, lb-broker or a Pi server",
                addr.port(),
                addr.ip()
            ),
            Self::Bind(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// A bound, nonblocking datagram socket.
pub(super) fn bind(addr: SocketAddr) -> Result<UdpSocket, BindError> {
    let failed = |error| BindError::Bind(addr, error);
    let domain = Domain::for_address(addr);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
    // The kernel gives as much as it allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true).map_err(failed)?;
    socket.bind(&addr.into()).map_err(failed)?;
    Ok(UdpSocket::from_std(socket.into()))
}
