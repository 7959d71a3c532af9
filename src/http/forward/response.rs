//! The changes to a response on its way to the client.

use crate::http::fields::{FieldKind, KindSet};
use crate::http::forward::ConnectionOption;

/// The framing of the body for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reframe {
    /// As it came.
    #[default]
    Keep,
    /// In chunks, though it came without: for a body that ends with its connection, to a client
    /// whose connection goes on.
    Chunked,
    /// Without chunks, though it came in some: for an HTTP/1.0 client. It ends with the
    /// connection.
    Identity,
}

/// The changes to a response on its way to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponseRewrite<'a> {
    /// The `Connection` field for the client.
    pub connection: ConnectionOption,
    /// The framing of the body for the client.
    pub reframe: Reframe,
    /// A field line to add, its CRLF included; nothing if empty.
    pub line: &'a [u8],
    /// The line of `Date` for a response that comes without; nothing if empty.
    pub date: &'a [u8],
}

/// The kinds no response keeps (RFC 9110, section 7.6.1, and challenges that are for this hop
/// by section 11.7).
pub(in crate::http) const HOP_BY_HOP: KindSet = KindSet::of(&[
    FieldKind::Nominated,
    FieldKind::Connection,
    FieldKind::KeepAlive,
    FieldKind::ProxyConnection,
    FieldKind::ProxyAuthenticate,
    FieldKind::ProxyAuthenticationInfo,
]);
