//! The backend side: one connection to a backend, which serves many exchanges one after another.

use crate::ids::ExchangeId;
use crate::pool::PoolId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::tls::Layer;
use crate::transport::{BufferedConn, Transport};
use std::time::Duration;

/// A connection to a backend and its state. The fields that every exchange needs come first, so
/// that they share the first cache line of the slot; the rest is for opening and closing.
#[derive(Debug)]
#[repr(C)]
pub(super) struct BackendConn<T> {
    pub(super) conn: BufferedConn<Layer<T>>,
    pub(super) state: BackendConnState,
    pub(super) backend: BackendId,
    pub(super) pool: PoolId,
    /// Which of the backend's addresses it leads to.
    pub(super) address: AddressTry,
    /// True if its backend has left the address it leads to.
    is_disowned: bool,
    opened_at: Timestamp,
}

/// A place in a round of a backend's addresses: the one that was last connected to comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressTry {
    first: u16,
    tried: u16,
}

impl AddressTry {
    /// The start of a round at the address with this index.
    pub(super) const fn from(first: u16) -> Self {
        Self { first, tried: 0 }
    }

    /// The next in the round.
    pub(super) const fn next(self) -> Self {
        Self {
            first: self.first,
            tried: self.tried.saturating_add(1),
        }
    }

    /// The index of the address, of `count`; `None` at the end of the round.
    pub(super) fn index(self, count: usize) -> Option<usize> {
        let position = usize::from(self.first) + usize::from(self.tried);
        (usize::from(self.tried) < count).then(|| position % count)
    }
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
        address: AddressTry,
        exchange: ExchangeId,
        now: Timestamp,
    ) -> Self {
        Self {
            conn: BufferedConn::new(Layer::plain(io)),
            state: BackendConnState::Connecting(exchange),
            backend,
            pool,
            address,
            is_disowned: false,
            opened_at: now,
        }
    }

    /// Returns whether it is not established yet.
    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self.state, BackendConnState::Connecting(_))
    }

    /// Its backend has left the address it leads to: what it serves, or is opened for, is finished,
    /// and it is not kept after that.
    pub(super) const fn disown(&mut self) {
        self.is_disowned = true;
    }

    /// Returns whether its backend has left the address it leads to.
    pub(super) const fn is_disowned(&self) -> bool {
        self.is_disowned
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
