//! The chunked transfer coding (RFC 9112, section 7.1), followed byte by byte where framing
//! is, and by whole runs where content is.
//!
//! Sizes are hex digits and nothing else, lines end with CRLF and nothing else: a sign, a `0x`, a
//! blank or a bare LF is read one way here and another way there, which is how requests are
//! smuggled. Extensions mean nothing to anyone we know; they are checked and dropped. Trailers
//! are checked and passed on.

use crate::http::error::BadChunk;
use crate::http::h1::chunked::trailer::{Trailer, TrailerStep};
use crate::http::h1::piece::{Piece, clamp};
use crate::http::syntax::is_value;

/// The most bytes of extensions to one chunk.
pub(in crate::http) const MAX_EXTENSION_BYTES: u32 = 4096;

/// Follows a chunked body.
#[derive(Clone, Copy, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Whether framing and trailers are passed on with the content.
    keeps_framing: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// More of a size, of which `digits` digits have been read.
    Size { digits: u8, size: u64 },
    /// A semicolon, or a blank before it.
    BeforeExtension { size: u64, seen: u32 },
    /// More of an extension.
    Extension { size: u64, seen: u32 },
    /// The LF after a size.
    SizeLf { size: u64 },
    /// So many bytes of content, at least one.
    Content { remaining: u64 },
    /// The CR after the content of a chunk.
    ContentCr,
    /// The LF after that.
    ContentLf,
    /// More of the trailer section.
    Trailer(Trailer),
    /// Nothing: the body is over.
    Over,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// Passes on chunks as chunks.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            keeps_framing: true,
        }
    }

    /// Passes on the content alone.
    #[must_use]
    pub const fn content_only() -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            keeps_framing: false,
        }
    }

    /// See [`Body::is_complete`](crate::http::Body::is_complete).
    pub(in crate::http) const fn is_complete(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// See [`Body::remaining`](crate::http::Body::remaining).
    pub(in crate::http) const fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Content { remaining } => Some(remaining),
            _ => None,
        }
    }

    /// See [`Body::advance`](crate::http::Body::advance).
    pub(in crate::http) fn advance(&mut self, bytes: u64) {
        if let State::Content { remaining } = self.state {
            self.state = match remaining.checked_sub(bytes) {
                Some(remaining @ 1..) => State::Content { remaining },
                Some(0) | None => State::ContentCr,
            };
        }
    }

    /// See [`Body::next`](crate::http::Body::next); `input` is not empty and the body not over.
    pub(in crate::http) fn next(&mut self, input: &[u8]) -> Result<Piece, BadChunk> {
        let mut rest = input;
        let mut is_forwarded = None;
        while let Some((&byte, after)) = rest.split_first() {
            if self.is_complete() || is_forwarded.is_some_and(|is| is != self.forwards(byte)) {
                break;
            }
            is_forwarded = Some(self.forwards(byte));
            if let State::Content { remaining } = self.state {
                let bytes = clamp(remaining, rest.len());
                self.advance(bytes as u64);
                rest = rest.get(bytes..).unwrap_or_default();
            } else {
                self.state = self.step(byte)?;
                rest = after;
            }
        }
        let bytes = input.len() - rest.len();
        Ok(if is_forwarded == Some(true) {
            Piece::Forward(bytes)
        } else {
            Piece::Skip(bytes)
        })
    }

    /// Whether `byte`, the next one, is to be passed on.
    const fn forwards(&self, byte: u8) -> bool {
        match self.state {
            State::Content { .. } => true,
            // What goes between the digits and the CR is the extension.
            State::Size { .. } => self.keeps_framing && !matches!(byte, b';' | b' ' | b'\t'),
            State::BeforeExtension { .. } | State::Extension { .. } => {
                self.keeps_framing && byte == b'\r'
            }
            State::SizeLf { .. }
            | State::ContentCr
            | State::ContentLf
            | State::Trailer(_)
            | State::Over => self.keeps_framing,
        }
    }

    /// The state after `byte`, which is not content.
    fn step(&self, byte: u8) -> Result<State, BadChunk> {
        match self.state {
            State::Size { digits, size } => after_size(digits, size, byte),
            State::BeforeExtension { size, seen } => match byte {
                b';' => Ok(State::Extension {
                    size,
                    seen: seen + 1,
                }),
                b' ' | b'\t' if seen < MAX_EXTENSION_BYTES => Ok(State::BeforeExtension {
                    size,
                    seen: seen + 1,
                }),
                _ => Err(BadChunk::Extension),
            },
            State::Extension { size, seen } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                _ if is_value(byte) && seen < MAX_EXTENSION_BYTES => Ok(State::Extension {
                    size,
                    seen: seen + 1,
                }),
                b'\n' => Err(BadChunk::LineEnd),
                _ => Err(BadChunk::Extension),
            },
            State::SizeLf { size } => expect(
                b'\n',
                byte,
                match size {
                    0 => State::Trailer(Trailer::new()),
                    remaining => State::Content { remaining },
                },
            ),
            State::ContentCr => expect(b'\r', byte, State::ContentLf),
            State::ContentLf => expect(b'\n', byte, State::Size { digits: 0, size: 0 }),
            State::Trailer(trailer) => Ok(match trailer.step(byte)? {
                TrailerStep::More(trailer) => State::Trailer(trailer),
                TrailerStep::Over => State::Over,
            }),
            // Neither is ever stepped: content goes by in runs, and what is over is over.
            State::Content { .. } | State::Over => Ok(self.state),
        }
    }
}

fn after_size(digits: u8, size: u64, byte: u8) -> Result<State, BadChunk> {
    /// Enough for 64 bits; more could only be zeros in front.
    const MAX_DIGITS: u8 = 16;
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' if digits > 0 => return Ok(State::SizeLf { size }),
        b';' if digits > 0 => return Ok(State::Extension { size, seen: 1 }),
        b' ' | b'\t' if digits > 0 => return Ok(State::BeforeExtension { size, seen: 1 }),
        b'\n' => return Err(BadChunk::LineEnd),
        _ => return Err(BadChunk::Size),
    };
    // A recipient that counts in signed 64 bits must not wrap around where we do not.
    let fits = digits < MAX_DIGITS && size <= (i64::MAX as u64) >> 4;
    if !fits {
        return Err(BadChunk::Size);
    }
    Ok(State::Size {
        digits: digits + 1,
        size: size << 4 | u64::from(digit),
    })
}

fn expect(expected: u8, byte: u8, then: State) -> Result<State, BadChunk> {
    if byte == expected {
        Ok(then)
    } else {
        Err(BadChunk::LineEnd)
    }
}
