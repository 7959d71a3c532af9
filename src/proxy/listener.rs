//! A listener as its clients see it: mode, limits, and what is told to backends about them.
//!
//! Immutable. A client connection holds the listener it was accepted by, so it finishes under the
//! settings it began with. The listening socket is the worker's.
//!
//! Each worker has its own, shared by an [`Arc`](std::sync::Arc) and not an `Rc` only because a proxy
//! is made on one thread and run on another.

use crate::config::{Limits, Mode, Timeouts};
use crate::http::ForwardPolicy;
use crate::pool::PoolId;

/// The settings of the client connections of one listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// HTTP or TCP.
    pub mode: Mode,
    /// Whether each connection begins with a PROXY header.
    pub accepts_proxy: bool,
    /// The header fields that tell backends about the client.
    pub forward: ForwardPolicy,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Size and rate limits.
    pub limits: Limits,
    /// Whether a queued request is dropped when its client closes its sending side.
    pub abort_on_close: bool,
    /// The pool that serves its requests.
    pub pool: PoolId,
}
