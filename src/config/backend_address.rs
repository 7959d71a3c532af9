//! Where a backend is, as the user writes it: `HOST:PORT` or `unix:PATH`.

use super::{ConfigError, HostPort, SocketPath};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Where a backend is; a name is not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackendAddress {
    /// A host and a TCP port.
    Tcp(HostPort),
    /// A UNIX socket on this machine.
    Unix(SocketPath),
}

impl FromStr for BackendAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
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
