//! The PROXY protocol, by which a proxy names the client of a connection: versions 1 (a line of
//! text) and 2 (binary), as in HAProxy's `proxy-protocol.txt`.
//!
//! Pure: bytes in, addresses out, and back. It does not know which sources are trusted; a listener
//! does. Invariant: the result does not depend on how the bytes were cut, and no
//! header takes more than [`MAX_HEADER_BYTES`] before it is refused.
//!
//! Strict, because guessing where a header ends is guessing where the client's bytes begin.

mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

/// The longest header that is read: a version 2 header with its extensions, which are skipped.
pub const MAX_HEADER_BYTES: usize = v2::MAX_BYTES;

/// Which form of header is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text, such as `PROXY TCP4 192.0.2.1 192.0.2.9 51324 80`.
    V1,
    /// Binary.
    V2,
}

/// The two ends of the connection that a header speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The client's address.
    pub source: SocketAddr,
    /// The address it connected to.
    pub destination: SocketAddr,
}

/// The header at the front of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// A header so far, but not all of it.
    Partial,
    /// A header of `len` bytes.
    Complete {
        /// Its length; the client's own bytes follow.
        len: usize,
        /// The client's connection. `None`: the proxy connects for itself (a health check), or for
        /// a client without an IP address; then the connection's own addresses hold.
        ends: Option<Ends>,
        /// True if the header says that the client came by TLS. Version 1 cannot.
        is_tls: bool,
    },
}

/// There is no PROXY header, or it is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadProxyHeader;

/// Reads the header at the front of `input`, of either version.
///
/// # Errors
/// `input` cannot be the start of a header.
pub fn parse(input: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    match input.first() {
        None => Ok(ProxyHeader::Partial),
        Some(b'P') => v1::parse(input),
        Some(_) => v2::parse(input),
    }
}

/// Appends a header of `version` to `out`; without `ends` one that says nothing of them.
///
/// `extensions` are those [carried on](carried) from the header of the same client; only version 2
/// has room for them.
pub fn write(version: ProxyVersion, ends: Option<Ends>, extensions: &[u8], out: &mut Vec<u8>) {
    let ends = ends.map(of_one_family);
    match version {
        ProxyVersion::V1 => v1::write(ends, out),
        ProxyVersion::V2 => v2::write(ends, extensions, out),
    }
}

/// The extensions of a complete `header` that describe the client's connection, as they came: its
/// ALPN protocol, the host name it asked for, its unique id, and TLS with all that belongs to it
/// (section 2.2 of the specification). A checksum or a network namespace are about one hop, and
/// nobody knows what extensions of private types are about, but for the [loop tokens](loop_token) of
/// balancers.
#[must_use]
pub fn carried(header: &[u8]) -> Vec<u8> {
    match header.first() {
        Some(b'P') | None => Vec::new(),
        Some(_) => v2::carried(header),
    }
}

/// The extension by which a balancer marks connections that pass through it. Its kind is one of
/// those that the specification leaves to applications (section 2.2.8).
#[must_use]
pub fn loop_token(token: &[u8]) -> Vec<u8> {
    v2::loop_token(token)
}

/// Returns whether a header with `extensions` is within [`MAX_HEADER_BYTES`], whatever its addresses.
#[must_use]
pub fn has_room(extensions: &[u8]) -> bool {
    v2::MAX_ADDRESS_BYTES + extensions.len() <= v2::MAX_REST_BYTES
}

/// Returns whether `extensions`, as they are [carried on](carried), have this loop token.
#[must_use]
pub fn has_loop_token(extensions: &[u8], token: &[u8]) -> bool {
    v2::has_loop_token(extensions, token)
}

/// IPv4 where both ends are, however they are written, and IPv6 otherwise: a header has room for
/// one family only.
fn of_one_family(ends: Ends) -> Ends {
    let ips = [ends.source, ends.destination].map(|end| end.ip().to_canonical());
    let [source, destination] = match ips {
        [IpAddr::V4(_), IpAddr::V4(_)] | [IpAddr::V6(_), IpAddr::V6(_)] => ips,
        _ => ips.map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
            IpAddr::V6(_) => ip,
        }),
    };
    Ends {
        source: SocketAddr::new(source, ends.source.port()),
        destination: SocketAddr::new(destination, ends.destination.port()),
    }
}

/// Returns whether `input` could still become something that starts with `mark`.
fn may_start_with(input: &[u8], mark: &[u8]) -> bool {
    input
        .iter()
        .zip(mark)
        .all(|(byte, expected)| byte == expected)
}
