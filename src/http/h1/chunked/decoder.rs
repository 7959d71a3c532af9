//! Follows a chunked body (RFC 9112, section 7.1): byte by byte where framing is, by whole runs
//! where content is.
//!
//! There are two readers in one. Of a **request** nothing is tolerated: a size is hex digits, a
//! line ends with CRLF, a trailer field has no name that frames, routes or connects. A sign, a
//! blank or a bare LF is read one way here and another way there, which is how requests are
//! smuggled. Of a **response** all is read that has one meaning, and passed on in its clean form:
//! see the list in [`http`](crate::http). Extensions are dropped from both.
//!
//! Invariant: the output is strict for every input.

use super::trailer::{Trailer, TrailerStep};
use crate::http::error::BadChunk;
use crate::http::h1::piece::{Piece, clamp};
use crate::http::syntax::is_value;

/// Limit on the extensions of one chunk of a request, in bytes.
pub(in crate::http) const MAX_EXTENSION_BYTES: u32 = 4096;
/// Limit on those of a response.
const MAX_RESPONSE_EXTENSION_BYTES: u32 = 64 * 1024;
/// Digits of a size: enough for 64 bits.
const MAX_DIGITS: u8 = 16;

/// Follows a chunked body.
#[derive(Clone, Copy, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// True if framing and trailers are passed on with the content.
    keeps_framing: bool,
    reading: Reading,
    /// Bytes of framing looked at.
    framing_bytes: u32,
}

/// The strictness with which a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Reading {
    /// As a request: nothing doubtful passes.
    Strict,
    /// As a response: what has one meaning passes.
    Lenient,
}

/// The part of the framing that comes next.
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
    /// Nothing: the body is complete.
    Complete,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// For a request body: chunks are passed on as chunks.
    #[must_use]
    pub const fn new() -> Self {
        Self::with(true, Reading::Strict)
    }

    /// For a response body: chunks are passed on as chunks.
    #[must_use]
    pub const fn lenient() -> Self {
        Self::with(true, Reading::Lenient)
    }

    /// For a response body of which only the content is passed on.
    #[must_use]
    pub const fn content_only() -> Self {
        Self::with(false, Reading::Lenient)
    }

    const fn with(keeps_framing: bool, reading: Reading) -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            keeps_framing,
            reading,
            framing_bytes: 0,
        }
    }

    /// See [`Body::framing_bytes`](crate::http::Body::framing_bytes).
    pub(in crate::http) const fn framing_bytes(&self) -> u32 {
        self.framing_bytes
    }

    /// See [`Body::is_complete`](crate::http::Body::is_complete).
    pub(in crate::http) const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
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

    /// See [`Body::next`](crate::http::Body::next); `input` is not empty and the body not complete.
    pub(in crate::http) fn next(&mut self, input: &[u8]) -> Result<Piece, BadChunk> {
        let mut rest = input;
        let mut is_forwarded = None;
        while let Some((&byte, after)) = rest.split_first() {
            if self.is_complete() {
                break;
            }
            if self.reading == Reading::Lenient && self.inserts_before(byte) {
                if !self.keeps_framing {
                    self.insert();
                    continue;
                }
                if is_forwarded.is_some() {
                    break;
                }
                return Ok(Piece::Insert);
            }
            if is_forwarded.is_some_and(|is| is != self.forwards(byte)) {
                break;
            }
            is_forwarded = Some(self.forwards(byte));
            if let State::Content { remaining } = self.state {
                let bytes = clamp(remaining, rest.len());
                self.advance(bytes as u64);
                rest = rest.get(bytes..).unwrap_or_default();
            } else {
                self.state = self.step(byte)?;
                self.framing_bytes = self.framing_bytes.saturating_add(1);
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

    /// Returns whether something has to be passed on before `byte`, the next one, that did not
    /// come: the CR before a bare LF, or what a trailer section held back.
    fn inserts_before(&self, byte: u8) -> bool {
        match self.state {
            State::Size { digits: 1.., .. }
            | State::BeforeExtension { .. }
            | State::Extension { .. }
            | State::ContentCr => byte == b'\n',
            State::Trailer(trailer) => trailer.inserts_before(byte),
            State::Size { .. }
            | State::SizeLf { .. }
            | State::Content { .. }
            | State::ContentLf
            | State::Complete => false,
        }
    }

    /// See [`Body::insert`](crate::http::Body::insert).
    pub(in crate::http) fn insert(&mut self) -> &[u8] {
        self.state = match self.state {
            State::Size { size, .. }
            | State::BeforeExtension { size, .. }
            | State::Extension { size, .. } => State::SizeLf { size },
            State::ContentCr => State::ContentLf,
            State::Trailer(trailer) => State::Trailer(trailer.inserted()),
            other => other,
        };
        match &self.state {
            State::Trailer(trailer) => trailer.held(),
            _ => b"\r",
        }
    }

    /// Returns whether `byte`, the next one, is passed on.
    const fn forwards(&self, byte: u8) -> bool {
        match self.state {
            State::Content { .. } => true,
            // Between the digits and the CR is the extension. Zeros in front of a size are dropped,
            // all but one, where they may be too many for a recipient.
            State::Size { digits, size } => {
                self.keeps_framing
                    && !matches!(byte, b';' | b' ' | b'\t')
                    && !self.is_padding(digits, size, byte)
            }
            State::BeforeExtension { .. } | State::Extension { .. } => {
                self.keeps_framing && byte == b'\r'
            }
            State::Trailer(trailer) => {
                self.keeps_framing
                    && (matches!(self.reading, Reading::Strict) || trailer.forwards(byte))
            }
            State::SizeLf { .. } | State::ContentCr | State::ContentLf | State::Complete => {
                self.keeps_framing
            }
        }
    }

    /// Returns whether `byte` is one zero too many before a size.
    const fn is_padding(&self, digits: u8, size: u64, byte: u8) -> bool {
        matches!(self.reading, Reading::Lenient) && size == 0 && digits >= 1 && byte == b'0'
    }

    /// The state after `byte`, which is not content.
    fn step(&self, byte: u8) -> Result<State, BadChunk> {
        match self.state {
            State::Size { digits, size } if self.is_padding(digits, size, byte) => Ok(self.state),
            State::Size { digits, size } => after_size(digits, size, byte),
            State::BeforeExtension { size, seen } => match byte {
                b';' => Ok(State::Extension {
                    size,
                    seen: seen + 1,
                }),
                b' ' | b'\t' if seen < self.max_extension_bytes() => Ok(State::BeforeExtension {
                    size,
                    seen: seen + 1,
                }),
                b'\r' if self.reading == Reading::Lenient => Ok(State::SizeLf { size }),
                _ => Err(BadChunk::Extension),
            },
            State::Extension { size, seen } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                b'\n' => Err(BadChunk::LineEnd),
                _ if self.is_extension(byte) && seen < self.max_extension_bytes() => {
                    Ok(State::Extension {
                        size,
                        seen: seen + 1,
                    })
                }
                _ => Err(BadChunk::Extension),
            },
            State::SizeLf { size } => expect(
                b'\n',
                byte,
                match size {
                    0 => State::Trailer(Trailer::new(self.reading)),
                    remaining => State::Content { remaining },
                },
            ),
            State::ContentCr => expect(b'\r', byte, State::ContentLf),
            State::ContentLf => expect(b'\n', byte, State::Size { digits: 0, size: 0 }),
            State::Trailer(trailer) => Ok(match trailer.step(byte)? {
                TrailerStep::More(trailer) => State::Trailer(trailer),
                TrailerStep::Complete => State::Complete,
            }),
            // Neither is ever stepped: content goes by in runs, and a complete body has no more.
            State::Content { .. } | State::Complete => Ok(self.state),
        }
    }

    const fn max_extension_bytes(&self) -> u32 {
        match self.reading {
            Reading::Strict => MAX_EXTENSION_BYTES,
            Reading::Lenient => MAX_RESPONSE_EXTENSION_BYTES,
        }
    }

    /// Returns whether `byte`, which ends no line, may be in an extension. It is dropped in any
    /// case.
    const fn is_extension(&self, byte: u8) -> bool {
        matches!(self.reading, Reading::Lenient) || is_value(byte)
    }
}

fn after_size(digits: u8, size: u64, byte: u8) -> Result<State, BadChunk> {
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
