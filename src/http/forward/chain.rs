//! The proxies a request came through, as `X-Forwarded-For` or `Forwarded` (RFC 7239) list them.
//!
//! Any client can write these fields, so only the part is believed that trusted proxies have added:
//! read from the end, up to and including the first address that is not trusted.

use crate::http::authority::{is_authority, port_of};
use crate::http::fields::{FieldKind, FieldTable};
use crate::http::syntax::{members, trim};
use std::net::IpAddr;

/// The client of a request that came from a trusted proxy; `None` if it names none.
pub(in crate::http) fn client(
    fields: &FieldTable,
    input: &[u8],
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    chain(fields, input, is_trusted).last()
}

/// The addresses that trusted proxies vouch for, the nearest first and the client last. To be asked
/// only of requests from a trusted proxy, as all below.
pub(in crate::http) fn chain<'i>(
    fields: &'i FieldTable,
    input: &'i [u8],
    is_trusted: impl Fn(IpAddr) -> bool + 'i,
) -> impl Iterator<Item = IpAddr> + 'i {
    let kind = match fields.has(FieldKind::XForwardedFor) {
        true => FieldKind::XForwardedFor,
        false => FieldKind::Forwarded,
    };
    // After one that is obfuscated or malformed there is none.
    vouched(kind, fields, input, is_trusted).filter_map(|hop| hop.address)
}

/// Returns whether the client came by https; `None` if nothing is said of it.
///
/// Of `X-Forwarded-Proto` the first member counts: few proxies make a list of it. Of `Forwarded` it
/// is the element farthest away that has been vouched for, as any client can send one.
pub(in crate::http) fn is_https(
    fields: &FieldTable,
    input: &[u8],
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<bool> {
    let proto = match fields.values(FieldKind::XForwardedProto, input).next() {
        Some(value) => members(value).next(),
        None => farthest(b"proto=", fields, input, is_trusted),
    };
    // Some proxies name the protocol of a WebSocket.
    let is_secure = |proto: &[u8]| {
        [&b"https"[..], b"wss"]
            .iter()
            .any(|it| proto.eq_ignore_ascii_case(it))
    };
    proto.map(|proto| is_secure(unquoted(proto)))
}

/// The port in the host that the client asked for, if a proxy has passed that on with one.
pub(in crate::http) fn port(
    fields: &FieldTable,
    input: &[u8],
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<u16> {
    match fields.values(FieldKind::XForwardedHost, input).next() {
        Some(value) => members(value).next().and_then(port_of),
        None => host(fields, input, is_trusted).and_then(port_of),
    }
}

/// The host that the client asked for, if `Forwarded` says so in a form that can be passed on.
pub(in crate::http) fn host<'i>(
    fields: &'i FieldTable,
    input: &'i [u8],
    is_trusted: impl Fn(IpAddr) -> bool + 'i,
) -> Option<&'i [u8]> {
    let host = farthest(b"host=", fields, input, is_trusted).map(unquoted);
    host.filter(|host| is_authority(host))
}

/// One member of a list of proxies.
struct Hop<'i> {
    member: &'i [u8],
    /// The peer of the proxy that added it.
    address: Option<IpAddr>,
}

/// The members of the lists of `kind` that trusted proxies have added, the nearest first.
fn vouched<'i>(
    kind: FieldKind,
    fields: &'i FieldTable,
    input: &'i [u8],
    is_trusted: impl Fn(IpAddr) -> bool + 'i,
) -> impl Iterator<Item = Hop<'i>> + 'i {
    let values = fields.values(kind, input).rev();
    let mut is_vouched = true;
    let hops = values
        .flat_map(|value| members(value).rev())
        .map(move |member| {
            let node = match kind {
                FieldKind::Forwarded => parameter(member, b"for="),
                _ => Some(member),
            };
            Hop {
                member,
                address: node.and_then(address),
            }
        });
    hops.take_while(move |hop| {
        // What an untrusted, obfuscated or malformed node has written is vouched for by nothing.
        std::mem::replace(&mut is_vouched, hop.address.is_some_and(&is_trusted))
    })
}

/// The value of a parameter of `Forwarded` in the farthest element that is vouched for and has it.
fn farthest<'i>(
    name: &[u8],
    fields: &'i FieldTable,
    input: &'i [u8],
    is_trusted: impl Fn(IpAddr) -> bool + 'i,
) -> Option<&'i [u8]> {
    let hops = vouched(FieldKind::Forwarded, fields, input, is_trusted);
    hops.filter_map(|hop| parameter(hop.member, name)).last()
}

/// The text of a token or of a quoted string without escapes.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'"') => inner,
        bare => bare,
    }
}

/// The value of a parameter of one element of `Forwarded`, `name` ending with the equals sign.
fn parameter<'i>(element: &'i [u8], name: &[u8]) -> Option<&'i [u8]> {
    let mut pairs = element.split(|&byte| byte == b';').map(trim);
    pairs.find_map(|pair| {
        let (found, value) = pair.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// An address, perhaps in quotes or brackets, perhaps with a port. IPv4 that is written in IPv6 is
/// IPv4.
fn address(text: &[u8]) -> Option<IpAddr> {
    address_as_written(text).map(|ip| ip.to_canonical())
}

fn address_as_written(text: &[u8]) -> Option<IpAddr> {
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
