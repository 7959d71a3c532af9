//! Responses that are missing, truncated or malformed, and the view of the client.
//!
//! Where there are two backends the strategy is `n-to-1`, so that the faulty one is tried first.

use crate::support::{Backend, End, IN_ORDER, Lb, Refusing, Stopwatch, Wire};
use std::time::Duration;

#[test]
fn when_all_backends_close_the_client_gets_a_502() {
    let faulty = Backend::breaking_off("");
    let lb = Lb::start(&[faulty.address], &[]);
    let mut client = lb.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.text().contains("backend_gone"), "{answer:?}");
    }
}

/// The client must not take a part for the whole.
#[test]
fn a_body_that_breaks_off_is_not_ended_in_order() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n";
    let in_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nonly this";
    for part in [length, chunked, in_chunk] {
        for faulty in [Backend::breaking_off(part), Backend::resetting(part)] {
            let good = Backend::echo();
            let lb = Lb::start(&[faulty.address, good.address], &IN_ORDER);
            let broken = lb.connect().get_broken("/");
            let head = broken.part.expect("a head");
            assert!("only this".starts_with(&head.text()), "{head:?}");
            assert_ne!(broken.end, End::Silent);
            assert_eq!(good.connections(), 0, "what was begun is not repeated");
        }
    }
}

/// A body without a length ends by closing; so if it breaks off, the client must see a break.
#[test]
fn a_body_without_a_length_that_breaks_off_is_not_ended_in_order() {
    let faulty = Backend::resetting("HTTP/1.1 200 OK\r\n\r\nonly this");
    let lb = Lb::start(&[faulty.address], &[]);
    let broken = lb.connect().get_broken("/");
    assert_ne!(broken.end, End::Silent);

    let mut old = lb.connect();
    old.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    let broken = old.try_receive().expect_err("it broke off");
    assert_eq!(broken.end, End::Reset, "{broken:?}");
}

#[test]
fn unsolicited_bytes_spoil_a_pooled_connection() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let backend = Backend::start(move |mut wire, _| {
        while wire.read_request().is_some() {
            wire.send([answer, forged].concat());
        }
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "ok");
    }
}

#[test]
fn a_response_that_cannot_be_trusted_becomes_a_502() {
    for head in [
        "no HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let faulty = Backend::answering(|_| head.into());
        let lb = Lb::start(&[faulty.address], &[]);
        let mut client = lb.connect();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.status, 502, "{head:?}: {answer:?}");
            assert!(answer.text().contains("bad_response"), "{answer:?}");
        }
    }
}

#[test]
fn backend_that_does_not_respond_in_time_becomes_a_504() {
    let silent = Backend::start(|mut wire: Wire, _| {
        wire.read_to_end();
    });
    let good = Backend::echo();
    let args = [&IN_ORDER[..], &["--server-timeout", "300ms"]].concat();
    let lb = Lb::start(&[silent.address, good.address], &args);
    let mut client = lb.connect();
    let watch = Stopwatch::start();
    let answer = client.get("/slow");
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.text().contains("backend_timeout"), "{answer:?}");
    assert!(watch.elapsed() >= Duration::from_millis(300));
    assert!(watch.elapsed() < Duration::from_secs(3));
    assert_eq!(good.times_received("/slow"), 0, "it may still be at work");
}

#[test]
fn a_body_that_stops_coming_is_broken_off_in_time() {
    let stalls = Backend::start(|mut wire, _| {
        if wire.read_request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
            wire.read_to_end();
        }
    });
    let lb = Lb::start(&[stalls.address], &["--server-timeout", "300ms"]);
    let watch = Stopwatch::start();
    let broken = lb.connect().get_broken("/");
    assert_eq!(broken.part.expect("a head").text(), "only this");
    assert_ne!(broken.end, End::Silent);
    assert!(watch.elapsed() < Duration::from_secs(3));
}

#[test]
fn unreachable_backends_give_503_with_retry_after() {
    let refusing = [Refusing::new(), Refusing::new()];
    let lb = Lb::start(&[refusing[0].address, refusing[1].address], &[]);
    let mut client = lb.connect();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!(answer.status, 503, "{answer:?}");
        let wait = answer.field("retry-after").expect("a time to wait");
        assert!(wait.parse::<u32>().is_ok(), "{wait}");
        let length = answer.message.content_length();
        assert_eq!(length, Some(answer.message.body.len()));
        let page = answer.text();
        assert!(page.starts_with("503 Service Unavailable\n"), "{page}");
        let content_type = answer.field("content-type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"));
        assert_eq!(answer.field("connection"), None, "it stays open");
    }
    let answer = client.post("/", b"a body that was read");
    assert_eq!(answer.status, 503);
    assert_eq!(client.get("/").status, 503, "and still stays open");
}
