//! Messages between the proxies of several workers.
//!
//! The first worker decides about backends and checks them. Its decisions go to all others; what the
//! others notice goes to the first. How a message travels is the worker's matter.

use crate::pool::{PoolId, Signal, StateChange};
use crate::strategy::BackendId;
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
}
