//! ProxyVersion 2: binary (section 2.2).
//!
//! ```text
//! 12 bytes signature | version and command | family and transport | length, 2 bytes | addresses
//! ```
//!
//! Extensions (TLVs) may follow the addresses within the length. Of them only the one about TLS is
//! read (section 2.2.6), and that the client used it; the others are skipped, or carried on.

use super::{BadProxyHeader, Ends, ProxyHeader, may_start_with};
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED_BYTES: usize = 16;
/// Most bytes of addresses and extensions that are accepted: a certificate's common name and the
/// like fit, a flood does not.
pub(super) const MAX_REST_BYTES: usize = 4096;
/// Bytes of two addresses of IPv6 with their ports.
pub(super) const MAX_ADDRESS_BYTES: usize = 36;
/// The longest header.
pub(super) const MAX_BYTES: usize = FIXED_BYTES + MAX_REST_BYTES;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
const ALPN_EXTENSION: u8 = 0x01;
const AUTHORITY_EXTENSION: u8 = 0x02;
const UNIQUE_ID_EXTENSION: u8 = 0x05;
/// Ours, of the kinds for applications: 0xe0 to 0xef.
const LOOP_EXTENSION: u8 = 0xe6;
/// The extension about TLS, which begins with a byte of flags.
const TLS_EXTENSION: u8 = 0x20;
/// Its flag that the client came by TLS.
const CLIENT_TLS: u8 = 0x01;
/// Bytes of two addresses of a UNIX socket.
const UNIX_BYTES: usize = 216;

pub(super) fn parse(input: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    if !may_start_with(input, SIGNATURE) {
        return Err(BadProxyHeader);
    }
    let Some((fixed, rest)) = input.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(ProxyHeader::Partial);
    };
    let [.., command, family, high, low] = *fixed;
    let rest_len = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) || rest_len > MAX_REST_BYTES {
        return Err(BadProxyHeader);
    }
    let Some(rest) = rest.get(..rest_len) else {
        return Ok(ProxyHeader::Partial);
    };
    let ends = match command {
        LOCAL => None,
        _ => ends(family, rest)?,
    };
    Ok(ProxyHeader::Complete {
        len: FIXED_BYTES + rest_len,
        ends,
        is_tls: ends.is_some() && extensions(family, rest).any(|it| it.says_tls()),
    })
}

/// The extensions that are carried on, of a header that is complete.
pub(super) fn carried(header: &[u8]) -> Vec<u8> {
    let Some((&[.., PROXY, family, high, low], rest)) = header.split_first_chunk::<FIXED_BYTES>()
    else {
        return Vec::new();
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let all = extensions(family, rest.get(..len).unwrap_or_default());
    all.filter(Extension::is_carried)
        .flat_map(|it| it.whole)
        .copied()
        .collect()
}

fn ends(family: u8, rest: &[u8]) -> Result<Option<Ends>, BadProxyHeader> {
    match family {
        UNSPECIFIED => Ok(None),
        TCP_OVER_IPV4 => {
            let (source, rest) = rest.split_first_chunk::<4>().ok_or(BadProxyHeader)?;
            let (destination, rest) = rest.split_first_chunk::<4>().ok_or(BadProxyHeader)?;
            let ips = [source, destination].map(|octets| Ipv4Addr::from(*octets).into());
            with_ports(ips, rest).map(Some)
        }
        TCP_OVER_IPV6 => {
            let (source, rest) = rest.split_first_chunk::<16>().ok_or(BadProxyHeader)?;
            let (destination, rest) = rest.split_first_chunk::<16>().ok_or(BadProxyHeader)?;
            let ips = [source, destination].map(|octets| Ipv6Addr::from(*octets).into());
            with_ports(ips, rest).map(Some)
        }
        UNIX_STREAM if rest.len() >= UNIX_BYTES => Ok(None),
        // Datagrams do not come by a stream; other values are reserved.
        _ => Err(BadProxyHeader),
    }
}

pub(super) fn loop_token(token: &[u8]) -> Vec<u8> {
    let [high, low] = (token.len() as u16).to_be_bytes();
    [&[LOOP_EXTENSION, high, low][..], token].concat()
}

pub(super) fn has_loop_token(extensions: &[u8], token: &[u8]) -> bool {
    listed(extensions).any(|it| it.kind == LOOP_EXTENSION && it.value == token)
}

/// One extension.
struct Extension<'i> {
    kind: u8,
    value: &'i [u8],
    /// Kind, length and value.
    whole: &'i [u8],
}

impl Extension<'_> {
    /// Returns whether it says that the client came by TLS.
    fn says_tls(&self) -> bool {
        let flags = self.value.first().copied().unwrap_or_default();
        self.kind == TLS_EXTENSION && flags & CLIENT_TLS != 0
    }

    const fn is_carried(&self) -> bool {
        matches!(
            self.kind,
            ALPN_EXTENSION
                | AUTHORITY_EXTENSION
                | UNIQUE_ID_EXTENSION
                | TLS_EXTENSION
                | LOOP_EXTENSION
        )
    }
}

/// The extensions behind the addresses of this `family`, up to one that is cut short: that and what
/// follows say nothing.
fn extensions(family: u8, rest: &[u8]) -> impl Iterator<Item = Extension<'_>> {
    let address_bytes = match family {
        TCP_OVER_IPV4 => 12,
        TCP_OVER_IPV6 => 36,
        _ => rest.len(),
    };
    listed(rest.get(address_bytes..).unwrap_or_default())
}

fn listed(mut left: &[u8]) -> impl Iterator<Item = Extension<'_>> {
    iter::from_fn(move || {
        let (&[kind, high, low], _) = left.split_first_chunk::<3>()?;
        let len = 3 + usize::from(u16::from_be_bytes([high, low]));
        let (whole, after) = left.split_at_checked(len)?;
        left = after;
        let value = whole.get(3..).unwrap_or_default();
        Some(Extension { kind, value, whole })
    })
}

fn with_ports([source, destination]: [IpAddr; 2], rest: &[u8]) -> Result<Ends, BadProxyHeader> {
    let (&[a, b, c, d], _extensions) = rest.split_first_chunk::<4>().ok_or(BadProxyHeader)?;
    Ok(Ends {
        source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    })
}

pub(super) fn write(ends: Option<Ends>, extensions: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    let Some(ends) = ends else {
        // PROXY with no addresses may be rejected by the receiver, LOCAL may not (section 2.2).
        out.extend_from_slice(&[LOCAL, UNSPECIFIED, 0, 0]);
        return;
    };
    let len = |addresses: usize| ((addresses + extensions.len()) as u16).to_be_bytes();
    match (ends.source.ip(), ends.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend_from_slice(&[PROXY, TCP_OVER_IPV4]);
            out.extend_from_slice(&len(12));
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        (source, destination) => {
            out.extend_from_slice(&[PROXY, TCP_OVER_IPV6]);
            out.extend_from_slice(&len(36));
            for ip in [source, destination] {
                out.extend_from_slice(&as_ipv6(ip).octets());
            }
        }
    }
    for end in [ends.source, ends.destination] {
        out.extend_from_slice(&end.port().to_be_bytes());
    }
    out.extend_from_slice(extensions);
}

fn as_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
