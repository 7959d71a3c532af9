//! Errors of heads and chunks.
//!
//! A [`ParseError`] does not depend on the sender. It becomes a [`Refusal`] in a request and a
//! [`BadResponse`] in a response.

use crate::error::{Fault, Refusal};

/// An error in a head, of a request or of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ParseError {
    /// The start line or a field line is not well-formed.
    Syntax,
    /// A line does not end with CRLF, or CR stands alone.
    LineEnd,
    /// It looks like HTTP/0.9 or HTTP/2.
    NotHttp1,
    /// A version this is not an implementation of.
    Version,
    /// The request target is longer than the limit.
    TargetTooLong,
    /// Too many bytes, too many fields, or one field too long.
    TooLarge,
    /// `Content-Length` is no number, several, or contradicted by `Transfer-Encoding`.
    ContentLength,
    /// `Transfer-Encoding` does not end in one `chunked`, or may not be there at all.
    TransferEncoding,
    /// `Transfer-Encoding` names a coding that is not implemented.
    UnknownCoding,
}

impl From<ParseError> for Refusal {
    fn from(parse_error: ParseError) -> Self {
        match parse_error {
            ParseError::Syntax => Self::BadSyntax,
            ParseError::LineEnd => Self::BadLineEnd,
            ParseError::NotHttp1 => Self::NotHttp1,
            ParseError::Version => Self::UnsupportedVersion,
            ParseError::TargetTooLong => Self::TargetTooLong,
            ParseError::TooLarge => Self::HeadTooLarge,
            ParseError::ContentLength => Self::BadContentLength,
            ParseError::TransferEncoding => Self::BadTransferEncoding,
            ParseError::UnknownCoding => Self::UnknownTransferCoding,
        }
    }
}

impl From<BadChunk> for Refusal {
    fn from(_: BadChunk) -> Self {
        Self::BadChunk
    }
}

/// An error in the framing of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadChunk {
    /// The size is not one to sixteen hex digits, or beyond what 63 bits can hold.
    Size,
    /// A line or a chunk does not end with CRLF.
    LineEnd,
    /// An extension is too long or has a control character in it.
    Extension,
    /// The trailer section is malformed or too long.
    Trailer,
    /// A trailer field has the name of one that frames, routes or connects.
    ForbiddenTrailer,
}

impl BadChunk {
    /// One word for logs and counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Size => "bad_chunk_size",
            Self::LineEnd => "bad_chunk_line_end",
            Self::Extension => "bad_chunk_extension",
            Self::Trailer => "bad_trailer",
            Self::ForbiddenTrailer => "forbidden_trailer",
        }
    }
}

/// The reason why a backend's response cannot be trusted. Sections are of RFC 9112.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadResponse {
    /// The status line or a field line is not well-formed (sections 4, 5).
    Syntax,
    /// A line ends with a bare LF, or CR appears without LF (section 2.2).
    LineEnd,
    /// Not HTTP/1.0 or HTTP/1.1 (section 2.3).
    Version,
    /// A status outside 100 to 999 (RFC 9110, section 15).
    Status,
    /// The head has too many bytes or fields.
    HeadTooLarge,
    /// `Content-Length` is not one number (section 6.3).
    ContentLength,
    /// `Transfer-Encoding` is not exactly `chunked` (section 6.1).
    TransferEncoding,
    /// `101` without `Upgrade` and `Connection: upgrade` (RFC 9110, section 15.2.2).
    Upgrade,
    /// A chunk of the body is malformed (section 7.1).
    Chunk,
}

impl BadResponse {
    /// Returns whether a head that is refused for this may have one meaning all the same.
    pub(in crate::http) const fn may_be_repaired(self) -> bool {
        match self {
            Self::Syntax | Self::LineEnd | Self::Version | Self::TransferEncoding => true,
            Self::Status
            | Self::HeadTooLarge
            | Self::ContentLength
            | Self::Upgrade
            | Self::Chunk => false,
        }
    }

    /// One word for logs and counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Syntax => "bad_syntax",
            Self::LineEnd => "bad_line_end",
            Self::Version => "unsupported_version",
            Self::Status => "bad_status",
            Self::HeadTooLarge => "head_too_large",
            Self::ContentLength => "bad_content_length",
            Self::TransferEncoding => "bad_transfer_encoding",
            Self::Upgrade => "bad_upgrade",
            Self::Chunk => "bad_chunk",
        }
    }
}

impl From<ParseError> for BadResponse {
    fn from(parse_error: ParseError) -> Self {
        match parse_error {
            ParseError::Syntax => Self::Syntax,
            ParseError::LineEnd => Self::LineEnd,
            ParseError::NotHttp1 | ParseError::Version => Self::Version,
            ParseError::TargetTooLong | ParseError::TooLarge => Self::HeadTooLarge,
            ParseError::ContentLength => Self::ContentLength,
            ParseError::TransferEncoding | ParseError::UnknownCoding => Self::TransferEncoding,
        }
    }
}

impl From<BadChunk> for BadResponse {
    fn from(_: BadChunk) -> Self {
        Self::Chunk
    }
}

impl From<BadResponse> for Fault {
    fn from(_: BadResponse) -> Self {
        Self::BadResponse
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
