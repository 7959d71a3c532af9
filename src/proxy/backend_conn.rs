//! The backend side: one connection to a backend, which serves many exchanges one after another.

use super::arena::ExchangeId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::timers::Deadline;
use crate::transport::{BufferedConn, Transport};
use std::time::Duration;

/// A connection to a backend and where it stands. What every exchange needs comes first, so that
/// it is in the first line of the slot; the rest is for opening and closing it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct BackendConn<T> {
    pub(super) conn: BufferedConn<T>,
    /// For the connection to be established, and for an idle one to be closed.
    pub(super) deadline: Deadline,
    pub(super) state: BackendConnState,
    pub(super) backend: BackendId,
    /// When connecting began.
    pub(super) opened_at: Timestamp,
    /// Which of the backend's addresses it leads to.
    pub(super) address: usize,
}

/// Where a connection to a backend stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackendConnState {
    /// Not established yet; an exchange waits for it.
    Connecting(ExchangeId),
    /// Serves an exchange.
    Busy(ExchangeId),
    /// Waits in the pool, at this place in its backend's stack.
    Idle {
        /// Index into the stack.
        place: u32,
    },
    /// Closed in the last phase of this turn.
    Closed,
}

impl<T: Transport> BackendConn<T> {
    /// A connection that is opening, to the `address`-th of the backend's.
    pub(super) fn new(
        io: T,
        backend: BackendId,
        address: usize,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> Self {
        Self {
            conn: BufferedConn::new(io),
            deadline: Deadline::default(),
            state: BackendConnState::Connecting(exchange),
            backend,
            opened_at: now,
            address,
        }
    }

    /// Whether it is not established yet.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state, BackendConnState::Connecting(_))
    }

    /// It turned out to be established. Returns how long that took, the first time.
    pub(super) fn established(&mut self, now: Timestamp) -> Option<Duration> {
        let BackendConnState::Connecting(exchange) = self.state else {
            return None;
        };
        self.state = BackendConnState::Busy(exchange);
        self.deadline.clear();
        Some(now.since(self.opened_at))
    }
}
