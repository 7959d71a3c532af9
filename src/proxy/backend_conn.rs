//! The backend side: one connection to a backend, which serves many exchanges one after another.

use crate::ids::ExchangeId;
use crate::pool::PoolId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::transport::{BufferedConn, Transport};
use std::time::Duration;

/// A connection to a backend and its state. The fields that every exchange needs come first, so that
/// they share the first cache line of the slot; the rest is for opening and closing.
#[derive(Debug)]
#[repr(C)]
pub(super) struct BackendConn<T> {
    pub(super) conn: BufferedConn<T>,
    pub(super) state: BackendConnState,
    pub(super) backend: BackendId,
    pub(super) pool: PoolId,
    /// Index of the backend's address it leads to.
    pub(super) address: u16,
    opened_at: Timestamp,
}

/// The state of a backend connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackendConnState {
    /// Not established yet; an exchange waits for it.
    Connecting(ExchangeId),
    /// Serves an exchange.
    Busy(ExchangeId),
    /// Idle in the pool.
    Idle {
        /// Its place in the stack of its backend's idle connections.
        place: u32,
    },
    /// Closed in the last phase of this turn.
    Closed,
}

impl<T: Transport> BackendConn<T> {
    /// A connection that is being opened for `exchange`.
    pub(super) fn new(
        io: T,
        (pool, backend): (PoolId, BackendId),
        address: u16,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> Self {
        Self {
            conn: BufferedConn::new(io),
            state: BackendConnState::Connecting(exchange),
            backend,
            pool,
            address,
            opened_at: now,
        }
    }

    /// Whether it is not established yet.
    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self.state, BackendConnState::Connecting(_))
    }

    /// Marks it established. Returns how long that took, the first time.
    pub(super) fn established(&mut self, now: Timestamp) -> Option<Duration> {
        let BackendConnState::Connecting(exchange) = self.state else {
            return None;
        };
        self.state = BackendConnState::Busy(exchange);
        Some(now.since(self.opened_at))
    }
}
