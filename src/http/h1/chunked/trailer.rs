//! The trailer section of a chunked body (RFC 9112, section 7.1.2).
//!
//! Its fields are passed on, so they are held to the syntax of fields, and none may have a name
//! that frames the message, routes it, or speaks of the connection: a recipient that merges
//! trailers into the head would believe it (RFC 9110, section 6.5.1).

use crate::http::error::BadChunk;
use crate::http::fields::FieldKind;
use crate::http::syntax::{is_token, is_value};

/// The most bytes of a trailer section, blank line included.
pub(in crate::http) const MAX_TRAILER_BYTES: u16 = 8192;

/// As long as the longest name that is forbidden.
const MAX_FORBIDDEN_NAME: usize = b"proxy-authentication-info".len();

/// Where in the trailer section the next byte is.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Trailer {
    seen: u16,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    LineStart,
    /// In a name of which this is the beginning. Longer ones are not forbidden.
    Name {
        start: [u8; MAX_FORBIDDEN_NAME],
        len: u8,
    },
    Value,
    /// After the CR of a field line.
    LineLf,
    /// After the CR of the blank line.
    LastLf,
}

/// What a byte led to.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum TrailerStep {
    More(Trailer),
    Over,
}

impl Trailer {
    /// Before its first byte.
    pub(in crate::http) const fn new() -> Self {
        Self {
            seen: 0,
            place: Place::LineStart,
        }
    }

    /// Takes in the next byte.
    pub(in crate::http) fn step(self, byte: u8) -> Result<TrailerStep, BadChunk> {
        if self.seen >= MAX_TRAILER_BYTES {
            return Err(BadChunk::Trailer);
        }
        let place = match (self.place, byte) {
            (Place::LastLf, b'\n') => return Ok(TrailerStep::Over),
            (Place::LineLf, b'\n') => Place::LineStart,
            (Place::LineLf | Place::LastLf, _) => return Err(BadChunk::LineEnd),
            (Place::LineStart, b'\r') => Place::LastLf,
            (Place::Value, b'\r') => Place::LineLf,
            (Place::LineStart | Place::Value, b'\n') => return Err(BadChunk::LineEnd),
            (Place::LineStart, _) if is_token(byte) => longer([0; MAX_FORBIDDEN_NAME], 0, byte),
            (Place::Name { start, len }, _) if is_token(byte) => longer(start, len, byte),
            (Place::Name { start, len }, b':') if !is_forbidden(&start, len) => Place::Value,
            (Place::Name { .. }, b':') => return Err(BadChunk::ForbiddenTrailer),
            (Place::Value, _) if is_value(byte) => Place::Value,
            (Place::LineStart | Place::Name { .. } | Place::Value, _) => {
                return Err(BadChunk::Trailer);
            }
        };
        Ok(TrailerStep::More(Self {
            seen: self.seen + 1,
            place,
        }))
    }
}

fn longer(mut start: [u8; MAX_FORBIDDEN_NAME], len: u8, byte: u8) -> Place {
    if let Some(slot) = start.get_mut(usize::from(len)) {
        *slot = byte;
    }
    Place::Name {
        start,
        len: len.saturating_add(1),
    }
}

fn is_forbidden(start: &[u8], len: u8) -> bool {
    start
        .get(..usize::from(len))
        .is_some_and(|name| FieldKind::of(name) != FieldKind::Other)
}
