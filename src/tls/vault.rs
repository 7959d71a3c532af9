//! The memory that the TLS connections of a loop share.
//!
//! Ciphertext is read into it and sealed in it, so that a connection holds bytes only while some
//! have to wait. All connections of a loop hold it and use it one at a time, each for one call: the
//! lock is never contended, and there only because a loop is made on one thread and run on another.

use crate::transport::{Buffers, MemoryBudget};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of ciphertext read at once.
pub(super) const READ_BYTES: usize = 32 * 1024;
/// Bytes of a message that has not arrived as a whole: a record of the largest kind, or a handshake
/// message spread over several.
pub(super) const MAX_HELD_BYTES: usize = 36 * 1024;
/// Bytes sealed before they are written.
pub(super) const SEAL_BYTES: usize = 32 * 1024;

/// The memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Vault(Arc<Mutex<Contents>>);

/// The contents of a vault while they are used.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Ciphertext that was read: as long as it may be.
    pub(super) incoming: Vec<u8>,
    /// Records to send.
    pub(super) sealed: Vec<u8>,
    /// Content that is gathered to be sealed at once.
    pub(super) gathered: Vec<u8>,
    /// Bytes that have to wait.
    pub(super) buffers: Buffers,
}

impl Vault {
    /// Counts the bytes that wait in `memory`.
    pub fn count_in(&self, memory: MemoryBudget) {
        self.open().buffers.count_in(memory);
    }

    /// Buffers that connections hold.
    #[must_use]
    pub fn buffers_lent(&self) -> usize {
        self.open().buffers.lent()
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Contents> {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.incoming.is_empty() {
            contents.incoming = vec![0; MAX_HELD_BYTES + READ_BYTES];
        }
        contents
    }
}
