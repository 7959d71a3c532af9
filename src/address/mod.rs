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

/// The network that one client has to itself, by which clients are counted: an IPv4 address, or the
/// first 64 bits of an IPv6 address, of which a client may use all the rest (RFC 4291, section
/// 2.5.1; RFC 8981). Addresses in one network give the same number.
#[must_use]
pub fn client_network(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

impl From<SocketAddr> for ClientAddress {
    /// An IPv4 address that is written in IPv6 is kept as IPv4: it is the same client.
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl FromStr for ClientAddress {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text {
            UNIX_CLIENT => Ok(Self::Unix),
            _ => text.parse().map(|address: SocketAddr| address.into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_counted_by_the_network_it_has_to_itself() {
        let network = |text: &str| client_network(text.parse().unwrap());
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::9"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
    }

    #[test]
    fn an_ipv4_client_is_one_however_its_address_is_written() {
        let mapped = "[::ffff:192.0.2.1]:7".parse::<ClientAddress>().unwrap();
        assert_eq!(mapped, "192.0.2.1:7".parse().unwrap());
        assert_eq!(mapped.to_string(), "192.0.2.1:7");
    }
}
