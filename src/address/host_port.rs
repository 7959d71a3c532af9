//! A host and a TCP port.
//!
//! Owns the syntax of `HOST:PORT`: IPv4, IPv6 in brackets, host names, and a bare port for this
//! machine. Does not resolve names. A [`HostPort`] that exists is well-formed and in one spelling,
//! so equal servers compare equal as far as possible without DNS.

use super::AddressError;
use crate::syntax::{digits, is_digits};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A host name or address, and a TCP port other than 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: Host,
    port: u16,
}

/// The part before the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address that needs no resolving.
    Ip(IpAddr),
    /// A name in lower case, of the syntax of RFC 1123, section 2.1, with `_` allowed too.
    Name(String),
}

impl HostPort {
    /// The name or address.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port, never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The socket address, unless the host is a name that must be resolved first.
    #[must_use]
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl FromStr for Host {
    type Err = AddressError;

    /// Without a port; an IPv6 address may be in brackets or not.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Ok(Self::Ip(ip.into()));
        }
        match parse_ip(text) {
            Ok(Some(ip)) => Ok(Self::Ip(ip)),
            Ok(None) if is_host_name(text) => Ok(Self::Name(text.to_ascii_lowercase())),
            Ok(None) | Err(_) => Err(AddressError::new(
                "neither a host name nor an IP address",
                "write it as in example.com, 127.0.0.1 or ::1",
            )
            .with_value(text)),
        }
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).map_err(|invalid| invalid.with_value(text))
    }
}

impl Display for HostPort {
    /// As it can be read again: IPv6 addresses are in brackets.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

fn parse(text: &str) -> Result<HostPort, AddressError> {
    if text.is_empty() {
        return Err(AddressError::new(
            "empty",
            "write HOST:PORT, as in 127.0.0.1:5000",
        ));
    }
    if is_digits(text) {
        let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
        return Ok(HostPort {
            host,
            port: parse_port(text)?,
        });
    }
    if text.contains("://") {
        return Err(AddressError::new(
            "a URL, not an address",
            "write HOST:PORT without scheme and path",
        ));
    }
    let (host, port) = split(text)?;
    Ok(HostPort {
        host: parse_host(host)?,
        port: parse_port(port)?,
    })
}

/// Cuts `HOST:PORT` in two; brackets stay with the host.
pub(crate) fn split(text: &str) -> Result<(&str, &str), AddressError> {
    let no_port = || {
        AddressError::new(
            "the port is missing",
            "write HOST:PORT, as in 127.0.0.1:5000",
        )
    };
    if text.starts_with('[') {
        let end = text.find(']').ok_or_else(|| {
            AddressError::new(
                "the bracket is not closed",
                "write an IPv6 address as in [::1]:5000",
            )
        })?;
        let (host, rest) = text.split_at_checked(end + 1).unwrap_or((text, ""));
        let port = rest.strip_prefix(':').ok_or_else(no_port)?;
        return Ok((host, port));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    if host.contains(':') {
        return Err(AddressError::new(
            "more than one colon",
            "write HOST:PORT, with an IPv6 address in brackets, as in [::1]:5000",
        ));
    }
    Ok((host, port))
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    if text.is_empty() {
        return Err(AddressError::new(
            "no host before the colon",
            "write HOST:PORT, or the port alone for this machine",
        ));
    }
    match parse_ip(text)? {
        Some(ip) => Ok(Host::Ip(ip)),
        None if is_host_name(text) => Ok(Host::Name(text.to_ascii_lowercase())),
        None => Err(AddressError::new(
            "neither a host name nor an IP address",
            "write HOST:PORT, as in example.com:80, 127.0.0.1:5000 or [::1]:5000",
        )),
    }
}

/// The address that `text` is, `None` if it is not meant to be one.
pub(crate) fn parse_ip(text: &str) -> Result<Option<IpAddr>, AddressError> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = bracketed {
        return parse_ipv6(inner).map(Some);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Some(ip.into()));
    }
    // No top-level domain is a number (RFC 1123, section 2.1), so this was meant as an address.
    let last = text.rsplit('.').next().unwrap_or(text);
    if is_digits(last) {
        return Err(AddressError::new(
            "not an IPv4 address",
            "write four numbers from 0 to 255, as in 127.0.0.1:5000",
        ));
    }
    Ok(None)
}

fn parse_ipv6(text: &str) -> Result<IpAddr, AddressError> {
    text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| {
        AddressError::new(
            "not an IPv6 address in the brackets",
            "write it as in [::1]:5000",
        )
    })
}

/// Reads a port from 1 to 65535.
fn parse_port(text: &str) -> Result<u16, AddressError> {
    match parse_port_or_zero(text)? {
        0 => Err(AddressError::new(
            "no server listens on port 0",
            "give a port from 1 to 65535",
        )),
        port => Ok(port),
    }
}

/// Reads a port from 0 to 65535.
pub(crate) fn parse_port_or_zero(text: &str) -> Result<u16, AddressError> {
    digits(text)
        .ok_or_else(|| AddressError::new("not a port number", "give a port from 1 to 65535"))
}

/// Returns whether `text` is a host name: labels of letters, digits, `-` and `_`, none over 63
/// bytes or with a hyphen at an end, 253 bytes in all; one final dot is allowed (RFC 1123, section
/// 2.1). `_` is no host name by the book, but container networks give such names to servers.
fn is_host_name(text: &str) -> bool {
    let relative = text.strip_suffix('.').unwrap_or(text);
    relative.len() <= 253 && relative.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
