//! The length of a body (RFC 9112, section 6.3), decided in one place for both directions.

use crate::http::error::ParseError;
use crate::http::method::Method;
use crate::http::syntax::members;
use crate::http::version::Version;

/// The framing of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, until one of size zero and the trailer section.
    Chunked,
    /// All bytes until the connection is closed. Responses only.
    UntilClose,
}

/// The message a body belongs to.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum Message {
    Request,
    Response {
        status: u16,
        /// The method of the request it responds to.
        to: Method,
    },
}

impl Message {
    /// Returns whether there is no body, even if fields announce one.
    pub(in crate::http) const fn is_bodyless(self) -> bool {
        match self {
            Self::Request => false,
            Self::Response {
                to: Method::Head, ..
            } => true,
            Self::Response { status, .. } => matches!(status, 100..=199 | 204 | 304),
        }
    }
}

/// The rules of RFC 9112, section 6.3, in an order that lets nothing ambiguous through: first the
/// framing fields that cannot be trusted, then what the others mean.
///
/// Where a response has both fields, or chunks in HTTP/1.0, the chunks hold (section 6.3, item 3):
/// the length is not passed on and the backend connection is not reused, so that no recipient is
/// left to choose. See [`is_overridden`]. In a request both are refused.
pub(in crate::http) const fn body_length(
    message: Message,
    version: Version,
    length: ContentLength,
    coding: TransferCoding,
) -> Result<BodyLength, ParseError> {
    match (message, coding, length, version) {
        (_, TransferCoding::Malformed | TransferCoding::Unfinished, ..) => {
            return Err(ParseError::TransferEncoding);
        }
        (_, TransferCoding::Layered, ..) => return Err(ParseError::UnknownCoding),
        // Section 6.1: faulty framing; a 1.0 recipient on the way may not have seen the chunks.
        (Message::Request, TransferCoding::Chunked, _, Version::Http10) => {
            return Err(ParseError::TransferEncoding);
        }
        (_, _, ContentLength::Malformed, _) => return Err(ParseError::ContentLength),
        (Message::Request, TransferCoding::Chunked, ContentLength::Bytes { .. }, _) => {
            return Err(ParseError::ContentLength);
        }
        (_, TransferCoding::Chunked | TransferCoding::Absent, ..) => {}
    }
    Ok(match (message, coding, length) {
        (message, ..) if message.is_bodyless() => BodyLength::None,
        (_, TransferCoding::Chunked, _) => BodyLength::Chunked,
        (_, _, ContentLength::Bytes { count: 0, .. }) => BodyLength::None,
        (_, _, ContentLength::Bytes { count, .. }) => BodyLength::Length(count),
        (Message::Request, ..) => BodyLength::None,
        (Message::Response { .. }, ..) => BodyLength::UntilClose,
    })
}

/// Returns whether the chunks of a response override its other framing fields.
pub(in crate::http) const fn is_overridden(
    version: Version,
    length: ContentLength,
    coding: TransferCoding,
) -> bool {
    matches!(coding, TransferCoding::Chunked)
        && (matches!(version, Version::Http10) || matches!(length, ContentLength::Bytes { .. }))
}

/// All `Content-Length` fields of a head, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) enum ContentLength {
    #[default]
    Absent,
    Bytes {
        count: u64,
        /// True if it came in one field, in the plainest form. If not, it is rewritten when the
        /// head is passed on, so that no recipient has to fold repetitions.
        plain: bool,
    },
    Malformed,
}

impl ContentLength {
    /// Takes in the value of one field: a number, or repetitions of the same one.
    pub(in crate::http) fn add(&mut self, value: &[u8]) {
        if let (Self::Absent, Some(count)) = (*self, plain_decimal(value)) {
            *self = Self::Bytes { count, plain: true };
            return;
        }
        for member in members(value) {
            *self = match (*self, decimal(member)) {
                (Self::Absent, Some(count)) => Self::Bytes {
                    count,
                    plain: member.len() == 1 || !member.starts_with(b"0"),
                },
                (Self::Bytes { count, .. }, Some(again)) if count == again => Self::Bytes {
                    count,
                    plain: false,
                },
                _ => Self::Malformed,
            };
        }
    }

    /// The number, if it has to be rewritten.
    pub(in crate::http) const fn folded(self) -> Option<u64> {
        match self {
            Self::Bytes {
                count,
                plain: false,
            } => Some(count),
            Self::Bytes { plain: true, .. } | Self::Absent | Self::Malformed => None,
        }
    }
}

/// The fast path for nearly every length: up to 18 digits, which cannot overflow, the first of them
/// no zero. `None` decides nothing.
fn plain_decimal(text: &[u8]) -> Option<u64> {
    if !matches!(text, [b'1'..=b'9', ..]) || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number * 10 + digit)
    })
}

/// A number made of digits alone, as long as a signed 64-bit recipient can hold it.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let number = text.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(number).is_ok().then_some(number)
}

/// All `Transfer-Encoding` fields of a head, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) enum TransferCoding {
    #[default]
    Absent,
    /// `chunked`, once, and nothing else.
    Chunked,
    /// Codings other than `chunked`, so far.
    Unfinished,
    /// Other codings and then `chunked`: the end can be found, the meaning cannot.
    Layered,
    /// Something after `chunked`, or an empty member.
    Malformed,
}

impl TransferCoding {
    /// Takes in the value of one field.
    pub(in crate::http) fn add(&mut self, value: &[u8]) {
        for member in members(value) {
            let is_chunked = member.eq_ignore_ascii_case(b"chunked");
            *self = match (*self, is_chunked) {
                (Self::Absent, true) => Self::Chunked,
                (Self::Unfinished, true) => Self::Layered,
                (Self::Absent | Self::Unfinished, false) if !member.is_empty() => Self::Unfinished,
                _ => Self::Malformed,
            };
        }
    }
}
