//! TCP mode: whole connections of any protocol, and their ends.

use crate::support::{Backend, Deaf, End, Gate, IN_ORDER, Lb, Refusing, Stopwatch, until};
use std::time::Duration;

/// Sends back all that comes, when it has come to its end.
fn responds_at_the_end() -> Backend {
    Backend::start(|mut wire, _| {
        let (received, end) = wire.read_to_end();
        wire.send(format!(
            "{end:?} after {}",
            String::from_utf8_lossy(&received)
        ));
    })
}

#[test]
fn bytes_pass_both_ways_as_they_are() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let backend = Backend::start(|mut wire, _| {
        let mut received = Vec::new();
        while wire.read_exact(256, &mut received).is_ok() {
            wire.send(&received);
            received.clear();
        }
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let mut client = lb.connect();
    for _ in 0..10 {
        client.send(&every_byte);
        let mut returned = Vec::new();
        client.read_exact(256, &mut returned).expect("an echo");
        assert_eq!(returned, every_byte);
    }
}

#[test]
fn a_client_that_has_finished_sending_still_receives() {
    let backend = responds_at_the_end();
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let mut client = lb.connect();
    client.send("a question");
    client.finish();
    let (answer, end) = client.read_to_end();
    assert_eq!(String::from_utf8_lossy(&answer), "Closed after a question");
    assert_eq!(end, End::Closed);
}

#[test]
fn a_backend_that_has_finished_sending_still_receives() {
    let backend = Backend::start(|mut wire, _| {
        wire.send("all I have to say");
        wire.finish();
        wire.read_to_end();
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let mut client = lb.connect();
    let (said, end) = client.read_to_end();
    assert_eq!(said, b"all I have to say");
    assert_eq!(end, End::Closed);
    client.send("but I have more");
    client.finish();
    until("the rest arrives", || {
        backend.received(0) == b"but I have more"
    });
}

#[test]
fn a_backend_that_speaks_first_is_heard() {
    let backend = Backend::start(|mut wire, _| {
        wire.send("220 ready\r\n");
        let (heard, _) = wire.read_to_end();
        assert_eq!(heard, b"QUIT\r\n");
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let mut client = lb.connect();
    let greeting = client.read_through(b"\r\n").expect("a greeting");
    assert_eq!(greeting, b"220 ready\r\n");
    client.send("QUIT\r\n");
    client.finish();
    client.assert_closed();
}

#[test]
fn a_connection_without_a_byte_ends_on_both_sides() {
    let backend = responds_at_the_end();
    let lb = Lb::start_tcp(&[backend.address], &[]);
    let before = lb.usage().open_fds();
    drop(lb.connect());
    until("the backend sees it", || backend.connections() == 1);
    until("both sides are closed", || lb.usage().open_fds() == before);

    let mut client = lb.connect();
    client.finish();
    let (answer, end) = client.read_to_end();
    assert_eq!(String::from_utf8_lossy(&answer), "Closed after ");
    assert_eq!(end, End::Closed);
}

#[test]
fn a_reset_by_the_client_resets_the_backend() {
    let gate = Gate::default();
    let backend = Backend::start({
        let gate = gate.clone();
        move |mut wire, _| {
            wire.send("hello");
            let (_, end) = wire.read_to_end();
            assert_eq!(end, End::Reset);
            gate.open();
        }
    });
    let lb = Lb::start_tcp(&[backend.address], &[]);
    for said in ["", "some bytes"] {
        let mut client = lb.connect();
        let mut greeting = Vec::new();
        client.read_exact(5, &mut greeting).expect("a greeting");
        client.send(said);
        client.into_wire().reset();
        assert!(gate.wait_and_shut(), "after {said:?}");
    }
}

#[test]
fn a_reset_by_the_backend_resets_the_client() {
    for said in ["", "some bytes"] {
        let backend = Backend::start(move |mut wire, _| {
            let mut question = Vec::new();
            wire.read_exact(8, &mut question).expect("a question");
            wire.send(said);
            wire.reset();
        });
        let lb = Lb::start_tcp(&[backend.address], &[]);
        let mut client = lb.connect();
        client.send("question");
        let (_, end) = client.read_to_end();
        assert_eq!(end, End::Reset, "after {said:?}");
        assert_eq!(backend.connections(), 1, "what was begun is not repeated");
    }
}

#[test]
fn a_connection_goes_to_the_first_backend_that_takes_it() {
    let (refusing, deaf) = (Refusing::new(), Deaf::new());
    let backend = responds_at_the_end();
    let args = [&IN_ORDER[..], &["--connect-timeout", "200ms"]].concat();
    let lb = Lb::start_tcp(&[refusing.address, deaf.address, backend.address], &args);
    let mut client = lb.connect();
    client.send("sent before anybody was there");
    client.finish();
    let (answer, _) = client.read_to_end();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert_eq!(answer, "Closed after sent before anybody was there");
}

#[test]
fn client_is_closed_promptly_when_no_backend_can_be_reached() {
    let refusing = Refusing::new();
    let lb = Lb::start_tcp(&[refusing.address], &[]);
    let before = lb.usage().open_fds();
    for _ in 0..20 {
        let watch = Stopwatch::start();
        let (bytes, end) = lb.connect().read_to_end();
        assert_eq!(bytes, b"");
        assert_ne!(end, End::Silent);
        assert!(watch.elapsed() < Duration::from_secs(2));
    }
    until("nothing is left open", || lb.usage().open_fds() == before);
}

#[test]
fn a_tunnel_in_which_nothing_happens_is_closed_in_time() {
    let backend = responds_at_the_end();
    let lb = Lb::start_tcp(&[backend.address], &["--tunnel-timeout", "300ms"]);
    let mut client = lb.connect();
    client.send("a word");
    let watch = Stopwatch::start();
    let (bytes, end) = client.read_to_end();
    assert_eq!(bytes, b"");
    assert_ne!(end, End::Silent);
    assert!(watch.elapsed() >= Duration::from_millis(250));
    assert!(watch.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_upgraded_connection_is_a_tunnel() {
    let backend = Backend::start(|mut wire, _| {
        let request = wire.read_request().expect("a request");
        assert_eq!(request.field("upgrade"), Some("echo"));
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi",
        );
        let (said, end) = wire.read_to_end();
        wire.send(said);
        assert_eq!(end, End::Closed);
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    let answer = client.receive();
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.field("upgrade"), Some("echo"));
    let mut greeting = Vec::new();
    client.read_exact(2, &mut greeting).expect("a greeting");
    assert_eq!(greeting, b"hi");
    client.send("GET / this is no request\r\n\r\n");
    client.finish();
    let (echo, end) = client.read_to_end();
    assert_eq!(echo, b"GET / this is no request\r\n\r\n");
    assert_eq!(end, End::Closed);
}
