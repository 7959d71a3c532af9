//! Requests one behind another on one connection, and clients that end after their last one.

use super::stand::{Stand, Then, sings, then};
use super::table::{PLAIN, assert_relayed};
use crate::support::{Backend, Client, Lb};
use std::thread;

const PIPELINED: usize = 2_000;
/// Growth allowed to a balancer: far less than requests and responses together.
const MAX_GROWTH_KIB: u64 = 2 * 1024;

#[test]
fn two_thousand_pipelined_requests_are_served_in_order_in_little_memory() {
    let mut stand = Stand::scripted(|wire| {
        let Some(request) = wire.read_request() else {
            return Then::Closes;
        };
        let (target, filler) = (request.word(1), "x".repeat(1_000));
        let body = format!("{target} {} {filler}", request.text());
        let length = body.len();
        match wire.try_send(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        ) {
            Ok(()) => Then::Stays,
            Err(_) => Then::Closes,
        }
    });
    let client = stand.connect();
    let before = stand.lb.usage().peak_rss_kib();
    let mut wire = client.into_wire();
    let mut reader = wire.another();
    let writer = thread::spawn(move || {
        for nth in 0..PIPELINED {
            wire.send(match nth % 3 {
                0 => format!("POST /{nth} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
                1 => format!("GET /{nth} HTTP/1.1\r\nHost: a\r\n\r\n"),
                _ => format!(
                    "PUT /{nth} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                     4\r\nbody\r\n0\r\n\r\n"
                ),
            });
        }
        wire.finish();
    });
    for nth in 0..PIPELINED {
        let answer = reader.read_response("GET").expect("an answer");
        let expected = match nth % 3 {
            1 => format!("/{nth}  x"),
            _ => format!("/{nth} body x"),
        };
        assert!(answer.text().starts_with(&expected), "{nth}: {answer:?}");
    }
    writer.join().unwrap();
    let (rest, end) = reader.read_to_end();
    assert_eq!((rest.len(), then(end)), (0, Then::Closes));
    let grown = stand.lb.usage().peak_rss_kib() - before;
    assert!(grown <= MAX_GROWTH_KIB, "grown by {grown} KiB");
    stand.assert_sound(None);
}

/// A client that sends without end and reads nothing is held back, not buffered for.
#[test]
fn client_that_does_not_read_cannot_pile_up_responses() {
    let mut stand = Stand::new();
    let mut client = stand.connect();
    let before = stand.lb.usage().peak_rss_kib();
    client.set_patience(std::time::Duration::from_millis(300));
    let batch = PLAIN.asks.repeat(500);
    let mut sent = 0;
    while sent < 2_000_000 && client.try_send(batch.as_bytes()).is_ok() {
        sent += 500;
    }
    assert!(sent < 2_000_000, "the client was not held back");
    let grown = stand.lb.usage().peak_rss_kib() - before;
    assert!(grown <= MAX_GROWTH_KIB, "grown by {grown} KiB");
    stand.assert_sound(Some(client));
}

/// RFC 9112, section 9.6: ending the sending side means that no request follows, not that nothing
/// more is read.
#[test]
fn client_that_half_closes_after_its_requests_gets_every_response() {
    let mut stand = Stand::scripted(|wire| {
        if wire.read_request().is_none() {
            return Then::Closes;
        }
        // The end of the client's side arrives long before this.
        wire.set_patience(std::time::Duration::from_millis(20));
        wire.peek(1);
        wire.set_patience(super::stand::PATIENCE);
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Then::Stays
    });
    for requests in [1, 3] {
        let mut client = stand.connect();
        client.send(PLAIN.asks.repeat(requests));
        client.finish();
        for _ in 0..requests {
            assert_eq!(client.receive().text(), "ok");
        }
        client.assert_closed();
        stand.assert_sound(None);
    }
    let mut client = stand.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    client.finish();
    assert_eq!(client.receive().text(), "ok");
    client.assert_closed();
    stand.assert_sound(None);
}

/// RFC 9112, section 8: a request that breaks off is no request.
#[test]
fn a_client_that_ends_within_a_request_is_not_served() {
    let mut stand = Stand::new();
    for part in ["GET / HTTP/1.1\r\nHost: a\r\n", "GET / HT", "\r\n\r\nGET"] {
        let mark = stand.mark();
        let mut client = stand.connect();
        client.send(part);
        client.finish();
        let answer = client.receive();
        assert_eq!(answer.status, 400, "{part:?}");
        client.assert_closed();
        assert_eq!(stand.arrived_since(&mark), "", "{part:?}");
        stand.assert_sound(None);
    }
    let bodies = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1",
    ];
    for part in bodies {
        let mut client = stand.connect();
        client.send(part);
        client.finish();
        let (received, end) = client.read_to_end();
        let received = String::from_utf8_lossy(&received);
        assert!(!received.contains(" 200 "), "{part:?}: {received}");
        assert_ne!(then(end), Then::Stays, "{part:?}");
        stand.assert_sound(None);
    }
}

/// RFC 9112, section 2.2: however it is cut, a message is the same message.
#[test]
fn requests_that_trickle_in_are_served_like_others() {
    let mut stand = Stand::new();
    let mut client = stand.connect();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;x=y\r\nhello\r\n0\r\nX: 1\r\n\r\n";
    let both = [request, PLAIN.asks].concat();
    let mark = stand.mark();
    both.bytes().for_each(|byte| client.send([byte]));
    assert_eq!(
        (client.receive().text(), client.receive().text()),
        ("ok".into(), "ok".into())
    );
    let arrived = stand.arrived_since(&mark);
    assert!(
        arrived.contains("\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\nGET / "),
        "{arrived}"
    );
    sings(&mut client).unwrap();
    stand.assert_sound(Some(client));
    assert_relayed(&mut stand, &[PLAIN]);
}

/// Responses to one client do not reach another, however their requests interleave.
#[test]
fn alternating_clients_get_their_own_responses() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--backend-max-connections", "2"]);
    let mut clients: Vec<Client> = (0..10).map(|_| lb.connect()).collect();
    for round in 0..20 {
        for (who, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{who}/{round} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        for (who, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.receive().text(), format!("GET /{who}/{round}"));
        }
    }
}
