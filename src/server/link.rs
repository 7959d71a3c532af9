//! The backend side: one connection to a backend, which serves many exchanges one after another.

use super::arena::ExchangeId;
use crate::balance::BackendId;
use crate::relay::{Peer, Transport};
use crate::time::Timestamp;
use crate::timers::Deadline;

/// A connection to a backend and where it stands.
#[derive(Debug)]
pub struct Link<T> {
    pub(super) peer: Peer<T>,
    pub(super) backend: BackendId,
    /// Which of the backend's addresses it leads to.
    pub(super) address: usize,
    pub(super) state: LinkState,
    /// When connecting began.
    pub(super) opened_at: Timestamp,
    /// For the connection to be established, and for an idle one to be closed.
    pub(super) deadline: Deadline,
}

/// Where a connection to a backend stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    /// Not established yet; an exchange waits for it.
    Connecting(ExchangeId),
    /// Serves an exchange.
    Busy(ExchangeId),
    /// Waits in the pool, at this place in its backend's stack.
    Idle {
        /// Index into the stack.
        place: usize,
    },
    /// Closed in the last phase of this turn.
    Closed,
}

impl<T: Transport> Link<T> {
    pub(super) fn new(io: T, backend: BackendId, exchange: ExchangeId, now: Timestamp) -> Self {
        Self {
            peer: Peer::new(io),
            backend,
            address: 0,
            state: LinkState::Connecting(exchange),
            opened_at: now,
            deadline: Deadline::default(),
        }
    }

    /// The exchange that uses it.
    pub(super) fn exchange(&self) -> Option<ExchangeId> {
        match self.state {
            LinkState::Connecting(exchange) | LinkState::Busy(exchange) => Some(exchange),
            LinkState::Idle { .. } | LinkState::Closed => None,
        }
    }
}
