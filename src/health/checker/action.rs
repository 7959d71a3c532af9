//! The actions and results that a checker hands to its owner.

use crate::address::Address;
use crate::health::{CheckResult, CheckStreak, CheckTransport};
use crate::time::Timestamp;

/// Names a target of a [`Checker`](super::Checker); never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(pub(super) u32);

impl CheckId {
    pub(crate) const fn to_bits(self) -> u64 {
        self.0 as u64
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits as u32)
    }
}

/// The next action for the owner of a checker.
#[must_use]
#[derive(Debug)]
pub enum CheckAction<K> {
    /// Open a socket, and hand it to [`Checker::opened`](super::Checker::opened); or
    /// [postpone](super::Checker::postpone) the check.
    Open(OpenSocket<K>),
    /// Take note of a result.
    Finished(CheckFinished<K>),
}

/// A socket to open for a check.
#[derive(Debug)]
pub struct OpenSocket<K> {
    /// Events for the socket go to this target.
    pub id: CheckId,
    /// The owner's name of the target.
    pub key: K,
    /// The destination.
    pub address: Address,
    /// The kind of socket.
    pub transport: CheckTransport,
}

/// A check that is over.
#[derive(Clone, Copy, Debug)]
pub struct CheckFinished<K> {
    /// The target.
    pub id: CheckId,
    /// The owner's name of the target.
    pub key: K,
    /// The result.
    pub result: CheckResult,
    /// The run of equal results that it ends or continues.
    pub streak: CheckStreak,
    /// Time of its beginning.
    pub started_at: Timestamp,
    /// Time of its end.
    pub ended_at: Timestamp,
}
