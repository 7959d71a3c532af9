//! Addresses as nodes write them, and the peers that have them.
//!
//! A host is kept as it was given: the id of a node is a hash of that text, so `localhost` and
//! `127.0.0.1` are two names with two ids. This file resolves nothing; [`Names`] holds what
//! the shell has found out.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Id, Space};
use crate::time::Timestamp;

/// The longest host name there is (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// A host: IPv4 as four bytes, everything else as the text it was given as.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Host {
    V4([u8; 4]),
    Name(Arc<str>),
}

/// Host and port of a node, or of a client.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Addr {
    host: Host,
    port: u16,
}

impl Addr {
    /// An address; none if the host is empty, too long, or holds something that no host name does.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if host.is_empty() || host.len() > MAX_HOST_BYTES || !host.bytes().all(is_plain) {
            return None;
        }
        let host = match host.parse::<Ipv4Addr>() {
            Ok(ip) => Host::V4(ip.octets()),
            Err(_) => Host::Name(host.into()),
        };
        Some(Self { host, port })
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host as it was given.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::V4(ip) => Ipv4Addr::from(*ip).to_string(),
            Host::Name(name) => name.to_string(),
        }
    }

    /// The text of the Python tuple, quotes and one space included: `('localhost', 5000)`.
    #[must_use]
    pub fn tuple_text(&self) -> String {
        format!("('{}', {})", self.host(), self.port)
    }

    /// Whether this could have been decoded from a peer: what [`new`](Self::new) would refuse is not.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match &self.host {
            Host::V4(_) => true,
            Host::Name(name) => {
                name.parse::<Ipv4Addr>().is_err() && Self::new(name, self.port).is_some()
            }
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        let host = match addr.ip().to_canonical() {
            IpAddr::V4(ip) => Host::V4(ip.octets()),
            IpAddr::V6(ip) => Host::Name(ip.to_string().into()),
        };
        let port = addr.port();
        Self { host, port }
    }
}

/// `host:port`, with brackets round IPv6.
impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host();
        if host.contains(':') {
            f.pad(&format!("[{host}]:{}", self.port))
        } else {
            f.pad(&format!("{host}:{}", self.port))
        }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The reason that a text is no address.
#[derive(Debug, PartialEq, Eq)]
pub struct BadAddr(&'static str);

impl fmt::Display for BadAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadAddr {}

/// Reads `host:port`, `[ipv6]:port`, or a bare port, which is one of localhost.
impl FromStr for Addr {
    type Err = BadAddr;

    fn from_str(text: &str) -> Result<Self, BadAddr> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port),
            None => ("localhost", text),
        };
        let port: u16 = port
            .parse()
            .map_err(|_| BadAddr("expected HOST:PORT, such as localhost:5000"))?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(BadAddr("put an IPv6 address into brackets, as [::1]:5000"));
        }
        Self::new(bare.unwrap_or(host), port)
            .ok_or(BadAddr("the host is no name and no IP address"))
    }
}

/// A node as others know it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// Its point on the circle.
    pub id: Id,
    /// Where it receives datagrams.
    pub addr: Addr,
    /// Which of the virtual nodes behind that address; 0 in the compatible mode.
    pub vnode: u16,
}

impl Peer {
    /// The peer that this address and number make; its id follows from them.
    #[must_use]
    pub fn new(space: Space, addr: Addr, vnode: u16) -> Self {
        let id = match vnode {
            0 => space.hash(&addr.tuple_text()),
            nth => space.hash(&format!("{}#{nth}", addr.tuple_text())),
        };
        Self { id, addr, vnode }
    }

    /// Whether the id is the one that follows from the address. Everything else is forged.
    #[must_use]
    pub fn is_genuine(&self, space: Space) -> bool {
        self.addr.port != 0
            && self.addr.is_valid()
            && Self::new(space, self.addr.clone(), self.vnode).id == self.id
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.id, self.addr, self.vnode)
    }
}

/// Names kept at most; the oldest questions are dropped beyond.
const MAX_NAMES: usize = 256;
/// Time for which an answer of the resolver is believed, and a question not asked again.
const NAME_TTL: Duration = Duration::from_secs(60);

/// IP addresses of host names, as far as the shell has resolved them.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<Arc<str>, (Option<IpAddr>, Timestamp)>,
}

/// The state of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Datagrams go here.
    To(SocketAddr),
    /// Not known; to be asked for now.
    Ask,
    /// Asked for, or without an address.
    Wait,
}

impl Names {
    /// Where datagrams for `addr` go. `localhost` needs no resolver: it is 127.0.0.1, as
    /// Python's `AF_INET` sockets have it.
    pub fn resolve(&mut self, addr: &Addr, now: Timestamp) -> Resolved {
        let name = match &addr.host {
            Host::V4(ip) => return Resolved::To((Ipv4Addr::from(*ip), addr.port).into()),
            Host::Name(name) => name,
        };
        if let Some(ip) = literal(name) {
            return Resolved::To((ip, addr.port).into());
        }
        let known = self.known.get(name).copied();
        match known {
            Some((Some(ip), until)) if now < until => Resolved::To((ip, addr.port).into()),
            Some((None, until)) if now < until => Resolved::Wait,
            stale => {
                if stale.is_none() && self.known.len() >= MAX_NAMES {
                    self.known.retain(|_, (_, until)| now < *until);
                    if self.known.len() >= MAX_NAMES {
                        return Resolved::Wait;
                    }
                }
                let ip = stale.and_then(|(ip, _)| ip);
                self.known.insert(name.clone(), (ip, now + NAME_TTL));
                Resolved::Ask
            }
        }
    }

    /// Takes the resolver's answer for a host.
    pub fn learn(&mut self, host: &str, ip: Option<IpAddr>, now: Timestamp) {
        if let Some(entry) = self.known.get_mut(host) {
            *entry = (ip, now + NAME_TTL);
        }
    }

    /// Whether a datagram from `source` comes from `addr`, as far as is known.
    #[must_use]
    pub fn is_from(&self, addr: &Addr, source: SocketAddr) -> bool {
        let ip = match &addr.host {
            Host::V4(ip) => Some(IpAddr::from(*ip)),
            Host::Name(name) => {
                literal(name).or_else(|| self.known.get(name).and_then(|(ip, _)| *ip))
            }
        };
        addr.port == source.port() && ip == Some(source.ip().to_canonical())
    }
}

fn literal(name: &str) -> Option<IpAddr> {
    if name == "localhost" {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_as_given() {
        for text in [
            "localhost:5000",
            "127.0.0.1:1",
            "[::1]:5000",
            "a-b.example:9",
        ] {
            let addr: Addr = text.parse().unwrap();
            assert_eq!(addr.to_string(), text);
            assert!(addr.is_valid());
        }
        assert_eq!("5000".parse(), Ok(Addr::new("localhost", 5000).unwrap()));
        for text in ["", "host", "::1:5000", "a b:1", "'x':1", "h:65536", ":5000"] {
            assert!(text.parse::<Addr>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_peer_with_the_id_of_another_is_forged() {
        let addr = Addr::new("localhost", 5000).unwrap();
        let mut peer = Peer::new(Space::COURSE, addr, 0);
        assert!(peer.is_genuine(Space::COURSE));
        peer.id = Id::new(771);
        assert!(!peer.is_genuine(Space::COURSE));
    }

    #[test]
    fn names_are_asked_for_once_and_believed_for_a_while() {
        let mut names = Names::default();
        let addr = Addr::new("host.example", 5000).unwrap();
        let now = Timestamp::ZERO;
        assert_eq!(names.resolve(&addr, now), Resolved::Ask);
        assert_eq!(names.resolve(&addr, now), Resolved::Wait);
        let to = SocketAddr::from(([10, 0, 0, 1], 5000));
        names.learn("host.example", Some(to.ip()), now);
        assert_eq!(names.resolve(&addr, now), Resolved::To(to));
        assert!(names.is_from(&addr, to));
        let local = Addr::new("localhost", 5000).unwrap();
        assert!(names.is_from(&local, ([127, 0, 0, 1], 5000).into()));
        assert!(!names.is_from(&local, ([127, 0, 0, 1], 5001).into()));
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut names = Names::default();
        for nth in 0..10_000 {
            let addr = Addr::new(&format!("h{nth}"), 1).unwrap();
            names.resolve(&addr, Timestamp::ZERO);
        }
        assert!(names.known.len() <= MAX_NAMES);
    }
}
