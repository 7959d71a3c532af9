//! The trailer section of a chunked body (RFC 9112, section 7.1.2).
//!
//! Its fields are passed on, and a recipient that merges trailers into the head would believe one
//! whose name frames the message, routes it or speaks of the connection (RFC 9110, section 6.5.1).
//! A request with such a field is refused; from a response the field is dropped.
//!
//! To drop a field its name is held back until the colon. The end of a line is held back too, as
//! the next line may be folded onto it. What is held back is passed on by [`Trailer::inserted`].

use super::decoder::Reading;
use crate::http::error::BadChunk;
use crate::http::fields::FieldKind;
use crate::http::syntax::{is_token, is_value};

/// Limit on the trailer section of a request, blank line included.
pub(in crate::http) const MAX_TRAILER_BYTES: u16 = 8192;
/// Limit on that of a response. It is held nowhere.
const MAX_RESPONSE_TRAILER_BYTES: u16 = u16::MAX;

/// As long as the longest name that is dropped or refused.
const MAX_NAME: usize = b"proxy-authentication-info".len();

/// Fields that every recipient needs before the content: authentication, content format, controls.
const END_TO_END_IN_HEAD: [&[u8]; 14] = [
    b"age",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expires",
    b"location",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"trailer",
    b"www-authenticate",
];

/// Position of the next byte in the trailer section.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Trailer {
    seen: u16,
    reading: Reading,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    LineStart,
    /// In a name of which this is all so far.
    Name(Name),
    /// In a name that is longer than any which matters.
    LongName,
    /// At the blanks between a name and its colon.
    AfterName(Name),
    /// The same after a long name.
    AfterLongName,
    /// At the colon; the name has just been passed on.
    Colon(Name),
    Value,
    /// In a field that is dropped.
    Dropped,
    /// After the CR of a field line.
    LineLf,
    /// After a field line whose end is held back.
    HeldLineEnd,
    /// After a dropped line.
    DroppedLine,
    /// The end of the line before has just been passed on.
    LineEndInserted,
    /// After the CR of the blank line.
    LastLf,
    /// The CR of the blank line, which did not come, has just been passed on.
    LastCrInserted,
}

/// The start of a field name.
#[derive(Clone, Copy, Debug)]
struct Name {
    start: [u8; MAX_NAME],
    len: u8,
}

/// The consequence of a byte.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum TrailerStep {
    More(Trailer),
    Complete,
}

impl Trailer {
    /// Before its first byte.
    pub(in crate::http) const fn new(reading: Reading) -> Self {
        Self {
            seen: 0,
            reading,
            place: Place::LineStart,
        }
    }

    /// Takes in the next byte.
    pub(in crate::http) fn step(self, byte: u8) -> Result<TrailerStep, BadChunk> {
        let (most, next) = match self.reading {
            Reading::Strict => (MAX_TRAILER_BYTES, self.place.strict(byte)),
            Reading::Lenient => (MAX_RESPONSE_TRAILER_BYTES, self.place.lenient(byte)),
        };
        if self.seen >= most {
            return Err(BadChunk::Trailer);
        }
        Ok(match next? {
            Some(place) => TrailerStep::More(Self {
                seen: self.seen + 1,
                place,
                ..self
            }),
            None => TrailerStep::Complete,
        })
    }

    /// Returns whether what is held back has to be passed on before `byte`.
    pub(in crate::http) fn inserts_before(&self, byte: u8) -> bool {
        match &self.place {
            Place::Name(name) | Place::AfterName(name) if byte == b':' => !name.is_dropped(),
            Place::Name(name) => name.is_full() && is_token(byte),
            Place::HeldLineEnd => !matches!(byte, b' ' | b'\t'),
            Place::LineStart | Place::DroppedLine | Place::LineEndInserted => byte == b'\n',
            _ => false,
        }
    }

    /// The same place once what was held back, [`held`](Self::held), is passed on.
    pub(in crate::http) const fn inserted(self) -> Self {
        let place = match self.place {
            Place::Name(name) | Place::AfterName(name) => Place::Colon(name),
            Place::HeldLineEnd => Place::LineEndInserted,
            _ => Place::LastCrInserted,
        };
        Self { place, ..self }
    }

    /// Returns the bytes just passed on in place of skipped or missing ones.
    pub(in crate::http) fn held(&self) -> &[u8] {
        match &self.place {
            Place::Colon(name) => name.as_bytes(),
            Place::LineEndInserted => b"\r\n",
            _ => b"\r",
        }
    }

    /// Returns whether `byte`, the next one of a response, is passed on as it is.
    pub(in crate::http) const fn forwards(&self, byte: u8) -> bool {
        match self.place {
            Place::LineStart | Place::DroppedLine | Place::LineEndInserted => byte == b'\r',
            Place::Name(_) | Place::AfterName(_) | Place::Dropped | Place::LineLf => false,
            Place::LongName | Place::AfterLongName => !matches!(byte, b' ' | b'\t'),
            Place::Colon(_) | Place::LastLf | Place::LastCrInserted => true,
            // Control characters are left out (RFC 9110, section 5.5).
            Place::Value => is_value(byte),
            // A folded line goes on with its blank (RFC 9112, section 5.2).
            Place::HeldLineEnd => true,
        }
    }
}

impl Place {
    /// The place after `byte` of a request; `None`: the section is over.
    fn strict(self, byte: u8) -> Result<Option<Self>, BadChunk> {
        Ok(Some(match (self, byte) {
            (Self::LastLf, b'\n') => return Ok(None),
            (Self::LineLf, b'\n') => Self::LineStart,
            (Self::LineLf | Self::LastLf, _) => return Err(BadChunk::LineEnd),
            (Self::LineStart, b'\r') => Self::LastLf,
            (Self::Value, b'\r') => Self::LineLf,
            (Self::LineStart | Self::Value, b'\n') => return Err(BadChunk::LineEnd),
            (Self::LineStart, _) if is_token(byte) => Self::Name(Name::new(byte)),
            (Self::Name(name), _) if is_token(byte) => name.longer(byte),
            (Self::LongName, _) if is_token(byte) => Self::LongName,
            (Self::LongName, b':') => Self::Value,
            (Self::Name(name), b':') if name.is_refused() => {
                return Err(BadChunk::ForbiddenTrailer);
            }
            (Self::Name(_), b':') => Self::Value,
            (Self::Value, _) if is_value(byte) => Self::Value,
            _ => return Err(BadChunk::Trailer),
        }))
    }

    /// The place after `byte` of a response, before which nothing is left to be inserted.
    fn lenient(self, byte: u8) -> Result<Option<Self>, BadChunk> {
        Ok(Some(match (self, byte) {
            (Self::LastLf | Self::LastCrInserted, b'\n') => return Ok(None),
            (Self::LineStart | Self::DroppedLine | Self::LineEndInserted, b'\r') => Self::LastLf,
            (Self::LineStart | Self::DroppedLine | Self::LineEndInserted, _) if is_token(byte) => {
                Self::Name(Name::new(byte))
            }
            // A line folded onto a dropped one.
            (Self::DroppedLine, b' ' | b'\t') => Self::Dropped,
            (Self::Name(name), _) if is_token(byte) => name.longer(byte),
            (Self::Colon(_) | Self::LongName, _) if is_token(byte) => Self::LongName,
            (Self::Name(name) | Self::AfterName(name), b' ' | b'\t') => Self::AfterName(name),
            // Had it not to be dropped, it would have been passed on before the colon.
            (Self::Name(_) | Self::AfterName(_), b':') => Self::Dropped,
            (Self::LongName | Self::AfterLongName, b' ' | b'\t') => Self::AfterLongName,
            (Self::Colon(_) | Self::LongName | Self::AfterLongName, b':') => Self::Value,
            (Self::HeldLineEnd, b' ' | b'\t') => Self::Value,
            (Self::Value, b'\r') => Self::LineLf,
            (Self::Value | Self::LineLf, b'\n') => Self::HeldLineEnd,
            (Self::Value, _) => Self::Value,
            (Self::Dropped, b'\n') => Self::DroppedLine,
            (Self::Dropped, _) => Self::Dropped,
            (Self::LineLf | Self::LastLf | Self::LastCrInserted, _) => {
                return Err(BadChunk::LineEnd);
            }
            _ => return Err(BadChunk::Trailer),
        }))
    }
}

impl Name {
    const fn new(first: u8) -> Self {
        let mut start = [0; MAX_NAME];
        start[0] = first;
        Self { start, len: 1 }
    }

    const fn is_full(&self) -> bool {
        self.len as usize >= MAX_NAME
    }

    fn longer(mut self, byte: u8) -> Place {
        match self.start.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = byte;
                self.len += 1;
                Place::Name(self)
            }
            None => Place::LongName,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.start.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Returns whether it is dropped from a response: it is one of those that have no meaning, or
    /// another one, behind the content (RFC 9110, section 6.5.1).
    fn is_dropped(&self) -> bool {
        match FieldKind::of(self.as_bytes()) {
            FieldKind::Other => END_TO_END_IN_HEAD
                .iter()
                .any(|known| known.eq_ignore_ascii_case(self.as_bytes())),
            FieldKind::Forwarded
            | FieldKind::XForwardedFor
            | FieldKind::XForwardedHost
            | FieldKind::XForwardedPort
            | FieldKind::XForwardedProto
            | FieldKind::XRequestId
            | FieldKind::CdnLoop => false,
            _ => true,
        }
    }

    /// Returns whether a request with it is refused: it has a meaning to an intermediary.
    fn is_refused(&self) -> bool {
        FieldKind::of(self.as_bytes()).has_meaning()
    }
}
