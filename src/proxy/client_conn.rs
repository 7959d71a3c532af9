//! The frontend side: one connection accepted from a client, from accept to close.

use super::arena::ExchangeId;
use crate::address::ClientAddress;
use crate::timers::Deadline;
use crate::transport::{BufferedConn, Transport};
use std::net::SocketAddr;

/// A session: one client connection and where it stands.
///
/// Between requests it is nothing but this slot: no buffer, no exchange. What every event needs
/// comes first, so that it is in the first line of the slot.
#[derive(Debug)]
#[repr(C)]
pub(super) struct ClientConn<T> {
    pub(super) conn: BufferedConn<T>,
    pub(super) deadline: Deadline,
    pub(super) state: ClientConnState,
    /// Which listener it came by.
    pub(super) listener: u16,
    pub(super) address: ClientAddress,
    /// What it connected to, if it is known without asking the system.
    pub(super) local: Option<SocketAddr>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientConnState {
    /// The PROXY header has not arrived, or not all of it.
    ProxyHeader,
    /// Nothing of a next request has arrived.
    Idle,
    /// Part of a request head has arrived and waits in `peer.unread`. The deadline is fixed when
    /// the first byte arrives, so that dripping bytes does not help.
    Head,
    /// An exchange is under way.
    Busy(ExchangeId),
    /// The last answer has been written and the sending side ended; what the client still sends
    /// is thrown away for a while, because closing with unread bytes would reset the connection
    /// and could destroy the answer (RFC 9112, section 9.6).
    Lingering {
        /// Bytes thrown away so far.
        dropped: u32,
    },
    /// Closed in the last phase of this turn.
    Closed,
}

impl<T: Transport> ClientConn<T> {
    /// A connection that was just accepted; `deadline` is not set, but may be armed.
    pub(super) fn new(io: T, address: ClientAddress, listener: u16, deadline: Deadline) -> Self {
        Self {
            conn: BufferedConn::new(io),
            deadline,
            state: ClientConnState::Idle,
            listener,
            address,
            local: None,
        }
    }
}
