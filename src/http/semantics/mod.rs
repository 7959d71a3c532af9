//! Gathers in one pass what the fields of a head mean for the message and its connection.
//!
//! Owns the reading of each field that concerns an intermediary. Refuses to know how the fields
//! came. Invariant: contradictions are kept as such (`Repeated`, `Malformed`) and never resolved
//! here.

use crate::http::version::Version;
mod connection;
mod framing;

pub use framing::BodyLength;
pub(in crate::http) use framing::{
    ContentLength, Message, TransferCoding, body_length, is_overridden,
};

use crate::http::error::ParseError;
use crate::http::fields::{Field, FieldKind, FieldTable};
use crate::http::span::Span;
use crate::http::syntax::members;
use connection::{ConnectionOptions, nominate};
pub(in crate::http) use connection::{MAX_NOMINATIONS, MAX_RESPONSE_NOMINATIONS};

/// The meaning of the fields, before it is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct HeadSemantics {
    pub(in crate::http) length: ContentLength,
    pub(in crate::http) coding: TransferCoding,
    pub(in crate::http) options: ConnectionOptions,
    pub(in crate::http) expect: Expect,
    pub(in crate::http) host: HostField,
    pub(in crate::http) upgrade: UpgradeField,
    /// True if the sender takes trailers (`TE: trailers`).
    pub(in crate::http) takes_trailers: bool,
}

/// The expectation of a request (RFC 9110, section 10.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) enum Expect {
    #[default]
    Nothing,
    Continue,
    Unknown,
}

/// The `Host` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) enum HostField {
    #[default]
    Absent,
    Given(Span),
    Repeated,
}

/// The `Upgrade` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) enum UpgradeField {
    #[default]
    Absent,
    Given,
    /// To `h2c`: requests would then travel in frames that are not read here, past every rule.
    /// An upgrade may be ignored (RFC 9110, section 7.8), and this one is obsolete (RFC 9113).
    Http2,
}

impl HeadSemantics {
    /// Takes in a field that concerns an intermediary. Kept out of the walk over all fields: few
    /// come here, and the others would wait for registers.
    #[inline(never)]
    pub(in crate::http) fn add(&mut self, field: Field, value: &[u8]) {
        match field.kind {
            FieldKind::ContentLength => self.length.add(value),
            FieldKind::TransferEncoding => self.coding.add(value),
            FieldKind::Connection => self.options.add(value),
            FieldKind::Host => {
                self.host = match self.host {
                    HostField::Absent => HostField::Given(field.value),
                    HostField::Given(_) | HostField::Repeated => HostField::Repeated,
                }
            }
            FieldKind::Upgrade => {
                let is_http2 = members(value).any(is_http2);
                if is_http2 {
                    self.upgrade = UpgradeField::Http2;
                } else if self.upgrade == UpgradeField::Absent {
                    self.upgrade = UpgradeField::Given;
                }
            }
            FieldKind::Expect => {
                let is_continue = value.eq_ignore_ascii_case(b"100-continue");
                self.expect = match self.expect {
                    Expect::Nothing | Expect::Continue if is_continue => Expect::Continue,
                    _ => Expect::Unknown,
                }
            }
            FieldKind::Te => {
                self.takes_trailers |=
                    members(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            }
            _ => {}
        }
    }

    /// Marks those fields in `table`, which is complete, that `Connection` names: at most `MAX`.
    ///
    /// # Errors
    /// It names more.
    pub(in crate::http) fn nominate<const MAX: usize>(
        &self,
        table: &mut FieldTable,
        input: &[u8],
    ) -> Result<(), ParseError> {
        match self.options.nominations {
            0 => Ok(()),
            count if count <= MAX => {
                nominate::<MAX>(table, input);
                Ok(())
            }
            _ => Err(ParseError::Syntax),
        }
    }

    /// Returns whether another message may follow on the connection (RFC 9112, section 9.3).
    pub(in crate::http) const fn is_persistent(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.options.close,
            Version::Http10 => self.options.keep_alive && !self.options.close,
        }
    }

    /// Returns whether the sender asks for, or agrees to, another protocol that may be relayed
    /// blindly.
    pub(in crate::http) fn is_upgrade(&self, version: Version) -> bool {
        version == Version::Http11 && self.options.upgrade && self.upgrade == UpgradeField::Given
    }
}

/// Returns whether `protocol` is HTTP/2, in cleartext or not, with or without a version.
fn is_http2(protocol: &[u8]) -> bool {
    let name = protocol
        .split(|&byte| byte == b'/')
        .next()
        .unwrap_or_default();
    [&b"h2c"[..], b"h2", b"http"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}
