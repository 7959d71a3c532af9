//! Timeouts: a peer that takes too long is given up, and no other.

use crate::support::{Backend, End, Gate, Lb, Stopwatch, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A timeout that is meant to come.
const SHORT: &str = "200ms";
/// Far longer than a test that works takes.
const LONG: Duration = Duration::from_secs(10);

/// A balancer over `backend` whose other timeouts are far away.
fn lb(backend: &Backend, flag: &str) -> Lb {
    Lb::start(&[backend.address], &["--client-timeout", "1m", flag, SHORT])
}

#[test]
fn client_that_drips_its_head_gets_408() {
    let backend = Backend::echo();
    let lb = lb(&backend, "--head-timeout");
    let mut client = lb.connect();
    client.set_patience(Duration::from_millis(20));
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nX: ");
    let answer = loop {
        if client.try_send(b"x").is_err() || watch.elapsed() > LONG {
            panic!("not answered");
        }
        match client.read_head() {
            Err(End::Silent) => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(answer.word(1), "408");
    assert_eq!(backend.connections(), 0);
}

#[test]
fn silent_client_is_closed_without_a_response() {
    let backend = Backend::echo();
    let lb = lb(&backend, "--keep-alive-timeout");
    lb.connect().assert_closed();
    let mut client = lb.connect();
    assert_eq!(client.get("/").status, 200);
    client.assert_closed();
}

#[test]
fn client_that_stops_in_its_body_gets_408() {
    let backend = Backend::echo();
    let lb = lb(&backend, "--body-timeout");
    let mut client = lb.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n123");
    let answer = client.receive();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.field("connection"), Some("close"));
}

#[test]
fn backend_that_does_not_begin_its_response_times_out_whatever_the_client_sends() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::start(move |mut wire, _| {
        wire.read_request();
        held.wait();
    });
    let lb = lb(&backend, "--first-byte-timeout");
    let mut client = lb.connect();
    client.set_patience(Duration::from_millis(20));
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let watch = Stopwatch::start();
    let answer = loop {
        assert!(watch.elapsed() < LONG, "pipelining bought time");
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        match client.read_head() {
            Err(End::Silent) => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(answer.word(1), "504");
    gate.open();
}

#[test]
fn backend_that_stops_in_its_response_is_cut_off() {
    let gate = Gate::default();
    let held = gate.clone();
    let backend = Backend::start(move |mut wire, _| {
        wire.read_request();
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123");
        held.wait();
    });
    let lb = Lb::start(
        &[backend.address],
        &["--server-timeout", SHORT, "--first-byte-timeout", "1m"],
    );
    let mut client = lb.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let broken = client.try_receive().unwrap_err();
    assert_eq!(broken.part.unwrap().body, b"123");
    gate.open();
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_its_backend_let_go() {
    let let_go = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&let_go);
    let backend = Backend::start(move |mut wire, _| {
        wire.read_request();
        wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while wire.try_send(&[b'x'; 64 * 1024]).is_ok() {}
        told.store(true, Ordering::SeqCst);
    });
    let lb = lb(&backend, "--write-timeout");
    let mut client = lb.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    until("the backend is let go", || let_go.load(Ordering::SeqCst));
    drop(client);
}

#[test]
fn client_below_the_min_body_rate_gets_408_though_it_never_stops() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &["--min-body-rate", "1000"]);
    let mut client = lb.connect();
    client.set_patience(Duration::from_millis(100));
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    let watch = Stopwatch::start();
    let answer = loop {
        assert!(watch.elapsed() < 2 * LONG, "never given up");
        client.send("x");
        match client.read_head() {
            Err(End::Silent) => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(answer.word(1), "408");
    assert!(watch.elapsed() > Duration::from_secs(9), "no grace");
}
