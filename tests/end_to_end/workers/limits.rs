//! Limits and the queue are of all workers together.

use super::{CLIENTS, PATIENCE, REQUESTS_EACH, WHILE, ask_many};
use crate::support::{Backend, Client, Gate, Lb, Stopwatch, stays, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Backends that work on one request at a time, and say how many they had at once at most.
fn single_threaded(most: &Arc<AtomicUsize>) -> Backend {
    let (now, most) = (AtomicUsize::new(0), Arc::clone(most));
    Backend::answering(move |_| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_micros(300) {
            thread::yield_now();
        }
        now.fetch_sub(1, Ordering::SeqCst);
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Served-By: it\r\n\r\n".to_vec()
    })
}

/// Twice as many clients as places, over two workers: all are served, from one line.
#[test]
fn a_limit_and_the_queue_hold_over_all_workers() {
    let most = Arc::default();
    let backends: Vec<_> = (0..4).map(|_| single_threaded(&most)).collect();
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    for strategy in ["least-conn", "least-rt", "round-robin"] {
        let args = ["--workers", "2", "--backend-max-connections", "1"];
        let lb = Lb::start(&addresses, &[&args[..], &["--strategy", strategy]].concat());
        let served = ask_many(lb.address);
        assert_eq!(served.values().sum::<usize>(), CLIENTS * REQUESTS_EACH);
        assert_eq!(most.load(Ordering::SeqCst), 1, "{strategy}");
        let ended = lb.terminate();
        assert!(
            ended.stderr.contains("faults       none"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn more_than_the_queue_holds_are_refused_whichever_worker_they_are_at() {
    let gate = Gate::default();
    let backend = Backend::start({
        let gate = gate.clone();
        move |mut wire, _| {
            while wire.read_request().is_some() {
                gate.wait();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let args = [
        "--workers",
        "2",
        "--backend-max-connections",
        "1",
        "--queue-limit",
        "3",
    ];
    let lb = Lb::start(&[backend.address], &args);
    let mut clients: Vec<_> = (0..12).map(|_| lb.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    // One is at the backend and three wait; a refused one gets its response at once.
    let patience = |client: &mut Client, patience| client.set_patience(patience);
    let mut waiting = clients;
    let mut refused = 0;
    until("eight are refused", || {
        waiting.retain_mut(|client| {
            patience(client, Duration::from_millis(20));
            match client.try_receive() {
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{answer:?}");
                    refused += 1;
                    false
                }
                Err(_) => true,
            }
        });
        refused == 8
    });
    gate.open();
    assert_eq!(waiting.len(), 4);
    for mut client in waiting {
        patience(&mut client, PATIENCE);
        assert_eq!(client.receive().status, 200);
    }
}

/// The worker that closes a connection may be another than the one that has one waiting.
#[test]
fn no_more_connections_than_allowed_over_all_and_the_next_comes_when_one_is_closed() {
    let backend = Backend::echo();
    let args = ["--workers", "2", "--max-connections", "4"];
    let lb = Lb::start(&[backend.address], &args);
    let mut open: Vec<_> = (0..4).map(|_| lb.connect()).collect();
    for client in &mut open {
        // Connections on which a request has begun do not make room for newcomers.
        assert_eq!(client.get("/in").status, 200);
        client.send("GET /in HTTP/1.1\r\n");
    }
    let mut waiting: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    for client in &mut waiting {
        client.send("GET /waits HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    stays("they wait", WHILE, || backend.times_received("/waits") == 0);
    // Each that is served leaves its place to another.
    drop(open.remove(0));
    for client in &mut waiting {
        assert_eq!(client.receive().status, 200);
    }
    open[0].send("Host: x\r\n\r\n");
    assert_eq!(open[0].receive().status, 200);
}
