//! The syntax of `Host` and of an authority: `uri-host [ ":" port ]` (RFC 9112, section 3.2).

/// Returns whether `text` is a host, perhaps with a port. An empty text is not.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    match text {
        [] => false,
        [b'[', rest @ ..] => match rest.iter().position(|&byte| byte == b']') {
            Some(end) => {
                let (address, after) = rest.split_at(end);
                is_ip_literal(address) && after.get(1..).is_some_and(is_port_part)
            }
            None => false,
        },
        _ => {
            let end = text.iter().position(|&byte| !is_name(byte));
            let (name, port) = text.split_at(end.unwrap_or(text.len()));
            !name.is_empty() && is_port_part(port)
        }
    }
}

/// The port of an authority; `None` if it has none, or is malformed.
pub(crate) fn port_of(text: &[u8]) -> Option<u16> {
    let colon = text.iter().rposition(|&byte| byte == b':')?;
    let digits = text.get(colon + 1..).filter(|_| is_authority(text))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The text between brackets: an IPv6 address. Its digits and colons are checked, their
/// arrangement is not: no recipient can take it for something else. Zones are refused.
fn is_ip_literal(text: &[u8]) -> bool {
    text.len() >= 2
        && text
            .iter()
            .all(|byte| matches!(byte, b':' | b'.') || byte.is_ascii_hexdigit())
}

/// `[":" port]`; the port may be empty (RFC 3986, section 3.2.3).
fn is_port_part(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            let port = digits.iter().try_fold(0, |port, byte| {
                let port = port * 10 + char::from(*byte).to_digit(10)?;
                (port <= u32::from(u16::MAX)).then_some(port)
            });
            port.is_some()
        }
        _ => false,
    }
}

/// Returns whether `byte` may be part of a `reg-name` (RFC 3986, section 3.2.2), which a dotted
/// address is as well. A percent sign may pass without its digits being checked: it means nothing
/// to us.
fn is_name(byte: u8) -> bool {
    NAME_BYTES.get(usize::from(byte)).is_some_and(|&is| is)
}

/// The bytes of a name, as a table: they lie in too many ranges to compare with.
#[allow(
    clippy::indexing_slicing,
    reason = "indexed when compiled: what is out of bounds does not compile"
)]
static NAME_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        bytes[byte] = matches!(byte as u8,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        byte += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::{is_authority, port_of};

    #[test]
    fn a_port_is_read_where_there_is_one() {
        for (text, port) in [
            ("a:81", Some(81)),
            ("[::1]:82", Some(82)),
            ("a", None),
            ("a:", None),
            ("[::1]", None),
            ("::1:83", None),
            ("a b:84", None),
            ("a:65536", None),
        ] {
            assert_eq!(port_of(text.as_bytes()), port, "{text}");
        }
    }

    #[test]
    fn authorities_with_and_without_ports() {
        for good in [
            "a",
            "a.example:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a_b",
            "a:",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        let bad = [
            "",
            ":80",
            "a:b",
            "a:65536",
            "a:99999999999",
            "a:1:2",
            "a b",
            "a/b",
            "u@h",
            "[::1",
            "[]",
            "[::1]x",
            "[::g]",
            "a\"",
            "a\\",
            "a\u{e9}",
            "a?",
            "a#",
        ];
        for bad in bad {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
