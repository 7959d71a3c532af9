use super::*;

fn read(text: &str) -> HostPort {
    text.parse().unwrap()
}

fn refusal(text: &str) -> String {
    text.parse::<HostPort>().unwrap_err().to_string()
}

#[test]
fn reads_addresses() {
    for (text, meaning) in [
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("5000", "127.0.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("[0:0::0001]:65535", "[::1]:65535"),
    ] {
        let meaning: SocketAddr = meaning.parse().unwrap();
        assert_eq!(read(text).socket_addr(), Some(meaning), "{text}");
    }
}

#[test]
fn reads_names_in_one_spelling() {
    let server = read("Example.COM:80");
    assert_eq!(server.host(), &Host::Name("example.com".into()));
    assert_eq!(server.port(), 80);
    assert_eq!(server.socket_addr(), None);
    assert_eq!(server, read("example.com:80"));
    for name in [
        "a",
        "db_1",
        "x-y.z",
        "1.2.3.example",
        "host.",
        &"a".repeat(63),
    ] {
        assert_eq!(read(&format!("{name}:1")).to_string(), format!("{name}:1"));
    }
}

#[test]
fn refuses_names_that_cannot_be() {
    let long = ["a".repeat(63).as_str(); 4].join(".");
    assert_eq!(long.len(), 255);
    let label = "a".repeat(64);
    for name in [
        long.as_str(),
        &label,
        "a..b",
        ".",
        "-a",
        "a-",
        "a b",
        "a/b",
        "ä",
        "*",
        "a]",
    ] {
        let expected = format!(
            "'{name}:80': neither a host name nor an IP address; \
             write HOST:PORT, as in example.com:80, 127.0.0.1:5000 or [::1]:5000"
        );
        assert_eq!(refusal(&format!("{name}:80")), expected);
    }
}

#[test]
fn every_refusal_has_its_remedy() {
    for (text, message) in [
        ("", "empty; write HOST:PORT, as in 127.0.0.1:5000"),
        (
            "http://127.0.0.1:5000/",
            "a URL, not an address; write HOST:PORT without scheme and path",
        ),
        (
            "example.com",
            "the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "[::1]",
            "the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "[::1]5000",
            "the port is missing; write HOST:PORT, as in 127.0.0.1:5000",
        ),
        (
            "[::1:5000",
            "the bracket is not closed; write an IPv6 address as in [::1]:5000",
        ),
        (
            "[127.0.0.1]:5000",
            "not an IPv6 address in the brackets; write it as in [::1]:5000",
        ),
        (
            "::1:5000",
            "more than one colon; \
             write HOST:PORT, with an IPv6 address in brackets, as in [::1]:5000",
        ),
        (
            ":5000",
            "no host before the colon; write HOST:PORT, or the port alone for this machine",
        ),
        (
            "127.0.0.256:80",
            "not an IPv4 address; write four numbers from 0 to 255, as in 127.0.0.1:5000",
        ),
        (
            "127.1:80",
            "not an IPv4 address; write four numbers from 0 to 255, as in 127.0.0.1:5000",
        ),
        (
            "127.0.0.1:0",
            "no server listens on port 0; give a port from 1 to 65535",
        ),
        (
            "0",
            "no server listens on port 0; give a port from 1 to 65535",
        ),
        ("65536", "not a port number; give a port from 1 to 65535"),
        ("a:", "not a port number; give a port from 1 to 65535"),
        ("a:+80", "not a port number; give a port from 1 to 65535"),
        ("a:80/x", "not a port number; give a port from 1 to 65535"),
    ] {
        assert_eq!(refusal(text), format!("'{text}': {message}"));
    }
}

/// A small generator: the same seed gives the same texts.
struct Seeded(u64);

impl Seeded {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

/// Every text that parses is shown in a form that parses as the same, and parsing never panics:
/// texts are made of the characters that mean something.
#[test]
fn parsed_text_is_shown_and_parsed_again() {
    const PIECES: [&str; 16] = [
        "[",
        "]",
        ":",
        "::",
        ".",
        "-",
        "=",
        "0",
        "127.0.0.1",
        "1",
        "65535",
        "a",
        "Z",
        "_",
        "é",
        "\0",
    ];
    let mut seeded = Seeded(42);
    let mut understood = 0;
    for _ in 0..50_000 {
        let length = seeded.below(7);
        let text: String = (0..length)
            .map(|_| PIECES[seeded.below(PIECES.len())])
            .collect();
        if let Ok(server) = text.parse::<HostPort>() {
            understood += 1;
            assert_eq!(server.to_string().parse(), Ok(server), "{text}");
        }
    }
    assert!(understood > 500, "only {understood} texts were understood");
}

#[test]
fn a_host_alone_is_a_name_or_an_address() {
    for (text, shown) in [
        ("10.0.0.7", "10.0.0.7"),
        ("::1", "::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("A.example", "a.example"),
    ] {
        let host: Host = text.parse().unwrap();
        assert_eq!(host.to_string(), shown);
    }
    for text in ["", "a:80", "10.0.0", "1.2.3.256", "a b", "[::1", "http://a"] {
        let refused = text.parse::<Host>().unwrap_err().to_string();
        assert!(refused.starts_with(&format!("'{text}': ")), "{refused}");
    }
}
