//! A client's address as text, written once for each connection.

use std::io::Write as _;
use std::net::IpAddr;

/// The longest text of an address: IPv6 with an IPv4 tail.
const MAX_TEXT: usize = 45;

/// An IP address as text, held in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp {
    text: [u8; MAX_TEXT],
    len: u8,
}

impl ClientIp {
    /// The text. An IPv4 address that came through an IPv6 socket is written as IPv4.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl From<IpAddr> for ClientIp {
    fn from(address: IpAddr) -> Self {
        let mut text = [0; MAX_TEXT];
        let mut room = text.as_mut_slice();
        // It always fits; if it did not, what fits would be kept.
        let _ = write!(room, "{}", address.to_canonical());
        let len = MAX_TEXT - room.len();
        Self {
            text,
            len: len as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_and_the_mapped() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            (
                "1111:2222:3333:4444:5555:6666:7777:8888",
                "1111:2222:3333:4444:5555:6666:7777:8888",
            ),
        ];
        for (given, expected) in cases {
            let ip = ClientIp::from(given.parse::<IpAddr>().unwrap());
            assert_eq!(ip.as_bytes(), expected.as_bytes());
        }
    }
}
