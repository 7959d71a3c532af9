//! The wire format of HTTP/1.1 (RFC 9112): bytes in, heads and pieces out, and back.
//!
//! Owns tokens, lines and chunks. Refuses to know what a field means: that is `semantics`.

pub(in crate::http) mod body;
pub(in crate::http) mod chunked;
pub(in crate::http) mod parse;
mod piece;
mod repair;
pub(in crate::http) mod scan;
pub(in crate::http) mod write;

pub use body::Body;
pub use chunked::{ChunkHead, ChunkedDecoder, ChunkedEncoder};
pub use parse::HeadParser;
pub use piece::Piece;
pub use write::{
    FixedReply, HeadEdit, LocalReply, edit_head, field_of, local_page, set_host, write_fixed_reply,
    write_local_reply,
};
