//! A response that cannot be trusted is a 502, and its connection is never used again.

use super::stand::{Answer, Stand, Then, sings};
use super::table::{breaks, closes, stays};
use crate::support::until;

/// The fault, its section (of RFC 9112 by default), the response.
const UNTRUSTED: &[(&str, &str, Answer)] = &[
    ("no HTTP at all", "4", stays("SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    ("HTTP/0.9", "4", closes("<html>hello</html>")),
    (
        "a version in lower case",
        "2.3",
        stays("http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "two empty lines first",
        "4",
        stays("\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "a status of two digits",
        "4",
        stays("HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "a status of four digits",
        "4",
        stays("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "a status below 100",
        "9110 15",
        stays("HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "NUL in a value",
        "9110 5.5",
        stays("HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "a blank before the colon",
        "5.1",
        stays("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ),
    (
        "a blank in a name",
        "5.1",
        stays("HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nok"),
    ),
    (
        "an empty name",
        "5.1",
        stays("HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok"),
    ),
    (
        "two lengths",
        "6.3",
        stays("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    ),
    (
        "a length with a sign",
        "6.3",
        stays("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
    ),
    (
        "an unknown coding",
        "6.1",
        stays("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ),
    (
        "chunked not last",
        "6.3",
        stays("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ),
    (
        "an unsolicited upgrade",
        "9110 15.2.2",
        stays("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    ),
    (
        "a chunk size that is no number",
        "7.1",
        stays("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n"),
    ),
    (
        "an interim answer and then rubbish",
        "4",
        stays("HTTP/1.1 103 Hints\r\n\r\nrubbish\r\n\r\n"),
    ),
    (
        "only interim answers",
        "9110 15.2",
        closes("HTTP/1.1 103 Hints\r\n\r\n"),
    ),
    ("half a head", "8", closes("HTTP/1.1 200 OK\r\nContent-Le")),
    (
        "half a head and a reset",
        "8",
        breaks("HTTP/1.1 200 OK\r\nContent-Le"),
    ),
];

#[test]
fn untrustworthy_response_is_a_502_and_its_connection_is_gone() {
    let mut stand = Stand::new();
    let mut broken = Vec::new();
    for (rule, section, answer) in UNTRUSTED {
        println!("{rule} ({section})");
        stand.respond(*answer);
        let mut client = stand.connect();
        // A POST: it is not retried after any response.
        let response = client.post("/", b"body");
        let told = response.message.word(0) == "HTTP/1.1" && response.status == 502;
        let serves = sings(&mut client);
        if !told || serves.is_err() {
            broken.push(format!("{rule} ({section}): {response:?}, then {serves:?}"));
        }
        // That of the canary is left, and only that.
        until("the spoilt connection is closed", || {
            stand.backend.open_connections() <= 1
        });
        stand.assert_sound(Some(client));
    }
    assert!(broken.is_empty(), "not kept:\n{}", broken.join("\n"));
}

/// Requests that follow go elsewhere: the rest of the backend's bytes is no response to them.
#[test]
fn rest_of_an_untrustworthy_response_is_no_response_to_others() {
    let mut stand = Stand::new();
    stand.respond(stays(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok\
         HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
    ));
    let mut client = stand.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/").status, 502);
        sings(&mut client).unwrap();
    }
    stand.assert_sound(Some(client));
}

/// Section 7.1: a chunk that turns out to be malformed later cannot be taken back, so the response
/// must not seem complete.
#[test]
fn a_chunk_that_turns_out_malformed_does_not_end_in_order() {
    let mut stand = Stand::scripted(|wire| {
        if wire.read_request().is_none() {
            return Then::Closes;
        }
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        // The head and the first chunk are on their way before the flaw is.
        wire.set_patience(std::time::Duration::from_millis(50));
        wire.peek(1);
        wire.set_patience(super::stand::PATIENCE);
        let _ = wire.try_send(b"0x5\r\nhello\r\n0\r\n\r\n");
        Then::Stays
    });
    let mut client = stand.connect();
    let broken = client.get_broken("/");
    assert_eq!(broken.part.expect("a head").text(), "hello");
    stand.assert_sound(None);
}
