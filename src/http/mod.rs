//! HTTP/1.1 as values: bytes in, heads, pieces and bytes out.
//!
//! Owns the wire format: what a well-formed head is, how long a body is, what an intermediary
//! must add, drop or refuse. Knows no socket, no clock, no backend; it never decides what to do
//! with a message, only what the message says.
//!
//! The invariant of the whole module: **what we pass on, no two recipients read differently.**
//! Wherever RFC 9112 lets a recipient be lenient (bare LF, folded lines, lists of lengths), one
//! lenient reader and one strict reader disagree on where a message ends, and that disagreement
//! is request smuggling. So lenience is refused here, whatever the tokeniser would have accepted.
//!
//! - [`HeadParser`] reads heads and writes the heads to send in their place.
//! - [`Body`] follows a body through the bytes that carry it; [`ChunkedEncoder`] frames one.
//! - [`LocalReply`] is what the balancer says itself.

mod body;
mod chunked;
mod chunked_encoder;
mod client_ip;
mod connection;
mod copy;
mod fields;
mod forward;
mod framing;
mod host;
mod limits;
mod local_reply;
mod lookup;
mod method;
mod parse_error;
mod parser;
mod request;
mod response;
mod rewrite;
mod scan;
mod semantics;
mod span;
mod syntax;
mod target;
mod trailer;

#[cfg(test)]
mod tests;

pub use body::{Body, Piece};
pub use chunked::{BadChunk, ChunkedDecoder};
pub use chunked_encoder::{ChunkHead, ChunkedEncoder};
pub use client_ip::ClientIp;
pub use connection::ConnectionOption;
pub use forward::{Forward, ForwardOptions, ForwardPolicy, ForwardedFor};
pub use framing::BodyLength;
pub(crate) use host::is_authority;
pub use limits::{HeadLimits, MAX_FIELDS};
pub use local_reply::{LocalReply, write_local_reply};
pub use method::Method;
pub use parse_error::BadResponse;
pub use parser::{HeadParser, Parsed};
pub use request::RequestHead;
pub use response::ResponseHead;
pub use rewrite::{Reframe, ResponseRewrite};
pub use span::Span;

/// The minor version of a message; the major version is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: no persistence unless asked for, no chunks, `Host` optional.
    Http10,
    /// HTTP/1.1.
    Http11,
}
