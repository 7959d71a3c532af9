//! Where lb listens, as the user writes it.
//!
//! Owns the shorthands for this machine and for every address. A listener is bound at once, so
//! unlike a backend it is an address, never a name, and its port may be 0.

use super::{Invalid, host_port, number};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Reads the address of a listener.
///
/// `IP:PORT` and `[IPv6]:PORT` mean what they say; a bare `PORT` and `localhost:PORT` mean
/// 127.0.0.1, so that nobody opens a port to the world by leaving something out; `*:PORT` means
/// every IPv4 address. Port 0 asks the system for a free one.
///
/// # Errors
///
/// Anything else, with the remedy.
pub fn parse_listener(text: &str) -> Result<SocketAddr, Invalid> {
    parse(text).map_err(|invalid| invalid.with_value(text))
}

fn parse(text: &str) -> Result<SocketAddr, Invalid> {
    let (host, port) = if number::is_digits(text) {
        ("localhost", text)
    } else {
        host_port::split(text)?
    };
    let ip = parse_ip(host)?;
    Ok(SocketAddr::new(ip, host_port::parse_port_or_zero(port)?))
}

fn parse_ip(host: &str) -> Result<IpAddr, Invalid> {
    match host {
        "" => Err(Invalid::new(
            "no address before the colon",
            "write the port alone for this machine, *:PORT for every address",
        )),
        "*" => Ok(Ipv4Addr::UNSPECIFIED.into()),
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        _ => host_port::parse_ip(host)?.ok_or_else(|| {
            Invalid::new(
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
        parse_listener(text).unwrap_err().to_string()
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
            assert_eq!(parse_listener(text), Ok(meaning.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_bound() {
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
        for text in ["127.0.0.1:", "*:http", "70000", "*:+80", "[::1]:-1"] {
            let expected = format!("'{text}': not a port number; give a port from 1 to 65535");
            assert_eq!(refusal(text), expected);
        }
    }
}
