//! At `--max-connections`, unused connections make room for newcomers.

use crate::support::{Backend, Client, Gate, Lb, stays, until};
use std::time::Duration;

/// Longer than an idle connection is spared.
const SPARED: Duration = Duration::from_millis(300);

fn limited(backend: &Backend, more: &[&str]) -> Lb {
    let limit = ["--max-connections", "8", "--keep-alive-timeout", "1m"];
    Lb::start(&[backend.address], &[&limit[..], more].concat())
}

#[test]
fn the_longest_idle_connection_is_closed_for_a_newcomer() {
    for workers in ["1", "2"] {
        let backend = Backend::echo();
        let lb = limited(&backend, &["--workers", workers]);
        let mut idle: Vec<_> = (0..8).map(|_| lb.connect()).collect();
        for client in &mut idle {
            assert_eq!(client.get("/first").status, 200);
        }
        stays("they are idle", SPARED, || true);
        // The first is the most recently used now.
        assert_eq!(idle[0].get("/again").status, 200);
        for _ in 0..4 {
            assert_eq!(lb.connect().get("/new").status, 200, "{workers} workers");
        }
        assert_eq!(idle[0].get("/still").status, 200);
    }
}

/// Connections on which nothing was ever sent are idle as well.
#[test]
fn silent_connections_do_not_keep_out_those_that_ask() {
    let backend = Backend::echo();
    let lb = limited(&backend, &[]);
    let silent: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    stays("they are idle", SPARED, || true);
    let mut clients: Vec<_> = (0..6).map(|_| lb.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/new").status, 200);
    }
    drop(silent);
}

#[test]
fn connections_with_a_request_under_way_are_not_closed_for_a_newcomer() {
    let gate = Gate::default();
    let backend = Backend::answering({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
        }
    });
    let lb = limited(&backend, &[]);
    let mut busy: Vec<Client> = (0..8).map(|_| lb.connect()).collect();
    for client in &mut busy {
        client.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("all are at the backend", || {
        backend.times_received("/busy") == 8
    });
    let mut newcomer = lb.connect();
    newcomer.send("GET /new HTTP/1.1\r\nHost: x\r\n\r\n");
    stays("the newcomer waits", SPARED, || {
        backend.times_received("/new") == 0
    });
    gate.open();
    for client in &mut busy {
        assert_eq!(client.receive().status, 200);
    }
    assert_eq!(newcomer.receive().status, 200, "one of them made room");
}

/// Each bad request leaves a connection that lingers for seconds as its client does not close it.
#[test]
fn lingering_connections_make_room_first() {
    let backend = Backend::echo();
    let lb = limited(&backend, &[]);
    let mut kept = lb.connect();
    assert_eq!(kept.get("/kept").status, 200);
    stays("it is idle", SPARED, || true);
    let mut lingering = Vec::new();
    for _ in 0..40 {
        let mut client = lb.connect();
        client.send("BAD\x01 / HTTP/1.1\r\n\r\nand more of it");
        assert_eq!(client.receive().status, 400);
        lingering.push(client);
    }
    assert_eq!(lb.connect().get("/new").status, 200);
    assert_eq!(kept.get("/still").status, 200, "the idle one was spared");
}

#[test]
fn heads_that_never_end_do_not_keep_out_those_that_ask() {
    for workers in ["1", "2"] {
        let backend = Backend::echo();
        let timeout = ["--head-timeout", "10m", "--workers", workers];
        let lb = limited(&backend, &timeout);
        let mut partial: Vec<_> = (0..8).map(|_| lb.connect()).collect();
        for client in &mut partial {
            client.send("GET /slow HTTP/1.1\r\nHost:");
        }
        let mut clients: Vec<_> = (0..4).map(|_| lb.connect()).collect();
        for client in &mut clients {
            client.send("GET /new HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.receive().status, 200, "{workers} workers");
        }
        drop(partial);
    }
}
