//! What is known of a finished exchange.
//!
//! Every exchange ends in exactly one [`Record`]; the access log, the counters and the summary
//! all learn from it.

use crate::address::ClientAddress;
use crate::error::Fault;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// One finished exchange: one request and its answer, or one TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When its first byte was seen.
    pub started_at: Timestamp,
    /// Who asked.
    pub client: ClientAddress,
    /// The `X-Request-Id`: the client's, up to 128 bytes, or the one made for it. Empty if there
    /// is none, and where nobody keeps it because there is no access log.
    pub request_id: &'a [u8],
    /// The request method; empty in TCP mode and when no head could be read.
    pub method: &'a [u8],
    /// The request target as it came; empty in TCP mode and when no head could be read.
    pub target: &'a [u8],
    /// The status the client was sent, if any.
    pub status: Option<u16>,
    /// Bytes received from the client, heads included.
    pub bytes_in: u64,
    /// Bytes sent to the client, heads included.
    pub bytes_out: u64,
    /// Who answered, or was asked last.
    pub backend: Option<BackendId>,
    /// How long the connection to it took; `None` when a pooled one was used.
    pub connect_time: Option<Duration>,
    /// From dispatch to the first byte of the response.
    pub first_byte_time: Option<Duration>,
    /// From the first byte of the request to the last of the response.
    pub total_time: Duration,
    /// How many further attempts were made after the first.
    pub retries: u32,
    /// Why the exchange did not end well, if it did not.
    pub fault: Option<Fault>,
}
