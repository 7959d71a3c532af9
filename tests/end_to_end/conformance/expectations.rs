//! `Expect: 100-continue`, and responses that come before the request is complete.

use super::stand::{PATIENCE, Stand, Then, sings, then};
use crate::support::{Gate, Wire};
use std::time::Duration;

const ASKS: &str = "POST /body HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
                    Content-Length: 5\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// RFC 9110, section 10.1.1: the client waits, the backend decides.
#[test]
fn client_that_waits_for_100_gets_the_backends() {
    let mut stand = Stand::scripted(|wire| {
        let Ok(mut request) = wire.read_head() else {
            return Then::Closes;
        };
        assert_eq!(request.field("expect"), Some("100-continue"));
        assert_eq!(
            wire.unread(),
            b"",
            "the body comes only when it is asked for"
        );
        wire.send(CONTINUE);
        wire.read_request_body(&mut request).expect("a body");
        assert_eq!(request.body, b"hello");
        wire.send(OK);
        Then::Stays
    });
    let mut client = stand.connect();
    for _ in 0..2 {
        client.send(ASKS);
        assert_eq!(
            client.read_through(b"\r\n\r\n").unwrap(),
            CONTINUE.as_bytes()
        );
        client.send("hello");
        assert_eq!(client.receive().text(), "ok");
    }
    sings(&mut client).unwrap();
    assert_eq!(
        stand.backend.connections(),
        1,
        "the connection is used again"
    );
    stand.assert_sound(Some(client));
}

/// A client need not wait for ever (section 10.1.1): one that sends anyway is served.
#[test]
fn a_client_that_does_not_wait_is_served() {
    let mut stand = Stand::scripted(|wire| {
        let Ok(mut request) = wire.read_head() else {
            return Then::Closes;
        };
        wire.read_request_body(&mut request).expect("a body");
        wire.send([CONTINUE, OK].concat());
        Then::Stays
    });
    let mut client = stand.connect();
    client.send([ASKS, "hello"].concat());
    let answer = client.receive();
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("ok", 1));
    sings(&mut client).unwrap();
    stand.assert_sound(Some(client));
}

/// The backend sends a final response without requesting the body. The client may send it or not,
/// so its connection cannot go on (RFC 9112, section 9.3).
#[test]
fn backend_refuses_the_body_at_once() {
    for sends_body in [false, true] {
        let mut stand = Stand::scripted(|wire| {
            if wire.read_head().is_err() {
                return Then::Closes;
            }
            wire.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
            Then::Closes
        });
        let mut client = stand.connect();
        client.send(ASKS);
        let answer = client.receive();
        assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
        assert_eq!(answer.field("connection"), Some("close"));
        if sends_body {
            let _ = client.try_send(b"hello");
        }
        let (rest, end) = client.read_to_end();
        assert_eq!((rest.len(), then(end)), (0, Then::Closes), "{sends_body}");
        drop(client);
        stand.assert_sound(None);
    }
}

/// RFC 9112, section 9.6: the response must survive that the rest of the body is not read.
#[test]
fn early_response_reaches_a_client_that_is_still_sending() {
    const BODY_BYTES: usize = 800_000;
    let mut stand = Stand::scripted(|wire| {
        if wire.read_head().is_err() {
            return Then::Closes;
        }
        wire.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
        Then::Closes
    });
    let mut client = stand.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    ));
    let part = vec![b'x'; 20_000];
    client.send(&part);
    client.peek(1);
    // The response is there, and the client does not look at it before it has sent all it has.
    for _ in 1..BODY_BYTES / part.len() {
        client.try_send(&part).expect("somebody listens");
    }
    let answer = client.receive();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (413, Some("close"))
    );
    drop(client);
    stand.assert_sound(None);
}

/// The backend begins its response early and goes on reading: nothing is cut short.
#[test]
fn response_and_request_body_can_be_in_transit_at_once() {
    let asked = Gate::default();
    let mut stand = Stand::scripted({
        let asked = asked.clone();
        move |wire: &mut Wire| {
            let Ok(mut request) = wire.read_head() else {
                return Then::Closes;
            };
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
            assert!(asked.wait());
            wire.read_request_body(&mut request).expect("a body");
            wire.send(&request.body);
            Then::Stays
        }
    });
    let mut client = stand.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    let head = client.read_head().expect("a head");
    assert_eq!(head.word(1), "200");
    asked.open();
    client.send("llo");
    let mut body = Vec::new();
    client.read_exact(5, &mut body).expect("a body");
    assert_eq!(body, b"hello");
    drop(client);
    stand.assert_sound(None);
}

/// A malformed chunk after a good one: the client gets an error, and the backend never sees the end
/// of a request.
#[test]
fn request_with_a_malformed_chunk_is_never_complete() {
    let mut stand = Stand::scripted(|wire| match wire.read_request() {
        Some(_) => panic!("a whole request"),
        None => Then::Closes,
    });
    let mut client = stand.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.set_patience(Duration::from_millis(50));
    assert_eq!(client.peek(1), b"", "an answer before its time");
    client.set_patience(PATIENCE);
    client.send("0x5\r\nhello\r\n0\r\n\r\n");
    let answer = client.receive();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (400, Some("close"))
    );
    assert_eq!(stand.reason(), "bad_chunk");
    client.assert_closed();
    drop(client);
    stand.assert_sound(None);
}
