//! The right to one exchange at one backend.
//!
//! A [`Lease`] is made by a pick and ended by settling it, nowhere else: it can be neither copied
//! nor made up, so what is counted in flight is what is held.

use super::in_flight::NodeId;
use crate::strategy::BackendId;
use crate::time::Timestamp;

/// One exchange at one backend, counted there until the lease is settled.
#[must_use = "an exchange stays in flight until its lease is settled"]
#[derive(Debug)]
pub struct Lease {
    pub(super) backend: BackendId,
    pub(super) dispatched_at: Timestamp,
    pub(super) node: NodeId,
    pub(super) ahead: u32,
    /// The key it was picked by; 0 if none.
    pub(super) key: u64,
    /// True if the exchange decides about the return of its backend.
    pub(super) trial: bool,
    /// True if the client is bound to the backend, so that no other was considered.
    pub(super) by_affinity: bool,
    /// Whether its failure is that of its request or client, which fail everywhere.
    pub(super) follows_source: bool,
}

impl Lease {
    /// Returns where the exchange goes.
    #[must_use]
    pub const fn backend(&self) -> BackendId {
        self.backend
    }

    /// Returns when the backend was picked; response times count from here.
    #[must_use]
    pub const fn dispatched_at(&self) -> Timestamp {
        self.dispatched_at
    }
}
