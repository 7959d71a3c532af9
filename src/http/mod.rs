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

mod authority;
mod error;
mod fields;
mod forward;
mod h1;
mod head;
mod limits;
mod method;
mod semantics;
mod span;
mod syntax;
mod version;

#[cfg(test)]
mod tests;

pub(crate) use authority::is_authority;
pub use error::{BadChunk, BadResponse};
pub use forward::{
    ClientIp, ConnectionOption, Forward, ForwardOptions, ForwardPolicy, ForwardedFor, Reframe,
    ResponseRewrite,
};
pub use h1::{
    Body, ChunkHead, ChunkedDecoder, ChunkedEncoder, HeadParser, LocalReply, Piece,
    write_local_reply,
};
pub use head::{Parsed, RequestHead, ResponseHead};
pub use limits::{HeadLimits, MAX_FIELDS};
pub use method::Method;
pub use semantics::BodyLength;
pub use span::Span;
pub use version::Version;
