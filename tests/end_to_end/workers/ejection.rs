//! Findings of one worker about a backend apply in all.

use super::CLIENTS;
use crate::support::{Lb, Pi, until};
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[test]
fn a_killed_backend_costs_no_request_and_is_ejected_once() {
    let mut pi = Pi::start_many(4);
    let lb = Lb::start(&Pi::addresses(&pi), &["--workers", "2"]);
    let (killed, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let victim = pi[1].address;
    let ask = || {
        let mut client = lb.connect();
        let mut after = 0;
        while after < 20 {
            let answer = client.get("/5");
            assert_eq!(answer.status, 200, "{answer:?}");
            asked.fetch_add(1, Ordering::Relaxed);
            after += usize::from(killed.load(Ordering::Relaxed));
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        until("all are at it", || asked.load(Ordering::Relaxed) > 100);
        drop(pi.remove(1));
        killed.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    });
    let said = lb.terminate().stderr;
    let ejected = format!("lb: {victim} healthy -> ejected: ");
    assert_eq!(said.matches(&ejected).count(), 1, "{said}");
}

/// Checks are the first worker's, and waiting is not: a worker with waiting exchanges requests a
/// check, and its result helps the exchanges of all workers.
#[test]
fn a_backend_that_hangs_is_found_whichever_worker_waits_for_it() {
    let pi = Pi::start_many(2);
    let args = ["--workers", "2", "--strategy", "n-to-1", "--health", "http"];
    let often = ["--health-interval", "300ms", "--health-timeout", "300ms"];
    let lb = Lb::start(&Pi::addresses(&pi), &[&args[..], &often].concat());
    let mut clients: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/2").field("x-served-by"), Some("pi-0"));
    }
    pi[0].freeze();
    for client in &mut clients {
        client.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut clients {
        let answer = client.receive();
        assert_eq!(
            (answer.status, answer.field("x-served-by")),
            (200, Some("pi-1"))
        );
    }
    pi[0].signal(Signal::CONT);
    let said = lb.terminate().stderr;
    let ejected = format!("lb: {} healthy -> ejected: ", pi[0].address);
    assert_eq!(said.matches(&ejected).count(), 1, "{said}");
}
