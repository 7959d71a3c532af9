//! The reason why an admin command did not take effect.

use crate::pool::NotAdded;
use crate::proxy::BackendRef;
use crate::worker::Untaken;
use std::fmt::{self, Display, Formatter};

/// The reason why an admin command did not take effect. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminError {
    /// The balancer has no such backend.
    UnknownBackend(BackendRef),
    /// The balancer has no pool of this name.
    UnknownPool(String),
    /// The weight is not from 1 to 256.
    WeightOutOfRange(u32),
    /// The backend may not be added.
    NotAdded(NotAdded),
    /// The name of the backend cannot be resolved.
    Unresolved(String),
    /// Too many commands wait for the balancer already; try again later.
    Busy,
    /// The balancer has ended.
    Ended,
}

impl From<Untaken> for AdminError {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            Untaken::Full => Self::Busy,
            Untaken::Ended => Self::Ended,
        }
    }
}

impl Display for AdminError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownBackend(backend) => write!(f, "there is no backend {backend}"),
            Self::UnknownPool(pool) => write!(f, "there is no pool {pool}"),
            Self::WeightOutOfRange(weight) => {
                write!(f, "a weight is from 1 to 256, not {weight}")
            }
            Self::NotAdded(reason) => reason.fmt(f),
            Self::Unresolved(error) => f.write_str(error),
            Self::Busy => write!(f, "too many commands wait for the balancer already"),
            Self::Ended => write!(f, "the balancer has ended"),
        }
    }
}

impl std::error::Error for AdminError {}
