//! The record of a finished exchange.
//!
//! Every exchange ends in exactly one [`Record`]; the access log and the metrics learn from it and
//! from nothing else.

use super::log_fields::LOGGED_HEADERS;
use crate::address::ClientAddress;
use crate::error::Fault;
use crate::ids::PoolId;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// One finished exchange: one request and its response, or one TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Time at which its first byte was read.
    pub started_at: Timestamp,
    /// The client's address.
    pub client: ClientAddress,
    /// The status sent to the client, if any.
    pub status: Option<u16>,
    /// Bytes received from the client, heads included.
    pub bytes_in: u64,
    /// Bytes sent to the client, heads included.
    pub bytes_out: u64,
    /// The pool that served it, or was to.
    pub pool: PoolId,
    /// The backend that responded, or was tried last.
    pub backend: Option<BackendId>,
    /// Time spent waiting for a backend with room; `None` if there was no wait.
    pub queue_time: Option<Duration>,
    /// Time to connect to it; `None` when a pooled connection was used.
    pub connect_time: Option<Duration>,
    /// From dispatch to the first byte of the response.
    pub first_byte_time: Option<Duration>,
    /// From the first byte of the request to the last of the response.
    pub total_time: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// The fault that ended it, if any did.
    pub fault: Option<Fault>,
}

/// The texts of a request that its access log line repeats, each empty where the request has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestTexts<'a> {
    /// The `X-Request-Id`: the client's, up to 128 bytes, or the one made for it.
    pub id: &'a [u8],
    /// The method; empty in TCP mode and when no head could be read, like the others.
    pub method: &'a [u8],
    /// The target as it came.
    pub target: &'a [u8],
    /// The values of the [logged](super::logged_headers) header fields, up to 1,024 bytes of each.
    pub headers: [&'a [u8]; LOGGED_HEADERS],
}
