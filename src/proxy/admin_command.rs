//! Admin commands, and how the backend they are for is named.

use crate::address::BackendAddress;
use crate::pool::Hold;
use crate::strategy::BackendId;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// A command of the operator for one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminCommand {
    /// Finishes what is in flight and gives it nothing new.
    Drain,
    /// Gives it nothing new.
    Disable,
    /// Takes it back, after [`Drain`](Self::Drain) or [`Disable`](Self::Disable).
    Enable,
    /// Sets its weight, 1 to 256.
    Weight(u32),
    /// Limits its exchanges at once; `None`: as the pool does.
    MaxConnections(Option<NonZeroU32>),
    /// Says how well it is, whatever is measured; `None`: as it is measured.
    Hold(Option<Hold>),
    /// Removes it when it has drained, or this time is over.
    Remove(Duration),
}

/// Names a backend: by its id, or by its address in any spelling that the configuration takes
/// (`7001` and `127.0.0.1:7001` are one).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendRef {
    /// By id, as snapshots and changes of state have it.
    Id(BackendId),
    /// By name. An address is in its canonical spelling.
    Name(String),
}

impl From<BackendId> for BackendRef {
    fn from(id: BackendId) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for BackendRef {
    fn from(name: &str) -> Self {
        let canonical = name
            .parse()
            .map(|address: BackendAddress| address.to_string());
        Self::Name(canonical.unwrap_or_else(|_| name.to_owned()))
    }
}

impl From<&String> for BackendRef {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl fmt::Display for BackendRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Slot and generation.
            Self::Id(id) => write!(f, "#{}.{}", id.slot(), id.generation()),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}
