//! Backends that are found at other addresses while exchanges are under way.
//!
//! The backend stays who it is: its name, counters, state and exchanges. New connections go to the
//! new addresses. If the address in use is not among them, no connection to it is used again.

use super::members::Members;
use crate::address::Address;
use crate::ids::BackendConnId;
use crate::strategy::BackendId;

/// The addresses at which a backend is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The backend.
    pub backend: BackendId,
    /// Its address as people write it.
    pub address: String,
    /// Its addresses: at least one. All are tried.
    pub addresses: Vec<Address>,
}

/// What a move means for the connections of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relocated {
    /// There is no such backend.
    Unknown,
    /// The address in use is still one of its own.
    Stays,
    /// It has left that address: idle connections are to be closed, these.
    Left(Vec<BackendConnId>),
}

impl Members {
    /// Notes the address of a backend as people write it. Returns whether there is such a backend.
    pub(super) fn readdress(&mut self, backend: BackendId, address: &str) -> bool {
        if !self.is_live(backend) {
            return false;
        }
        if let Some(known) = self.backend_mut(backend) {
            address.clone_into(&mut known.history.address);
        }
        true
    }
}
