//! The chunked transfer coding (RFC 9112, section 7.1), in both directions.

mod decoder;
mod encoder;
mod trailer;

pub use decoder::ChunkedDecoder;
#[cfg(test)]
pub(in crate::http) use decoder::MAX_EXTENSION_BYTES;
pub use encoder::{ChunkHead, ChunkedEncoder};
#[cfg(test)]
pub(in crate::http) use trailer::MAX_TRAILER_BYTES;
