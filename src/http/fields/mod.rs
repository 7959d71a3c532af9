//! The fields of a head: where they lie and which of them concern an intermediary.
//!
//! A field is classified once, when it is read, by the length and the first letter of its name,
//! with a single comparison to confirm. Everything later asks the [`FieldKind`], never the name.

mod lookup;
mod table;
pub(in crate::http) mod write;

pub(in crate::http) use lookup::{cookie, field};
pub(in crate::http) use table::{Field, FieldTable};

/// The kind of a field, as far as it matters to an intermediary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum FieldKind {
    /// Nothing: passed on as it is.
    Other,
    /// Passed on as it is, but its absence matters.
    Date,
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
    CdnLoop,
}

impl FieldKind {
    /// Returns whether what such a field says matters to an intermediary.
    #[inline]
    pub(in crate::http) const fn has_meaning(self) -> bool {
        self as u8 > Self::Date as u8
    }

    /// The kind of the field called `name`, in any case. Always inlined: a call for each field
    /// costs 90 instructions a request.
    #[inline(always)]
    pub(in crate::http) fn of(name: &[u8]) -> Self {
        let Some(first) = name.first() else {
            return Self::Other;
        };
        let (kind, is_it) = match (name.len(), first | 0x20) {
            (2, b't') => (Self::Te, is(name, b"te")),
            (4, b'd') => (Self::Date, is(name, b"date")),
            (4, b'h') => (Self::Host, is(name, b"host")),
            (6, b'e') => (Self::Expect, is(name, b"expect")),
            (7, b'u') => (Self::Upgrade, is(name, b"upgrade")),
            (8, b'c') => (Self::CdnLoop, is(name, b"cdn-loop")),
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

/// Returns whether `name` is `known`, letters and hyphens, in any case. As the length is known when
/// this is compiled, all bytes are compared at once instead of one by one. Setting the bit that
/// tells small letters from capitals changes no hyphen, and makes no other byte of a token a letter
/// or a hyphen.
#[inline(always)]
fn is<const LEN: usize>(name: &[u8], known: &[u8; LEN]) -> bool {
    <&[u8; LEN]>::try_from(name).is_ok_and(|name| {
        let mut difference = 0;
        for (byte, known) in name.iter().zip(known) {
            difference |= (byte | 0x20) ^ known;
        }
        difference == 0
    })
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct KindSet(u32);

impl KindSet {
    /// The kinds in `kinds`.
    pub(in crate::http) const fn of(kinds: &[FieldKind]) -> Self {
        let mut set = Self(0);
        let mut rest = kinds;
        while let [kind, tail @ ..] = rest {
            set = set.with(*kind);
            rest = tail;
        }
        set
    }

    /// This set and `kind`.
    pub(in crate::http) const fn with(self, kind: FieldKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// This set without `kind` if `condition` holds.
    pub(in crate::http) const fn without_if(self, condition: bool, kind: FieldKind) -> Self {
        if condition {
            Self(self.0 & !(1 << kind as u8))
        } else {
            self
        }
    }

    /// This set and `kind` if `condition` holds.
    pub(in crate::http) const fn with_if(self, condition: bool, kind: FieldKind) -> Self {
        if condition { self.with(kind) } else { self }
    }

    /// Returns whether they have a kind in common.
    pub(in crate::http) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns whether `kind` is in it.
    pub(in crate::http) const fn contains(self, kind: FieldKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_kinds_ignore_case() {
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
