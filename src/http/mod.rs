//! HTTP messages as values: bytes in, heads, pieces and bytes out.
//!
//! Owns the form of a head, the length of a body, and what an intermediary adds, drops or refuses.
//! Knows no socket, no clock and no backend, and never decides what happens to a message.
//!
//! **Invariant: no two recipients read differently what is passed on.** Where RFC 9112 lets a
//! recipient be lenient (bare LF, folded lines, lists of lengths), a lenient and a strict reader
//! can disagree on where a message ends, which is request smuggling.
//!
//! ```text
//! error  version  method  span  syntax  limits  authority        ground
//! fields     kinds and places of the fields of a head; field lines
//! semantics  framing, persistence, expectation, upgrade: read from the fields
//! head       RequestHead, ResponseHead
//! forward    what an intermediary adds, drops and rewrites
//! h1         the wire format: parse, scan, repair, body, chunked, write
//! ```
//!
//! Each line knows those above it alone. Everything but `h1` works on bytes and spans, in all
//! versions of HTTP alike.
//!
//! # Requests are strict, responses are generous
//!
//! A client may be an attacker, so a **request** that leaves anything to guess is refused. A
//! **response** that has one meaning, and that HAProxy and nginx pass, is passed in a clean form:
//!
//! | a response with | is sent on with |
//! |---|---|
//! | a bare LF at the end of any line of head, chunks or trailers | CRLF |
//! | a folded field or trailer line | one line |
//! | control characters in a value or a reason | blanks; in a trailer, without them |
//! | more blanks around the status, or no reason | one |
//! | HTTP/1.2 to HTTP/9.9 before a head in lines | HTTP/1.1 |
//! | a status from 600 to 999 | the same |
//! | chunks and a length, or chunks in HTTP/1.0 | chunks; the backend connection is closed |
//! | empty members in `Transfer-Encoding` | without them, or none |
//! | one empty line before the status line | none |
//! | blanks, zeros or extensions around a chunk size | the size |
//! | trailers that RFC 9110, section 6.5.1, forbids | without them |
//! | blanks between the name and the colon of a trailer | none |
//!
//! These stay refused, because recipients differ on them or because they show that the two ends are
//! out of step:
//!
//! | a response with | why |
//! |---|---|
//! | other bytes before the status line, no status line, HTTP/0.9 | it may be the rest of another message |
//! | a status of two or four digits, or below 100 | recipients cut it differently |
//! | a bare CR, or NUL in a head | recipients end the line or the value there, or do not |
//! | a field line without a colon or a name, or a name that is no token, blanks before the colon included | it may be a framing field to another recipient; HAProxy refuses it as well |
//! | several lengths, or one that is no number | the end of the body is a guess, also where chunks say it |
//! | any other coding than one `chunked` | it was not requested, and its end or its content is unknown |
//! | a chunk size with a sign, `0x`, a leading blank or a word behind it, or beyond 63 bits | the end of the chunk is a guess |
//! | a chunk that does not end where its size says | the two ends are out of step |
//! | a trailer line without a colon or a name | the end of the section is a guess |
//! | 101 that was not asked for, or without `Upgrade` and `Connection: upgrade` | its connection may or may not speak HTTP |
//! | more bytes or fields than the limits allow | memory is bounded |

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
    ClientIp, ConnectionOption, DateLine, Forward, ForwardOptions, ForwardPolicy, ForwardedFor,
    LoopToken, Peer, Reframe, ResponseRewrite,
};
pub use h1::{
    Body, ChunkHead, ChunkedDecoder, ChunkedEncoder, FixedReply, HeadEdit, HeadParser, LocalReply,
    Piece, edit_head, field_of, local_page, set_host, write_fixed_reply, write_local_reply,
};
pub use head::{Parsed, RequestHead, ResponseHead};
pub use limits::{HeadLimits, MAX_FIELDS};
pub use method::Method;
pub use semantics::BodyLength;
pub use span::Span;
pub use version::Version;
