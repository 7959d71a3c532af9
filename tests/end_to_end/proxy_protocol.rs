//! The PROXY protocol at both ends, in both modes.

use crate::support::{Backend, Client, End, Lb, echo};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.9 51324 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x09\xc8\x7c\0\x50";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A balancer that asks for the header.
fn behind_a_proxy(backend: SocketAddr, args: &[&str]) -> Lb {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["--listen", "proxy+127.0.0.1:0", "--backends"]);
    command
        .arg(backend.to_string())
        .args(["--health", "none"])
        .args(args);
    Lb::spawn(command.stdout(Stdio::null()))
}

#[test]
fn header_names_the_client_in_one_piece_or_many() {
    for header in [V1, V2] {
        let backend = Backend::echo();
        let lb = behind_a_proxy(backend.address, &[]);
        let mut whole = lb.connect();
        whole.send([header, GET].concat());
        assert_eq!(whole.receive().status, 200);
        let mut dripping = lb.connect();
        for byte in [header, GET].concat() {
            dripping.send([byte]);
        }
        assert_eq!(dripping.receive().status, 200);
        assert_eq!(
            dripping.get("/again").status,
            200,
            "one header a connection"
        );
        assert_eq!(backend.times_received("X-Forwarded-For: 192.0.2.1\r\n"), 3);
        assert_eq!(backend.times_received("PROXY"), 0);
    }
}

/// The extension about TLS is believed of the peers whose addresses are, and of no others.
#[test]
fn client_that_came_by_tls_came_by_https() {
    let with_tls = |flags: u8| {
        let mut header = V2.to_vec();
        header[15] += 8;
        header.extend([0x20, 0, 5, flags, 0, 0, 0, 0]);
        header
    };
    for (trusted, header, is_https) in [
        (&[][..], with_tls(1), true),
        (&["--trusted-proxies", "127.0.0.0/8"], with_tls(5), true),
        (&["--trusted-proxies", "10.0.0.0/8"], with_tls(1), false),
        (&[], with_tls(2), false),
        (&[], V2.to_vec(), false),
    ] {
        let backend = Backend::echo();
        let args = [&["--sticky", "lb"], trusted].concat();
        let lb = behind_a_proxy(backend.address, &args);
        let mut client = lb.connect();
        client.send([&header[..], GET].concat());
        let response = client.receive();
        let cookie = response.field("set-cookie").expect("a cookie");
        assert_eq!(
            cookie.contains("; Secure"),
            is_https,
            "{trusted:?} {cookie}"
        );
        // Of the connection, so of every request.
        client.get("/again");
        let proto = if is_https { "https" } else { "http" };
        let line = format!("X-Forwarded-Proto: {proto}\r\n");
        assert_eq!(backend.times_received(&line), 2, "{trusted:?} {header:?}");
        assert_eq!(backend.times_received("X-Forwarded-Proto: "), 2);
    }
}

#[test]
fn client_without_a_required_header_is_closed() {
    let backend = Backend::echo();
    let lb = behind_a_proxy(backend.address, &["--head-timeout", "200ms"]);
    let mut bare = lb.connect();
    bare.send(GET);
    // What it sent is not read: the connection may be reset.
    let (said, end) = bare.read_to_end();
    assert!(said.is_empty() && end != End::Silent, "{end:?}");
    let mut silent = lb.connect();
    silent.send(&V1[..10]);
    assert_eq!(silent.read_to_end(), (Vec::new(), End::Closed));
    assert_eq!(backend.connections(), 0);
    let ended = lb.terminate();
    assert!(
        ended.stderr.contains("bad_proxy_header 2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn header_is_refused_where_none_is_configured() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    for header in [V1, V2] {
        let mut client = lb.connect();
        client.send([header, GET].concat());
        assert_eq!(client.receive().status, 400);
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn backends_get_a_header_and_no_connection_is_shared() {
    let backend = Backend::start(|mut wire, _| {
        let Ok(line) = wire.read_through(b"\r\n") else {
            return;
        };
        assert!(line.starts_with(b"PROXY TCP4 127.0.0.1 127.0.0.1 "));
        while let Some(request) = wire.read_request() {
            wire.send(echo(&request));
        }
    });
    let lb = Lb::start(&[backend.address], &["--send-proxy", "v1"]);
    let mut one = lb.connect();
    let mut other = lb.connect();
    for client in [&mut one, &mut other] {
        let port = client.local_address().port();
        assert_eq!(client.get("/").status, 200);
        let told = format!("127.0.0.1 {port} {}\r\n", lb.address.port());
        assert_eq!(backend.times_received(&told), 1, "{told}");
    }
    assert_eq!(one.get("/").status, 200);
    assert_eq!(backend.connections(), 3);
}

#[test]
fn a_header_is_passed_on_in_the_other_version_in_tcp_mode() {
    let backend = Backend::start(|mut wire, _| {
        let mut header = Vec::new();
        if wire.read_exact(V2.len(), &mut header).is_ok() {
            wire.send("hello");
            let mut rest = Vec::new();
            if wire.read_exact(4, &mut rest).is_ok() {
                wire.send(rest);
            }
        }
    });
    let unmarked = ["--loop-detection", "off"];
    let args = [&["--mode", "tcp", "--send-proxy", "v2"], &unmarked[..]].concat();
    let lb = behind_a_proxy(backend.address, &args);
    let mut client: Client = lb.connect();
    client.send(V1);
    let mut greeting = Vec::new();
    client.read_exact(5, &mut greeting).unwrap();
    assert_eq!(greeting, b"hello", "the server may speak first");
    client.send("ping");
    let (echoed, end) = client.read_to_end();
    assert_eq!((&*echoed, end), (&b"ping"[..], End::Closed));
    assert_eq!(backend.received(0), [V2, b"ping"].concat());
}
