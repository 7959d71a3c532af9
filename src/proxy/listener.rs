//! A listener as its clients see it: mode, limits, and the forwarding of client data to backends.
//!
//! Immutable. A client connection holds the listener it was accepted by, so it finishes under the
//! settings it began with. The listening socket is the worker's.
//!
//! Each worker has its own, shared by an [`Arc`](std::sync::Arc) and not an `Rc` only because a
//! proxy is made on one thread and run on another.

use super::routes::Routes;
use crate::address::ClientAddress;
use crate::config::{Limits, Mode, Timeouts};
use crate::http::ForwardPolicy;
use crate::pool::PoolId;
use crate::tls::Server;
use std::sync::Arc;
use std::time::Duration;

/// The TLS of a listener.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// Certificates, versions and tickets; shared by all workers.
    pub server: Arc<Server>,
    /// Time for a handshake.
    pub handshake_timeout: Duration,
}

/// The settings of the client connections of one listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// HTTP or TCP.
    pub mode: Mode,
    /// True if each connection begins with a PROXY header.
    pub accepts_proxy: bool,
    /// The TLS that clients speak; `None`: they speak none.
    pub tls: Option<ListenerTls>,
    /// The header fields that tell backends about the client, and the proxies in front whose PROXY
    /// and forwarding fields are trusted.
    pub forward: ForwardPolicy,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Size and rate limits.
    pub limits: Limits,
    /// True if a queued request is dropped when its client closes its sending side.
    pub abort_on_close: bool,
    /// True if a request that comes without `X-Request-Id` is given one.
    pub gives_request_ids: bool,
    /// The pool that serves its requests.
    pub pool: PoolId,
    /// Routes of its requests to other pools and to responses; `None`: there are none.
    pub routes: Option<Arc<Routes>>,
    /// True if it accepts no more: its connections close after the exchange they serve.
    pub is_closing: bool,
}

impl Listener {
    /// The timeouts of an exchange with a pool.
    pub(super) fn timeouts_with(&self, pool: PoolId) -> &Timeouts {
        match &self.routes {
            None => &self.timeouts,
            Some(routes) => routes.timeouts_with(pool).unwrap_or(&self.timeouts),
        }
    }

    /// Returns whether the forwarding fields of a request from `peer` are believed.
    pub(super) fn believes_fields(&self, peer: ClientAddress) -> bool {
        peer.ip().is_some_and(|ip| self.forward.trusts(ip))
    }

    /// Returns whether the addresses in a PROXY header from `peer` are believed: of every peer if
    /// no trusted ones are named. A peer on a UNIX socket is of this machine.
    pub(super) fn believes_proxy_header(&self, peer: ClientAddress) -> bool {
        !self.forward.has_trusted_proxies() || peer.ip().is_none_or(|ip| self.forward.trusts(ip))
    }
}
