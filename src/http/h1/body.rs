//! Follows a body through the bytes that carry it.
//!
//! Bytes are passed on from where they lie; a [`Body`] only says how many, after looking at those
//! that matter. It sees each byte once, keeps none, and decides alike however the bytes are cut.

use crate::http::error::BadChunk;
use crate::http::h1::chunked::ChunkedDecoder;
use crate::http::h1::piece::{Piece, clamp};
use crate::http::semantics::BodyLength;

/// A body on its way, and how far along it is.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// There is nothing, or nothing is left, to come.
    Empty,
    /// So many bytes are still to come, at least one.
    Length(u64),
    /// Chunks.
    Chunked(ChunkedDecoder),
    /// All bytes until the connection is closed.
    UntilClose,
}

impl Body {
    /// The body of a request, passed on in the framing it comes in, of which nothing doubtful is
    /// tolerated.
    #[must_use]
    pub const fn new(length: BodyLength) -> Self {
        Self::framed(length, ChunkedDecoder::new())
    }

    /// The body of a response, passed on in the framing it comes in, in its clean form.
    #[must_use]
    pub const fn of_response(length: BodyLength) -> Self {
        Self::framed(length, ChunkedDecoder::lenient())
    }

    /// The body of a response of which only the content is passed on.
    #[must_use]
    pub const fn unframed(length: BodyLength) -> Self {
        Self::framed(length, ChunkedDecoder::content_only())
    }

    const fn framed(length: BodyLength, decoder: ChunkedDecoder) -> Self {
        match length {
            BodyLength::None | BodyLength::Length(0) => Self::Empty,
            BodyLength::Length(bytes) => Self::Length(bytes),
            BodyLength::Chunked => Self::Chunked(decoder),
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the front of `input` and returns what to do with it, in pieces as long as possible: a
    /// chunked body without extensions is one piece for all of the input. Call it again with
    /// the rest, until it returns [`Piece::NeedMore`] or [`Piece::End`].
    ///
    /// # Errors
    /// The framing is malformed. The body cannot be followed any further.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, BadChunk> {
        if self.is_complete() {
            return Ok(Piece::End);
        }
        if input.is_empty() {
            return Ok(Piece::NeedMore);
        }
        match self {
            Self::Chunked(decoder) => decoder.next(input),
            Self::Empty => Ok(Piece::End),
            Self::UntilClose => Ok(Piece::Forward(input.len())),
            Self::Length(remaining) => {
                let bytes = clamp(*remaining, input.len());
                self.advance(bytes as u64);
                Ok(Piece::Forward(bytes))
            }
        }
    }

    /// Returns the bytes to pass on where [`next`](Self::next) returns [`Piece::Insert`]. To be
    /// called once each time.
    pub fn insert(&mut self) -> &[u8] {
        match self {
            Self::Chunked(decoder) => decoder.insert(),
            Self::Empty | Self::Length(_) | Self::UntilClose => b"",
        }
    }

    /// Returns how many bytes of framing were looked at so far: each costs more than one of content.
    /// `None` if there is no framing.
    #[must_use]
    pub const fn framing_bytes(&self) -> Option<u32> {
        match self {
            Self::Chunked(decoder) => Some(decoder.framing_bytes()),
            Self::Empty | Self::Length(_) | Self::UntilClose => None,
        }
    }

    /// Returns whether the whole body has gone by. A body that ends with its connection is never
    /// complete.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Chunked(decoder) => decoder.is_complete(),
            Self::Length(_) | Self::UntilClose => false,
        }
    }

    /// Returns how many content bytes come next with nothing between them, so that they may be
    /// moved unseen. `None` if that is not known, or if something has to be looked at first.
    #[must_use]
    pub const fn remaining(&self) -> Option<u64> {
        match self {
            Self::Empty | Self::UntilClose => None,
            Self::Length(remaining) => Some(*remaining),
            Self::Chunked(decoder) => decoder.remaining(),
        }
    }

    /// Notes that `bytes` content bytes went by unseen: no more than
    /// [`remaining`](Self::remaining) says, if it says.
    pub fn advance(&mut self, bytes: u64) {
        match self {
            Self::Length(remaining) if *remaining > bytes => *remaining -= bytes,
            Self::Length(_) => *self = Self::Empty,
            Self::Chunked(decoder) => decoder.advance(bytes),
            Self::Empty | Self::UntilClose => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_of_known_length_ends_at_the_next_message() {
        let mut body = Body::new(BodyLength::Length(5));
        assert_eq!(body.next(b"ab"), Ok(Piece::Forward(2)));
        assert_eq!(body.remaining(), Some(3));
        assert_eq!(body.next(b""), Ok(Piece::NeedMore));
        body.advance(2);
        assert_eq!(body.next(b"eGET /"), Ok(Piece::Forward(1)));
        assert_eq!(body.next(b"GET /"), Ok(Piece::End));
        assert!(body.is_complete());
    }

    #[test]
    fn empty_body_is_complete_at_once() {
        for length in [BodyLength::None, BodyLength::Length(0)] {
            let mut body = Body::new(length);
            assert!(body.is_complete());
            assert_eq!(body.next(b"GET /"), Ok(Piece::End));
        }
    }

    #[test]
    fn body_until_close_never_completes() {
        let mut body = Body::new(BodyLength::UntilClose);
        assert_eq!(body.next(b"abc"), Ok(Piece::Forward(3)));
        assert_eq!(body.remaining(), None);
        assert!(!body.is_complete());
    }
}
