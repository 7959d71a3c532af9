//! The fields of a head: where they lie and which of them concern an intermediary.
//!
//! A field is classified once, when it is read, by the length and the first letter of its name,
//! with a single comparison to confirm. Everything later asks the [`FieldKind`], never the name.

use super::limits::{HeadLimits, MAX_FIELDS};
use super::span::Span;

/// What a field is to an intermediary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// Nothing: passed on as it is.
    Other,
    /// One that `Connection` names: meant for this hop alone.
    Nominated,
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Te,
    Upgrade,
    KeepAlive,
    ProxyConnection,
    ProxyAuthorization,
    ProxyAuthenticate,
    ProxyAuthenticationInfo,
    Expect,
    Forwarded,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRequestId,
}

impl FieldKind {
    /// The kind of the field called `name`, in any case.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        let Some(first) = name.first() else {
            return Self::Other;
        };
        let (kind, is_it) = match (name.len(), first | 0x20) {
            (2, b't') => (Self::Te, is(name, b"te")),
            (4, b'h') => (Self::Host, is(name, b"host")),
            (6, b'e') => (Self::Expect, is(name, b"expect")),
            (7, b'u') => (Self::Upgrade, is(name, b"upgrade")),
            (9, b'f') => (Self::Forwarded, is(name, b"forwarded")),
            (10, b'c') => (Self::Connection, is(name, b"connection")),
            (10, b'k') => (Self::KeepAlive, is(name, b"keep-alive")),
            (12, b'x') => (Self::XRequestId, is(name, b"x-request-id")),
            (14, b'c') => (Self::ContentLength, is(name, b"content-length")),
            (15, b'x') => (Self::XForwardedFor, is(name, b"x-forwarded-for")),
            (16, b'p') => (Self::ProxyConnection, is(name, b"proxy-connection")),
            (16, b'x') => return Self::x_forwarded(name),
            (17, b't') => (Self::TransferEncoding, is(name, b"transfer-encoding")),
            (17, b'x') => (Self::XForwardedProto, is(name, b"x-forwarded-proto")),
            (18, b'p') => (Self::ProxyAuthenticate, is(name, b"proxy-authenticate")),
            (19, b'p') => (Self::ProxyAuthorization, is(name, b"proxy-authorization")),
            (25, b'p') => (
                Self::ProxyAuthenticationInfo,
                is(name, b"proxy-authentication-info"),
            ),
            _ => return Self::Other,
        };
        if is_it { kind } else { Self::Other }
    }

    /// The two that share a length and a first letter.
    fn x_forwarded(name: &[u8]) -> Self {
        if is(name, b"x-forwarded-host") {
            Self::XForwardedHost
        } else if is(name, b"x-forwarded-port") {
            Self::XForwardedPort
        } else {
            Self::Other
        }
    }
}

/// Whether `name` is `known` in any case. As the length is known when this is compiled, all bytes
/// are compared at once instead of one by one.
#[inline]
fn is<const LEN: usize>(name: &[u8], known: &[u8; LEN]) -> bool {
    <&[u8; LEN]>::try_from(name).is_ok_and(|name| {
        let mut difference = 0;
        for (byte, known) in name.iter().zip(known) {
            difference |= byte.to_ascii_lowercase() ^ known;
        }
        difference == 0
    })
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KindSet(u32);

impl KindSet {
    /// The kinds in `kinds`.
    pub(super) const fn of(kinds: &[FieldKind]) -> Self {
        let mut set = Self(0);
        let mut rest = kinds;
        while let [kind, tail @ ..] = rest {
            set = set.with(*kind);
            rest = tail;
        }
        set
    }

    /// This set and `kind`.
    pub(super) const fn with(self, kind: FieldKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// This set and `kind` if `condition` holds.
    pub(super) const fn with_if(self, condition: bool, kind: FieldKind) -> Self {
        if condition { self.with(kind) } else { self }
    }

    /// Whether they have a kind in common.
    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether `kind` is in it.
    pub(super) const fn contains(self, kind: FieldKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// One field line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) kind: FieldKind,
    /// The name, which is also where the line starts.
    pub(super) name: Span,
    /// The value, blanks at its ends left out.
    pub(super) value: Span,
}

/// The fields of the head parsed last. Allocated once and reused for every head.
#[derive(Debug)]
pub(super) struct FieldTable {
    fields: Vec<Field>,
    kinds: KindSet,
    /// Offset of the blank line that ends the head.
    end: usize,
}

impl FieldTable {
    pub(super) fn new() -> Self {
        Self {
            fields: Vec::with_capacity(MAX_FIELDS),
            kinds: KindSet::default(),
            end: 0,
        }
    }

    /// Takes over the fields that the tokeniser found in `head`, which ends with a blank line,
    /// and shows those that concern an intermediary to `see`, with their values.
    ///
    /// Returns whether all its lines end with CRLF and keep to the limits, as far as can be told
    /// at a glance: the tokeniser lets a bare LF pass, but a line must begin right after CRLF.
    #[inline]
    pub(super) fn record(
        &mut self,
        head: &[u8],
        raw: &[httparse::Header<'_>],
        limits: HeadLimits,
        mut see: impl FnMut(Field, &[u8]),
    ) -> bool {
        self.fields.clear();
        self.kinds = KindSet::default();
        self.end = head.len().saturating_sub(2);
        let longest = limits.max_field_bytes.saturating_add(2);
        let mut sound = head.ends_with(b"\r\n\r\n");
        let mut previous = None;
        for header in raw {
            let name = Span::locate(header.name.as_bytes(), head);
            let kind = FieldKind::of(header.name.as_bytes());
            let start = name.start();
            sound &= head.get(start.wrapping_sub(2)..start) == Some(b"\r\n");
            sound &= start - previous.unwrap_or(start) <= longest;
            previous = Some(start);
            let field = Field {
                kind,
                name,
                value: Span::locate(header.value, head),
            };
            self.kinds = self.kinds.with(kind);
            self.fields.push(field);
            if kind != FieldKind::Other {
                see(field, header.value);
            }
        }
        sound && self.end - previous.unwrap_or(self.end) <= longest
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.fields.iter()
    }

    /// The values of the fields of one kind, in order.
    pub(super) fn values<'i>(
        &self,
        kind: FieldKind,
        input: &'i [u8],
    ) -> impl Iterator<Item = &'i [u8]> {
        self.fields
            .iter()
            .filter(move |f| f.kind == kind)
            .map(move |f| f.value.of(input))
    }

    /// Whether the fields of this kind are written in the one way that nobody reads otherwise: one
    /// blank after the colon and none at the end. A tab there, which RFC 9110 allows, has made
    /// servers miss the field (section 5.6.3).
    pub(super) fn are_plain(&self, kind: FieldKind, input: &[u8]) -> bool {
        let fields = self.fields.iter().filter(|field| field.kind == kind);
        fields.into_iter().all(|field| {
            let (name, value) = (field.name, field.value);
            input.get(name.end()..value.start()) == Some(b": ")
                && input
                    .get(value.end()..)
                    .is_some_and(|rest| rest.starts_with(b"\r\n"))
        })
    }

    /// Makes the field called `name` one that is meant for this hop alone, wherever it occurs,
    /// unless it is of a kind that has its own rules.
    pub(super) fn nominate(&mut self, name: &[u8], input: &[u8]) {
        for field in &mut self.fields {
            let is_it =
                field.kind == FieldKind::Other && field.name.of(input).eq_ignore_ascii_case(name);
            if is_it {
                field.kind = FieldKind::Nominated;
                self.kinds = self.kinds.with(FieldKind::Nominated);
            }
        }
    }

    /// Whether there is a field of this kind.
    pub(super) fn has(&self, kind: FieldKind) -> bool {
        self.kinds.contains(kind)
    }

    /// Whether there is a field of one of these kinds.
    pub(super) fn has_any(&self, kinds: KindSet) -> bool {
        self.kinds.meets(kinds)
    }

    /// Offset where the first field line starts, or the blank line if there is none.
    pub(super) fn start(&self) -> usize {
        self.fields
            .first()
            .map_or(self.end, |field| field.name.start())
    }

    /// Offset of the blank line.
    pub(super) fn end(&self) -> usize {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_in_any_case() {
        let named = [
            ("TE", FieldKind::Te),
            ("hOsT", FieldKind::Host),
            ("Connection", FieldKind::Connection),
            ("Keep-Alive", FieldKind::KeepAlive),
            ("User-Agent", FieldKind::Other),
            ("x-forwarded-host", FieldKind::XForwardedHost),
            ("X-Forwarded-Port", FieldKind::XForwardedPort),
            ("X-Forwarded-Nope", FieldKind::Other),
            ("X-Forwarded-Proto", FieldKind::XForwardedProto),
            ("Transfer-Encoding", FieldKind::TransferEncoding),
            ("Transfer_Encoding", FieldKind::Other),
            ("Proxy-Authenticate", FieldKind::ProxyAuthenticate),
            (
                "Proxy-Authentication-Info",
                FieldKind::ProxyAuthenticationInfo,
            ),
            ("Content-Length", FieldKind::ContentLength),
            ("", FieldKind::Other),
        ];
        for (name, kind) in named {
            assert_eq!(FieldKind::of(name.as_bytes()), kind, "{name}");
        }
    }
}
