//! Listeners, in the user's notation.
//!
//! Owns the shorthands for this machine and for every address. A listener is bound at once, so
//! unlike a backend it is an address, never a name, and its port may be 0.

use super::ConfigError;
use crate::address::{Address, AddressError, SocketPath, host_port};
use crate::syntax::is_digits;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// Prefix of the address of a listener that requires PROXY headers.
const PROXY: &str = "proxy+";
/// Prefix of the address of a listener that speaks TLS.
const TLS: &str = "tls+";

/// The address of a listener, and whether another proxy stands in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenerSpec {
    /// Its address.
    pub address: Address,
    /// True if each connection begins with a PROXY header that names its client.
    pub accepts_proxy: bool,
    /// True if clients speak TLS, behind the PROXY header if there is one.
    pub is_tls: bool,
}

impl From<SocketAddr> for ListenerSpec {
    /// A listener for clients that connect directly.
    fn from(address: SocketAddr) -> Self {
        Self {
            address: address.into(),
            accepts_proxy: false,
            is_tls: false,
        }
    }
}

impl FromStr for ListenerSpec {
    type Err = ConfigError;

    /// Reads `ADDRESS`, `proxy+ADDRESS`, `tls+ADDRESS` or `proxy+tls+ADDRESS`.
    ///
    /// `IP:PORT` and `[IPv6]:PORT` mean what they say; a bare `PORT` and `localhost:PORT` mean
    /// 127.0.0.1, so that no omission opens a port to the world; `*:PORT` means every IPv4 address.
    /// Port 0 asks the system for a free one. `unix:PATH` is a UNIX socket.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (rest, accepts_proxy) = strip(text, PROXY);
        let (address, is_tls) = strip(rest, TLS);
        match parse(address) {
            Ok(address) => Ok(Self {
                address,
                accepts_proxy,
                is_tls,
            }),
            Err(error) => Err(ConfigError::from(error).with_value(text)),
        }
    }
}

impl Display for ListenerSpec {
    /// As it can be read again.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let proxy = if self.accepts_proxy { PROXY } else { "" };
        let tls = if self.is_tls { TLS } else { "" };
        write!(f, "{proxy}{tls}{}", self.address)
    }
}

/// The text behind a prefix, and whether it was there.
fn strip<'a>(text: &'a str, prefix: &str) -> (&'a str, bool) {
    match text.strip_prefix(prefix) {
        Some(rest) => (rest, true),
        None => (text, false),
    }
}

fn parse(text: &str) -> Result<Address, AddressError> {
    if let Some(path) = SocketPath::parse(text) {
        return path.map(Address::Unix);
    }
    let (host, port) = if is_digits(text) {
        ("localhost", text)
    } else {
        host_port::split(text)?
    };
    let ip = parse_ip(host)?;
    let port = host_port::parse_port_or_zero(port)?;
    Ok(Address::Tcp(SocketAddr::new(ip, port)))
}

fn parse_ip(host: &str) -> Result<IpAddr, AddressError> {
    match host {
        "" => Err(AddressError::new(
            "no address before the colon",
            "write the port alone for this machine, *:PORT for every address",
        )),
        "*" => Ok(Ipv4Addr::UNSPECIFIED.into()),
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        _ => host_port::parse_ip(host)?.ok_or_else(|| {
            AddressError::new(
                "not an IP address",
                "write IP:PORT, as in 127.0.0.1:8080, or *:PORT for every address",
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<ListenerSpec>().unwrap_err().to_string()
    }

    #[test]
    fn reads_every_form() {
        for (text, meaning) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("[::]:80", "[::]:80"),
            ("8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("0", "127.0.0.1:0"),
            ("*:0", "0.0.0.0:0"),
        ] {
            let address: SocketAddr = meaning.parse().unwrap();
            assert_eq!(text.parse(), Ok(ListenerSpec::from(address)), "{text}");
            let proxied = ListenerSpec {
                address: address.into(),
                accepts_proxy: true,
                is_tls: false,
            };
            assert_eq!(
                format!("proxy+{text}").parse(),
                Ok(proxied.clone()),
                "{text}"
            );
            assert_eq!(proxied.to_string(), format!("proxy+{meaning}"));
            let secure = ListenerSpec {
                is_tls: true,
                ..proxied
            };
            let spelled = format!("proxy+tls+{meaning}");
            assert_eq!(spelled.parse(), Ok(secure.clone()));
            assert_eq!(secure.to_string(), spelled);
        }
    }

    #[test]
    fn a_unix_socket_is_a_listener_too() {
        for text in ["unix:/run/lb.sock", "proxy+unix:lb.sock"] {
            let spec: ListenerSpec = text.parse().unwrap();
            assert_eq!(spec.address.tcp(), None);
            assert_eq!(spec.to_string(), text);
        }
        assert_eq!(
            refusal("unix:"),
            "'unix:': not a path; write unix:PATH, as in unix:/run/app.sock"
        );
    }

    #[test]
    fn refuses_unbindable_addresses() {
        assert_eq!(
            refusal(":8080"),
            "':8080': no address before the colon; \
             write the port alone for this machine, *:PORT for every address"
        );
        assert_eq!(
            refusal("example.com:80"),
            "'example.com:80': not an IP address; \
             write IP:PORT, as in 127.0.0.1:8080, or *:PORT for every address"
        );
        assert_eq!(
            refusal("127.0.0.1"),
            "'127.0.0.1': the port is missing; write HOST:PORT, as in 127.0.0.1:5000"
        );
        assert_eq!(
            refusal(""),
            "'': the port is missing; write HOST:PORT, as in 127.0.0.1:5000"
        );
        for text in [
            "127.0.0.1:",
            "proxy+1.1.1.1:x",
            "tls+1.1.1.1:x",
            "*:http",
            "70000",
            "*:+80",
            "[::1]:-1",
        ] {
            let expected = format!("'{text}': not a port number; give a port from 1 to 65535");
            assert_eq!(refusal(text), expected);
        }
    }
}
