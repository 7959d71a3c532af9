//! Messages between the proxies of several workers, each about one backend.
//!
//! The first worker decides about backends and checks them. Its decisions go to all others; what
//! the others notice goes to the first. How a message travels is the worker's matter.

use super::NewStrategy;
use crate::ids::ClientConnId;
use crate::pool::{Admitted, Moved, PoolId, Signal, StateChange};
use crate::strategy::BackendId;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// From the first worker to all others, or from another to the first.
#[derive(Clone, Debug)]
pub enum Message {
    /// To the first: a worker noticed something of a backend.
    Noticed(PoolId, Signal),
    /// To the first: a backend has kept an exchange waiting for so long that it is to be checked.
    Suspected(PoolId, BackendId, Duration),
    /// To the others: a check has met silence, so waiting exchanges may go elsewhere.
    Silent(PoolId, BackendId),
    /// To the others: the state of a backend has changed.
    Changed(PoolId, StateChange),
    /// To the others: the weight of a backend has changed.
    Weighed(PoolId, BackendId, u32),
    /// To the others: a backend has another limit of exchanges at once; `None`: that of the pool.
    Limited(PoolId, BackendId, Option<u32>),
    /// To the others: a pool picks by another strategy, or forgets what it has learned.
    Steered(PoolId, NewStrategy),
    /// To the others: a backend was added.
    Added(PoolId, Admitted),
    /// To one: the credentials of a client's request have been verified.
    Verified(ClientConnId),
    /// To the others: a backend is at other addresses.
    Moved(PoolId, Arc<Moved>),
    /// To the first: a worker has let go of a backend that was removed.
    LetGo(PoolId, BackendId),
}

impl Message {
    /// Returns whether `older`, which was not received yet, tells nothing that matters after this
    /// message: it is the same signal, or a change of the same backend to the same state. Changes
    /// to different states all matter, as more may follow from a state than is seen in the next.
    #[must_use]
    pub fn supersedes(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Noticed(pool, new), Self::Noticed(of, old)) => pool == of && new.repeats(old),
            (Self::Suspected(pool, new, _), Self::Suspected(of, old, _)) => {
                pool == of && new == old
            }
            (Self::Silent(pool, new), Self::Silent(of, old)) => pool == of && new == old,
            (Self::Weighed(pool, new, _), Self::Weighed(of, old, _)) => pool == of && new == old,
            (Self::Limited(pool, new, _), Self::Limited(of, old, _)) => pool == of && new == old,
            (Self::Changed(pool, new), Self::Changed(of, old)) => {
                pool == of
                    && new.backend == old.backend
                    && mem::discriminant(&new.to) == mem::discriminant(&old.to)
                    && new.is_spared() == old.is_spared()
                    && new.cause.is_silence() == old.cause.is_silence()
            }
            (
                Self::Noticed(..)
                | Self::Suspected(..)
                | Self::Silent(..)
                | Self::Weighed(..)
                | Self::Limited(..)
                | Self::Steered(..)
                | Self::Added(..)
                | Self::Moved(..)
                | Self::LetGo(..)
                | Self::Verified(..)
                | Self::Changed(..),
                _,
            ) => false,
        }
    }
}
