//! Addresses of listeners, backends and clients: TCP, or a UNIX socket on this machine.
//!
//! Owns both kinds, their notation (`HOST:PORT`, `unix:PATH`) and how they are shown. Opens nothing
//! and resolves nothing. An address that exists is well-formed and in one spelling.

mod backend_address;
mod error;
pub(crate) mod host_port;
mod network;
mod socket_path;

pub use backend_address::BackendAddress;
pub use error::AddressError;
pub use host_port::{Host, HostPort};
pub use network::Network;
pub use socket_path::SocketPath;

use std::fmt::{self, Display, Formatter};
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;

/// Stands for the address of every client of a UNIX socket, which has none of its own.
pub const UNIX_CLIENT: &str = "unix:";

/// An address that can be listened on or connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a TCP port.
    Tcp(SocketAddr),
    /// The path of a UNIX socket.
    Unix(SocketPath),
}

impl Address {
    /// The address, if it is one of TCP.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.fmt(f),
        }
    }
}

/// The address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    /// An IP address and a TCP port.
    Tcp(SocketAddr),
    /// A UNIX socket.
    Unix,
}

impl ClientAddress {
    /// The IP address, if it has one.
    #[must_use]
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }

    /// The address, if it is one of TCP.
    #[must_use]
    pub const fn tcp(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix => None,
        }
    }
}

impl From<SocketAddr> for ClientAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ClientAddress {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text {
            UNIX_CLIENT => Ok(Self::Unix),
            _ => text.parse().map(Self::Tcp),
        }
    }
}

impl Display for ClientAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => UNIX_CLIENT.fmt(f),
        }
    }
}
