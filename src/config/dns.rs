//! How names of backends are looked up.

use super::settings::{Scope, Section};
use super::{ConfigError, HumanDuration};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

static SECTION: Section = Section {
    title: "Names",
    scope: Scope::Global,
};

/// The port of DNS.
const PORT: u16 = 53;

settings! {
    /// How names of backends are looked up.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Dns in draft.dns, section SECTION;

    /// DNS servers that names of backends are looked up at, separated by commas
    /// [default: those of /etc/resolv.conf]
    ///
    /// Names are looked up again when their records end, by a client of lb's own; those in /etc/hosts
    /// need no server. The flag can be repeated.
    "nameservers" <"IP[:PORT],..."> nameservers: Vec<Nameserver> = Vec::new();

    /// Time for which addresses are held that the DNS no longer confirms, or forever
    /// [default: forever]
    ///
    /// While servers fail, or say that there is no such name. Dead backends are ejected all the same.
    "dns-hold" <"TIME|forever"> hold: Option<Duration> = None, read parse_hold;
}

fn parse_hold(text: &str) -> Result<Option<Duration>, ConfigError> {
    match text {
        "forever" => Ok(None),
        _ => text.parse().map(|HumanDuration(time)| Some(time)),
    }
}

/// The address of a DNS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nameserver(pub SocketAddr);

impl FromStr for Nameserver {
    type Err = ConfigError;

    /// Reads an IP address, with a port or not; an IPv6 address with a port is in brackets.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let address = text.parse::<SocketAddr>();
        let bare = || {
            let ip = text.parse::<IpAddr>();
            ip.map(|ip| SocketAddr::new(ip, PORT))
        };
        let address = address.or_else(|_| bare());
        address.map(Self).map_err(|_| {
            let remedy = "write an IP address, as in 10.0.0.53 or 127.0.0.1:5353";
            ConfigError::new("not the address of a DNS server", remedy).with_value(text)
        })
    }
}

impl Display for Nameserver {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.port() {
            PORT => self.0.ip().fmt(f),
            _ => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_address_and_the_port_of_dns() {
        for (text, address) in [
            ("10.0.0.53", "10.0.0.53:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            let server: Nameserver = text.parse().unwrap();
            assert_eq!(server.0, address.parse().unwrap());
            assert_eq!(server.to_string(), text);
        }
        assert_eq!(
            "dns.example".parse::<Nameserver>().unwrap_err().to_string(),
            "'dns.example': not the address of a DNS server; write an IP address, as in 10.0.0.53 \
             or 127.0.0.1:5353"
        );
    }
}
