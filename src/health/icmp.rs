//! The wire format of echo requests and their responses: ICMP (RFC 792) and ICMPv6 (RFC 4443).
//!
//! Owns the bytes of one request and the decision whether a message is its reply. Does not know
//! sockets and time. The identifier is written and not compared: on a datagram socket the kernel
//! puts in its own and hands over only replies that bear it, and on a raw socket, which sees the
//! replies to every process, 64 random bits in the payload are a better proof than 16. The decision
//! never reads past the bytes of a message.

use std::net::IpAddr;

/// Bytes of a request, and of its response.
pub const MESSAGE_BYTES: usize = 24;
/// Shows the origin to people who capture packets.
const MARK: [u8; 8] = *b"lb check";

/// Type, code and the place of the fields behind them are those of both versions.
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
/// From here on a response repeats the request: sequence number and payload.
const REPEATED_FROM: usize = 6;
/// An IPv4 header without options (RFC 791).
const MIN_IPV4_HEADER_BYTES: usize = 20;

/// One echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoRequest {
    is_v6: bool,
    sequence: u16,
    nonce: u64,
}

impl EchoRequest {
    /// The `sequence`th request to `host`. `nonce` cannot be guessed without having seen it.
    #[must_use]
    pub const fn new(host: IpAddr, sequence: u16, nonce: u64) -> Self {
        Self {
            is_v6: host.is_ipv6(),
            sequence,
            nonce,
        }
    }

    /// The message to be sent.
    #[must_use]
    pub fn message(&self) -> [u8; MESSAGE_BYTES] {
        let kind = match self.is_v6 {
            true => ECHO_REQUEST_V6,
            false => ECHO_REQUEST,
        };
        let [i, j] = (self.nonce as u16).to_be_bytes();
        let [s, t] = self.sequence.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = self.nonce.to_be_bytes();
        let [k, l, m, n, o, p, q, r] = MARK;
        let mut message = [
            kind, 0, 0, 0, i, j, s, t, k, l, m, n, o, p, q, r, a, b, c, d, e, f, g, h,
        ];
        // That of ICMPv6 covers addresses, and is the kernel's to write (RFC 3542, section 3.1).
        if !self.is_v6 {
            let sum = checksum(&message).to_be_bytes();
            let [_, _, high, low, ..] = &mut message;
            [*high, *low] = sum;
        }
        message
    }

    /// Returns whether `message`, which came from the checked host, is the reply.
    #[must_use]
    pub fn is_reply(&self, message: &[u8]) -> bool {
        let [kind, code, ..] = message else {
            return false;
        };
        let reply = match self.is_v6 {
            true => ECHO_REPLY_V6,
            false => ECHO_REPLY,
        };
        // The kernel has verified the checksum of ICMPv6.
        let is_sound = self.is_v6 || checksum(message) == 0;
        (*kind, *code) == (reply, 0)
            && is_sound
            && message.get(REPEATED_FROM..) == self.message().get(REPEATED_FROM..)
    }
}

/// Returns the part after the IPv4 header, if there is one: raw sockets show it, and on some
/// systems datagram sockets too. No type of ICMP looks like its first byte (4 and the length).
#[must_use]
pub fn without_ipv4_header(packet: &[u8]) -> &[u8] {
    match packet.first() {
        Some(first) if first >> 4 == 4 => {
            let length = usize::from(first & 0xf) * 4;
            packet
                .get(length.max(MIN_IPV4_HEADER_BYTES)..)
                .unwrap_or_default()
        }
        Some(_) | None => packet,
    }
}

/// The Internet checksum (RFC 1071); 0 over a message that contains its own.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        [high] => u16::from_be_bytes([*high, 0]),
        _ => 0,
    });
    let sum = words.fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Rng;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const NONCE: u64 = 0x0123_4567_89ab_cdef;

    /// Returns the reply of a host to a request.
    fn reply(request: &EchoRequest) -> Vec<u8> {
        let mut message = request.message().to_vec();
        message[0] = if request.is_v6 { 129 } else { 0 };
        mend(&mut message);
        message
    }

    fn mend(message: &mut [u8]) {
        message[2..4].fill(0);
        let sum = checksum(message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
    }

    #[test]
    fn a_request_is_as_the_standards_have_it() {
        let message = EchoRequest::new(V4, 0x0203, NONCE).message();
        assert_eq!(message[..2], [8, 0], "echo request");
        assert_eq!(message[4..8], [0xcd, 0xef, 2, 3], "identifier, sequence");
        assert_eq!(&message[8..16], b"lb check");
        assert_eq!(message[16..], NONCE.to_be_bytes());
        assert_eq!(checksum(&message), 0);
        let message = EchoRequest::new(V6, 1, NONCE).message();
        assert_eq!(message[..4], [128, 0, 0, 0]);
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The example of its section 3: the sum is ddf2.
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&example), !0xddf2);
        assert_eq!(checksum(&[0xab]), !0xab00, "an odd byte is the high one");
        assert_eq!(checksum(&[]), !0);
    }

    #[test]
    fn reply_is_recognised_with_any_identifier() {
        for host in [V4, V6] {
            let request = EchoRequest::new(host, 7, NONCE);
            let mut reply = reply(&request);
            assert!(request.is_reply(&reply));
            reply[4..6].copy_from_slice(&[0xbe, 0xef]);
            mend(&mut reply);
            assert!(request.is_reply(&reply));
        }
    }

    #[test]
    fn other_messages_are_no_reply() {
        let request = EchoRequest::new(V4, 7, NONCE);
        let sound = reply(&request);
        for other in [
            EchoRequest::new(V4, 8, NONCE),
            EchoRequest::new(V4, 7, NONCE + 1),
            EchoRequest::new(V6, 7, NONCE),
        ] {
            assert!(!other.is_reply(&sound), "{other:?}");
        }
        assert!(!request.is_reply(&request.message()), "itself");
        for cut in 0..sound.len() {
            assert!(!request.is_reply(&sound[..cut]), "{cut} bytes");
        }
        assert!(!request.is_reply(&[&sound[..], b"xx"].concat()));
        for byte in 0..sound.len() {
            let mut broken = sound.clone();
            broken[byte] ^= 0x10;
            assert!(!request.is_reply(&broken), "byte {byte}: checksum");
            mend(&mut broken);
            let is_identifier_or_checksum = (2..6).contains(&byte);
            assert_eq!(request.is_reply(&broken), is_identifier_or_checksum);
        }
    }

    #[test]
    fn the_ipv4_header_is_skipped_with_its_options() {
        let message = reply(&EchoRequest::new(V4, 7, NONCE));
        assert_eq!(without_ipv4_header(&message), message);
        for words in 5..=15_u8 {
            let mut packet = vec![0_u8; usize::from(words) * 4];
            packet[0] = 0x40 | words;
            packet.extend(&message);
            assert_eq!(without_ipv4_header(&packet), message);
            for cut in 0..packet.len() - message.len() {
                assert_eq!(without_ipv4_header(&packet[..cut]), b"");
            }
        }
        assert_eq!(without_ipv4_header(&[0x40; 30]).len(), 10, "no such length");
    }

    #[test]
    fn garbage_is_nothing() {
        let mut rng = Rng::new(5);
        for host in [V4, V6] {
            let request = EchoRequest::new(host, 0, 0);
            for _ in 0..10_000 {
                let mut garbage = vec![0; rng.below(64)];
                garbage.fill_with(|| rng.next() as u8);
                assert!(!request.is_reply(without_ipv4_header(&garbage)));
            }
        }
    }
}
