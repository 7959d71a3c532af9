//! The address of a backend: `HOST:PORT` or `unix:PATH`.

use super::{AddressError, HostPort, SocketPath};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// The address of a backend; a name is not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackendAddress {
    /// A host and a TCP port.
    Tcp(HostPort),
    /// A UNIX socket on this machine.
    Unix(SocketPath),
}

impl FromStr for BackendAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match SocketPath::parse(text) {
            Some(path) => path.map(Self::Unix).map_err(|i| i.with_value(text)),
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl Display for BackendAddress {
    /// As it can be read again.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.fmt(f),
        }
    }
}
