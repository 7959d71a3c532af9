//! Response heads.
//!
//! Owns the rules for a response as a whole: status, upgrade, reuse of its connection.

use crate::http::error::BadResponse;
use crate::http::head::Parsed;
use crate::http::method::Method;
use crate::http::semantics::{
    BodyLength, ContentLength, Message, TransferCoding, body_length, is_overridden,
};
use crate::http::semantics::{HeadSemantics, UpgradeField};
use crate::http::version::Version;

/// The status line, in tokens.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct StatusLine {
    pub(in crate::http) status: u16,
    pub(in crate::http) version: Version,
}

/// The `Content-Length` a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum LengthField {
    /// The field that came, if one came.
    Kept,
    /// This number, as it came in a form that has to be folded.
    Rewritten(u64),
    /// None: chunks override it.
    Dropped,
}

/// A response head that may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Bytes of input the head takes, blank line included.
    pub len: usize,
    /// The status, 100 to 999. Below 200 it is interim, and another response follows, but for
    /// 101.
    pub status: u16,
    /// The version the backend speaks.
    pub version: Version,
    /// The framing of the body.
    pub body: BodyLength,
    /// True if the backend connection may be reused after the body.
    pub persistent: bool,
    /// True if this is a well-formed `101 Switching Protocols`.
    pub upgrade: bool,
    /// The framing of the body for the client.
    pub(in crate::http) length_field: LengthField,
    /// True if it was read from the clean form that the parser wrote.
    pub(in crate::http) is_repaired: bool,
}

impl ResponseHead {
    /// Judges a head whose every line is well-formed.
    pub(in crate::http) fn judge(
        len: usize,
        line: StatusLine,
        semantics: &HeadSemantics,
        request_method: Method,
    ) -> Result<Parsed<Self>, BadResponse> {
        let StatusLine { status, version } = line;
        if !matches!(status, 100..=999) {
            return Err(BadResponse::Status);
        }
        let upgrade = status == 101;
        if upgrade && !(semantics.options.upgrade && semantics.upgrade != UpgradeField::Absent) {
            return Err(BadResponse::Upgrade);
        }
        let message = Message::Response {
            status,
            to: request_method,
        };
        let (length, coding) = (semantics.length, semantics.coding);
        let body = body_length(message, version, length, coding)?;
        let is_overridden = is_overridden(version, length, coding);
        Ok(Parsed::Complete(Self {
            len,
            status,
            version,
            body,
            persistent: semantics.is_persistent(version)
                && !upgrade
                && body != BodyLength::UntilClose
                && !is_overridden
                && !announces_forbidden_body(status, semantics),
            upgrade,
            length_field: match length.folded() {
                _ if is_overridden => LengthField::Dropped,
                None => LengthField::Kept,
                Some(count) => LengthField::Rewritten(count),
            },
            is_repaired: false,
        }))
    }

    /// Returns whether it may not have framing fields at all (RFC 9110, section 8.6; RFC 9112,
    /// 6.1).
    pub(in crate::http) const fn must_not_be_framed(&self) -> bool {
        is_never_framed(self.status)
    }
}

const fn is_never_framed(status: u16) -> bool {
    matches!(status, 100..=199 | 204)
}

/// Returns whether a response that cannot have a body announces one. It is read as having none, but
/// its connection may carry one all the same and is not reused.
fn announces_forbidden_body(status: u16, semantics: &HeadSemantics) -> bool {
    let announces = semantics.coding != TransferCoding::Absent
        || matches!(semantics.length, ContentLength::Bytes { count: 1.., .. });
    announces && is_never_framed(status)
}
