//! ProxyVersion 1: one line of text (section 2.1).

use super::{BadProxyHeader, Ends, ProxyHeader, may_start_with};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

/// The longest line, its CRLF included, as the specification has it.
const MAX_BYTES: usize = 107;
const MARK: &[u8] = b"PROXY ";
const UNKNOWN: &[u8] = b"UNKNOWN";

pub(super) fn parse(input: &[u8]) -> Result<ProxyHeader, BadProxyHeader> {
    let room = input.get(..MAX_BYTES).unwrap_or(input);
    if !may_start_with(room, MARK) {
        return Err(BadProxyHeader);
    }
    let Some(end) = memchr::memchr(b'\r', room) else {
        return if room.len() < MAX_BYTES {
            Ok(ProxyHeader::Partial)
        } else {
            Err(BadProxyHeader)
        };
    };
    match room.get(end + 1) {
        Some(b'\n') => {}
        None if room.len() < MAX_BYTES => return Ok(ProxyHeader::Partial),
        _ => return Err(BadProxyHeader),
    }
    let line = room.get(..end).unwrap_or_default();
    let what = line.strip_prefix(MARK).ok_or(BadProxyHeader)?;
    Ok(ProxyHeader::Complete {
        len: end + 2,
        ends: ends(what)?,
        is_tls: false,
    })
}

/// Reads the text behind the mark. Text behind `UNKNOWN` is ignored.
fn ends(what: &[u8]) -> Result<Option<Ends>, BadProxyHeader> {
    if let Some(rest) = what.strip_prefix(UNKNOWN) {
        return match rest.first() {
            None | Some(b' ') => Ok(None),
            Some(_) => Err(BadProxyHeader),
        };
    }
    let text = str::from_utf8(what).map_err(|_| BadProxyHeader)?;
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(BadProxyHeader);
    let ip = match word()? {
        "TCP4" => |text: &str| text.parse::<Ipv4Addr>().map(IpAddr::from),
        "TCP6" => |text: &str| text.parse::<Ipv6Addr>().map(IpAddr::from),
        _ => return Err(BadProxyHeader),
    };
    let source = ip(word()?).map_err(|_| BadProxyHeader)?;
    let destination = ip(word()?).map_err(|_| BadProxyHeader)?;
    let ends = Ends {
        source: SocketAddr::new(source, port(word()?)?),
        destination: SocketAddr::new(destination, port(word()?)?),
    };
    match words.next() {
        None => Ok(Some(ends)),
        Some(_) => Err(BadProxyHeader),
    }
}

/// A port in the one way in which it may be written: without sign or leading zeros.
fn port(text: &str) -> Result<u16, BadProxyHeader> {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    let port = text.parse().map_err(|_| BadProxyHeader)?;
    if is_canonical {
        Ok(port)
    } else {
        Err(BadProxyHeader)
    }
}

pub(super) fn write(ends: Option<Ends>, out: &mut Vec<u8>) {
    let Some(Ends {
        source,
        destination,
    }) = ends
    else {
        out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    );
}
