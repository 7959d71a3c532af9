//! Tunnels after `101 Switching Protocols` (RFC 9110, section 7.8): every byte, both ways.

use super::stand::{Stand, Then, sings, then};
use super::table::{PLAIN, Relayed, assert_relayed, stays};
use crate::support::{Client, Content, Matcher, Wire};
use std::thread;

const ASKS: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                    Upgrade: raw\r\nX: y\r\n\r\n";
const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                        Upgrade: raw\r\n\r\n";

/// Asks for an upgrade with `early` in the same packet, and reads up to the end of the 101.
#[track_caller]
fn upgraded(stand: &Stand, early: &str) -> Client {
    let mut client = stand.connect();
    client.send([ASKS, early].concat());
    let head = client.read_head().expect("a head");
    assert_eq!(head.start, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(head.field("upgrade"), Some("raw"));
    assert_eq!(head.field("connection"), Some("Upgrade"));
    client
}

#[test]
fn request_names_its_protocol_and_the_tunnel_is_byte_exact() {
    let mut stand = Stand::scripted(|wire| {
        let Ok(head) = wire.read_head() else {
            return Then::Closes;
        };
        assert_eq!(head.field("upgrade"), Some("raw"));
        assert_eq!(head.field("connection"), Some("Upgrade"));
        // In one packet, and nothing in it is HTTP.
        wire.send([SWITCHES, "\0\r\n\r\nearly from the backend"].concat());
        let mut heard = Vec::new();
        wire.read_exact(b"\0early from the client\r\n\r\n".len(), &mut heard)
            .expect("bytes");
        assert_eq!(heard, b"\0early from the client\r\n\r\n");
        wire.send("HTTP/1.1 404 is not an answer");
        Then::Closes
    });
    let mut client = upgraded(&stand, "\0early from the client\r\n\r\n");
    let (received, end) = client.read_to_end();
    let expected = "\0\r\n\r\nearly from the backendHTTP/1.1 404 is not an answer";
    assert_eq!(String::from_utf8_lossy(&received), expected);
    assert_eq!(then(end), Then::Closes);
    drop(client);
    stand.assert_sound(None);
}

#[test]
fn each_side_of_a_tunnel_ends_on_its_own() {
    let mut stand = Stand::scripted(|wire| {
        if wire.read_head().is_err() {
            return Then::Closes;
        }
        wire.send(SWITCHES);
        let (heard, end) = wire.read_to_end();
        assert_eq!(then(end), Then::Closes);
        wire.send(["you said ", &String::from_utf8_lossy(&heard)].concat());
        Then::Closes
    });
    let mut client = upgraded(&stand, "");
    client.send("all there is");
    client.finish();
    let (received, end) = client.read_to_end();
    assert_eq!(received, b"you said all there is");
    assert_eq!(then(end), Then::Closes);
    drop(client);
    stand.assert_sound(None);
}

#[test]
fn megabytes_pass_both_ways_at_once() {
    const BYTES: u64 = 3_000_000;
    fn send(mut wire: Wire) {
        let mut content = Content::default();
        let mut left = BYTES as usize;
        while left > 0 {
            let part = content.next(left);
            left -= part.len();
            wire.send(part);
        }
        wire.finish();
    }
    fn check(wire: &mut Wire) {
        let mut matcher = Matcher::default();
        let mut part = vec![0; 64 * 1024];
        let end = loop {
            match wire.read(&mut part) {
                Ok(count) => matcher.check(&part[..count]),
                Err(end) => break end,
            }
        };
        assert_eq!((matcher.matched(), then(end)), (BYTES, Then::Closes));
    }
    let mut stand = Stand::scripted(|wire| {
        if wire.read_head().is_err() {
            return Then::Closes;
        }
        wire.send(SWITCHES);
        let twin = wire.another();
        let sender = thread::spawn(move || send(twin));
        check(wire);
        sender.join().unwrap();
        Then::Closes
    });
    let client = upgraded(&stand, "");
    let mut wire = client.into_wire();
    let twin = wire.another();
    let sender = thread::spawn(move || send(twin));
    check(&mut wire);
    sender.join().unwrap();
    drop(wire);
    stand.assert_sound(None);
}

#[test]
fn an_upgrade_that_is_declined_leaves_a_connection_of_http() {
    let mut stand = Stand::new();
    let mut client = stand.connect();
    client.send(ASKS);
    assert_eq!(client.receive().text(), "ok");
    sings(&mut client).unwrap();
    stand.assert_sound(Some(client));
}

#[test]
fn incomplete_upgrade_is_not_passed_on_as_one() {
    const TABLE: &[Relayed] = &[
        Relayed {
            rule: "Upgrade that Connection does not name",
            section: "9110 7.8",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: raw\r\n\r\n",
            ..PLAIN
        },
        Relayed {
            rule: "Upgrade of an HTTP/1.0 client",
            section: "9110 7.8",
            asks: "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade, keep-alive\r\n\
                   Upgrade: raw\r\n\r\n",
            receives: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
            ..PLAIN
        },
        Relayed {
            rule: "Upgrade to HTTP/2, past every rule",
            section: "9110 7.8",
            asks: "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            ..PLAIN
        },
    ];
    assert_relayed(&mut Stand::new(), TABLE);
}

/// A 101 without a protocol: its connection may speak anything.
#[test]
fn a_half_formed_101_is_a_502() {
    let mut stand = Stand::new();
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\n\r\nraw bytes",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\nraw bytes",
        "HTTP/1.1 101 Switching Protocols\r\n\r\nraw bytes",
    ] {
        stand.respond(stays(answer));
        let mut client = stand.connect();
        client.send(ASKS);
        assert_eq!(client.receive().status, 502, "{answer:?}");
        sings(&mut client).unwrap();
        stand.assert_sound(Some(client));
    }
}
