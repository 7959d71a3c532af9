//! A network of IP addresses, as in `10.0.0.0/8`.

use super::AddressError;
use crate::syntax::digits;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and the length of its prefix (RFC 4632, section 3.1). An address alone is a network
/// of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Returns whether the network has this address. An IPv4 address may be written in IPv6.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.address.is_ipv4() && first(ip, self.prefix) == self.address
    }
}

impl FromStr for Network {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = |problem: &'static str, remedy: String| {
            Err(AddressError::new(problem, remedy).with_value(text))
        };
        let example = || "write ADDRESS/BITS, as in 10.0.0.0/8 or fd00::/8".to_owned();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return refuse("not a network", example());
        };
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = bits.map_or(Some(max), digits);
        let Some(prefix) = prefix.filter(|prefix| *prefix <= max) else {
            return refuse(
                "not the length of a prefix",
                format!("give 0 to {max} bits"),
            );
        };
        match first(address, prefix) {
            start if start == address => Ok(Self { address, prefix }),
            start => refuse(
                "the address has bits beyond its prefix",
                format!("write {start}/{prefix}"),
            ),
        }
    }
}

impl Display for Network {
    /// As it is read.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The address with all bits beyond the prefix zero.
fn first(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_with_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.4/31", "192.0.2.5", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("::1", "::1", "127.0.0.1"),
            ("::/0", "fe80::1", "10.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn malformed_network_is_refused() {
        for (text, message) in [
            (
                "10.0.0.1/8",
                "the address has bits beyond its prefix; write 10.0.0.0/8",
            ),
            (
                "10.0.0.0/33",
                "not the length of a prefix; give 0 to 32 bits",
            ),
            (
                "fd00::/129",
                "not the length of a prefix; give 0 to 128 bits",
            ),
            ("10.0.0.0/", "not the length of a prefix; give 0 to 32 bits"),
            (
                "10.0.0.0/+8",
                "not the length of a prefix; give 0 to 32 bits",
            ),
            (
                "10.0.0/8",
                "not a network; write ADDRESS/BITS, as in 10.0.0.0/8 or fd00::/8",
            ),
            (
                "",
                "not a network; write ADDRESS/BITS, as in 10.0.0.0/8 or fd00::/8",
            ),
            (
                "a.example",
                "not a network; write ADDRESS/BITS, as in 10.0.0.0/8 or fd00::/8",
            ),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert_eq!(error, format!("'{text}': {message}"));
        }
    }
}
