//! The backend side: one connection to a backend, which serves many exchanges one after another.

use super::arena::ExchangeId;
use crate::balance::BackendId;
use crate::relay::{Peer, Transport};
use crate::time::Timestamp;
use crate::timers::Deadline;
use std::time::Duration;

/// A connection to a backend and where it stands.
#[derive(Debug)]
pub(super) struct Link<T> {
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
    /// A connection that is opening, to the `address`-th of the backend's.
    pub(super) fn new(
        io: T,
        backend: BackendId,
        address: usize,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> Self {
        Self {
            peer: Peer::new(io),
            backend,
            address,
            state: LinkState::Connecting(exchange),
            opened_at: now,
            deadline: Deadline::default(),
        }
    }

    /// Whether it is not established yet.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state, LinkState::Connecting(_))
    }

    /// It turned out to be established. Returns how long that took, the first time.
    pub(super) fn established(&mut self, now: Timestamp) -> Option<Duration> {
        let LinkState::Connecting(exchange) = self.state else {
            return None;
        };
        self.state = LinkState::Busy(exchange);
        self.deadline.clear();
        Some(now.since(self.opened_at))
    }
}
