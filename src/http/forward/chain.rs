//! The proxies a request came through, as `X-Forwarded-For` or `Forwarded` (RFC 7239) list them.
//!
//! Any client can write these fields, so only the part is believed that trusted proxies have added:
//! read from the end, up to and including the first address that is not trusted.

use crate::http::fields::{FieldKind, FieldTable};
use crate::http::syntax::{members, trim};
use std::net::IpAddr;

/// The client of a request that came from a trusted proxy; `None` if it names none.
pub(in crate::http) fn client(
    fields: &FieldTable,
    input: &[u8],
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let is_listed = fields.has(FieldKind::XForwardedFor);
    let kind = match is_listed {
        true => FieldKind::XForwardedFor,
        false => FieldKind::Forwarded,
    };
    let mut client = None;
    for value in fields.values(kind, input).rev() {
        for member in members(value).rev() {
            let node = if is_listed {
                Some(member)
            } else {
                node(member)
            };
            let Some(ip) = node.and_then(address) else {
                // Obfuscated or malformed: what is before it has been vouched for by nothing.
                return client;
            };
            client = Some(ip);
            if !is_trusted(ip) {
                return client;
            }
        }
    }
    client
}

/// Returns whether the first proxy says that the client came by https. To be asked only of requests
/// from a trusted proxy.
pub(in crate::http) fn is_https(fields: &FieldTable, input: &[u8]) -> bool {
    let first = |kind| {
        let value = fields.values(kind, input).next()?;
        members(value).next()
    };
    let proto = match first(FieldKind::XForwardedProto) {
        Some(proto) => Some(proto),
        None => first(FieldKind::Forwarded).and_then(|element| parameter(element, b"proto=")),
    };
    let is_quote = |byte: &u8| *byte == b'"';
    let proto = proto.map(|proto| match proto {
        [b'"', inner @ .., b'"'] if !inner.iter().any(is_quote) => inner,
        bare => bare,
    });
    proto.is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"))
}

/// The value of `for` in one element of `Forwarded`.
fn node(element: &[u8]) -> Option<&[u8]> {
    parameter(element, b"for=")
}

/// The value of a parameter of one element of `Forwarded`, `name` ending with the equals sign.
fn parameter<'i>(element: &'i [u8], name: &[u8]) -> Option<&'i [u8]> {
    let mut pairs = element.split(|&byte| byte == b';').map(trim);
    pairs.find_map(|pair| {
        let (found, value) = pair.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// An address, perhaps in quotes or brackets, perhaps with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.trim_matches('"');
    if let Some(rest) = text.strip_prefix('[') {
        let (address, _port) = rest.split_once(']')?;
        return address.parse().ok();
    }
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let (address, _port) = text.rsplit_once(':')?;
    address.parse().ok().filter(IpAddr::is_ipv4)
}
