//! The frontend side: one connection accepted from a client, from accept to close.

use super::listener::Listener;
use crate::address::ClientAddress;
use crate::ids::ExchangeId;
use crate::proxy_protocol;
use crate::time::Timestamp;
use crate::tls::Layer;
use crate::transport::{BufferedConn, Transport};
use std::net::SocketAddr;
use std::sync::Arc;

/// A client connection and its state.
///
/// Between requests it is nothing but this slot: no buffer, no exchange. The fields that every
/// event needs come first, so that they share the first cache line of the slot.
#[derive(Debug)]
#[repr(C)]
pub(super) struct ClientConn<T> {
    pub(super) conn: BufferedConn<Layer<T>>,
    pub(super) state: ClientConnState,
    pub(super) listener: Arc<Listener>,
    pub(super) address: ClientAddress,
    /// True if the client came by TLS: to this listener, or as a PROXY header says.
    pub(super) is_tls: bool,
    /// True if it is in the run queue.
    pub(super) is_runnable: bool,
    /// The client's own connection, if a PROXY header describes one.
    pub(super) announced: Option<Box<Announced>>,
}

/// A connection that a PROXY header describes, but for its source.
#[derive(Debug)]
pub(super) struct Announced {
    /// The address it was made to.
    pub(super) destination: SocketAddr,
    /// Extensions about it that are carried on to backends.
    pub(super) extensions: Vec<u8>,
}

/// The state of a client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientConnState {
    /// The PROXY header has not arrived completely.
    ProxyHeader,
    /// The TLS handshake is not over, or has not begun.
    Handshake,
    /// Nothing of a next request has arrived.
    Idle,
    /// Part of a request head has arrived and waits in `conn.unread`. The deadline is fixed when
    /// the first byte arrives, so dripping bytes does not extend it.
    Head,
    /// A request has arrived whose credentials are being verified. It waits in `conn.unread`, and
    /// nothing more is read meanwhile.
    Verifying,
    /// An exchange is under way.
    Busy(ExchangeId),
    /// The last response has been written and the sending side ended; further bytes from the client
    /// are discarded for a while, because closing with unread bytes would reset the connection
    /// and could destroy the response (RFC 9112, section 9.6).
    Lingering {
        /// Time at which it is closed in any case.
        until: Timestamp,
    },
    /// Closed in the last phase of this turn.
    Closed,
}

impl<T: Transport> ClientConn<T> {
    /// A connection that was just accepted.
    pub(super) fn new(io: T, address: ClientAddress, listener: Arc<Listener>) -> Self {
        Self {
            conn: BufferedConn::new(Layer::plain(io)),
            state: ClientConnState::Idle,
            listener,
            address,
            is_tls: false,
            is_runnable: false,
            announced: None,
        }
    }

    /// The address it connected to.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        match &self.announced {
            Some(announced) => Some(announced.destination),
            None => self.conn.socket.io().local_address(),
        }
    }

    /// Returns whether it has come through here before, by the loop token in its PROXY header.
    pub(super) fn is_looping(&self) -> bool {
        let token = self.listener.forward.loop_token();
        let announced = self.announced.as_ref();
        announced.zip(token).is_some_and(|(announced, token)| {
            proxy_protocol::has_loop_token(&announced.extensions, token)
        })
    }

    /// Returns whether it waits for a request of which nothing has arrived.
    pub(super) fn awaits_request(&self) -> bool {
        self.state == ClientConnState::Idle
            && self.conn.unread.is_none()
            && !self.conn.socket.may_read()
    }
}
