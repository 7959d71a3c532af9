//! The error of a balancer, a monitor or a sender that the system does not let start.
//!
//! Owns its kind, the address at fault and the failed system call. The message has the form of a
//! [`ConfigError`]: the flag, its value, the problem, the remedy.

use crate::config::ConfigError;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;

/// Reports why the system does not let a balancer, a monitor or a sender of heartbeats start.
///
/// Displays as one line, `--flag 'value': problem; remedy`, where flag and value may be missing.
/// [`source`](Error::source) is the [`io::Error`] of the system call that failed, if one did.
///
/// ```
/// use lb::{Balancer, BindErrorKind, config::Config};
///
/// let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let address = taken.local_addr()?;
/// let mut config = Config::new(["127.0.0.1:5000".parse()?])?;
/// config.set_listeners([address.to_string().parse()?])?;
/// let error = Balancer::bind(&config).err().ok_or("the port is taken")?;
/// assert_eq!(error.kind(), BindErrorKind::AddressInUse);
/// assert_eq!(error.address(), Some(address.to_string().as_str()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BindError {
    kind: BindErrorKind,
    address: Option<String>,
    message: Box<ConfigError>,
    source: Option<io::Error>,
}

/// The kind of a [`BindError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindErrorKind {
    /// A name cannot be resolved, or has no address of the wanted kind.
    Unresolved,
    /// Another socket listens on the address.
    AddressInUse,
    /// This machine does not have the address.
    AddressNotAvailable,
    /// A backend is a listener of the balancer itself.
    OwnAddress,
    /// The process lacks a right or a capability.
    PermissionDenied,
    /// The limit of file descriptors is too low.
    Descriptors,
    /// The state file cannot be read.
    StateFile,
    /// Another system call failed.
    System,
}

impl BindError {
    /// States the problem and the remedy, each without capital or full stop.
    pub(crate) fn new(
        kind: BindErrorKind,
        problem: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind,
            address: None,
            message: Box::new(ConfigError::new(problem, remedy)),
            source: None,
        }
    }

    /// Keeps the failed system call. Its kind decides that of an error of kind
    /// [`System`](BindErrorKind::System).
    pub(crate) fn with_source(self, source: io::Error) -> Self {
        let kind = match (self.kind, source.kind()) {
            (BindErrorKind::System, io::ErrorKind::AddrInUse) => BindErrorKind::AddressInUse,
            (BindErrorKind::System, io::ErrorKind::AddrNotAvailable) => {
                BindErrorKind::AddressNotAvailable
            }
            (BindErrorKind::System, io::ErrorKind::PermissionDenied) => {
                BindErrorKind::PermissionDenied
            }
            (kind, _) => kind,
        };
        Self {
            kind,
            source: Some(source),
            ..self
        }
    }

    /// Names the address at fault, as it was configured.
    pub(crate) fn with_address(self, address: impl Display) -> Self {
        let address = address.to_string();
        Self {
            message: Box::new(self.message.with_value(&address)),
            address: Some(address),
            ..self
        }
    }

    /// Names the setting at fault as it is written on the command line.
    pub(crate) fn with_flag(self, flag: &'static str) -> Self {
        Self {
            message: Box::new(self.message.with_flag(flag)),
            ..self
        }
    }

    /// Quotes the value at fault, where that is no address.
    pub(crate) fn with_value(self, value: impl Display) -> Self {
        Self {
            message: Box::new(self.message.with_value(value)),
            ..self
        }
    }

    /// The kind of error.
    #[must_use]
    pub const fn kind(&self) -> BindErrorKind {
        self.kind
    }

    /// The listener, backend or target at fault, as it was configured; `None` if the error is about
    /// no address.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// The setting at fault, as it is written on the command line; `None` if none is.
    #[must_use]
    pub fn flag(&self) -> Option<&str> {
        self.message.flag()
    }
}

impl Display for BindError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_error_gives_kind_and_source() {
        for (failed, kind) in [
            (io::ErrorKind::AddrInUse, BindErrorKind::AddressInUse),
            (
                io::ErrorKind::AddrNotAvailable,
                BindErrorKind::AddressNotAvailable,
            ),
            (
                io::ErrorKind::PermissionDenied,
                BindErrorKind::PermissionDenied,
            ),
            (io::ErrorKind::OutOfMemory, BindErrorKind::System),
        ] {
            let error = BindError::new(BindErrorKind::System, "cannot listen", "choose another")
                .with_source(failed.into())
                .with_flag("--listen")
                .with_address("127.0.0.1:80");
            assert_eq!(error.kind(), kind);
            assert_eq!(error.address(), Some("127.0.0.1:80"));
            assert_eq!(error.flag(), Some("--listen"));
            let source = error.source().and_then(|source| source.downcast_ref());
            assert_eq!(source.map(io::Error::kind), Some(failed));
            assert_eq!(
                error.to_string(),
                "--listen '127.0.0.1:80': cannot listen; choose another"
            );
        }
    }

    #[test]
    fn source_does_not_change_a_definite_kind() {
        let error = BindError::new(BindErrorKind::Unresolved, "no such name", "check it")
            .with_source(io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.kind(), BindErrorKind::Unresolved);
        assert_eq!(error.address(), None);
    }
}
