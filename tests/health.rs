//! Servers that die, hang, fail and come back, behind the real `lb`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod support;

use lb::balance::registry::ENTRIES;
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Backend, Lb, Pi, Refusing, Stopwatch, until};

const FAST: [&str; 10] = [
    "--health",
    "http",
    "--health-interval",
    "400ms",
    "--health-timeout",
    "300ms",
    "--slow-start",
    "500ms",
    "--strategy",
    "round-robin",
];

/// Clients that ask all the time, on threads of their own, while `story` goes on. Every answer
/// must be a 200. Returns how many there were.
fn under_load(lb: &Lb, target: &str, story: impl FnOnce(&AtomicUsize)) -> usize {
    const CLIENTS: usize = 8;
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = lb.connect();
                    while !over.load(Ordering::Relaxed) {
                        let answer = client.get(target);
                        assert_eq!(answer.status, 200, "{answer:?}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        story(&answered);
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("every answer is a 200");
        }
    });
    answered.into_inner()
}

/// Whether lb has said that `backend` went to this state.
fn has_gone(lb: &Lb, backend: &str, to: &str) -> bool {
    let said = lb.stderr();
    let mut lines = said.lines().filter(|line| line.contains(backend));
    lines.any(|line| line.contains(&format!("-> {to}: ")))
}

#[test]
fn a_server_that_is_killed_and_restarted_costs_no_get() {
    let mut pi = Pi::start_many(4);
    let lb = Lb::start(&Pi::addresses(&pi), &FAST);
    under_load(&lb, "/20", |answered| {
        until("load", || answered.load(Ordering::Relaxed) > 100);
        let killed = pi.remove(1);
        let address = killed.address;
        let name = address.to_string();
        drop(killed);
        until("it is ejected", || has_gone(&lb, &name, "ejected"));
        let _again = Pi::start_at(address.port(), "again", &["--term-us", "0"]);
        let since = Stopwatch::start();
        until("it has its share again", || has_gone(&lb, &name, "healthy"));
        let took = since.elapsed();
        // Two checks at most 400 ms apart, the trial, the slow start; and a busy machine.
        assert!(took < Duration::from_millis(3_000), "{took:?}");
        let before = answered.load(Ordering::Relaxed);
        until("load goes on", || {
            answered.load(Ordering::Relaxed) > before + 100
        });
    });
}

/// Checks every two seconds, as by default.
const INTERVAL: Duration = Duration::from_secs(2);

#[test]
fn a_server_that_hangs_is_taken_out_and_those_it_caught_are_answered_by_others() {
    let pi = Pi::start_many(4);
    let lb = Lb::start(&Pi::addresses(&pi), &["--health", "http"]);
    under_load(&lb, "/20", |answered| {
        until("load", || answered.load(Ordering::Relaxed) > 100);
        pi[2].signal(Signal::STOP);
        let since = Stopwatch::start();
        let name = pi[2].address.to_string();
        until("it is ejected", || has_gone(&lb, &name, "ejected"));
        let took = since.elapsed();
        assert!(took < INTERVAL * 2, "{took:?}");
        let before = answered.load(Ordering::Relaxed);
        until("all clients are served", || {
            answered.load(Ordering::Relaxed) > before + 100
        });
        pi[2].signal(Signal::CONT);
        until("it is picked again", || has_gone(&lb, &name, "warming"));
    });
}

#[test]
fn when_all_are_down_that_is_said_at_once_and_costs_nothing_until_one_is_back() {
    let mut pi = Pi::start_many(4);
    let lb = Lb::start(&Pi::addresses(&pi), &["--health", "http"]);
    lb.assert_serves();
    let port = pi[3].address.port();
    pi.clear();
    let mut client = lb.connect();
    let mut took: Vec<Duration> = (0..101)
        .map(|_| {
            let since = Stopwatch::start();
            assert_eq!(client.get("/1").status, 503);
            since.elapsed()
        })
        .collect();
    took.sort();
    // On a machine that is busy with other things some are late.
    assert!(took[took.len() / 2] < Duration::from_millis(5), "{took:?}");

    let (since, busy) = (Stopwatch::start(), lb.usage().busy());
    stays("all are down", INTERVAL / 2, || {
        client.get("/1").status == 503 || true
    });
    let _ = (since, busy);

    let _back = Pi::start_at(port, "back", &["--term-us", "0"]);
    let since = Stopwatch::start();
    until("it is found", || client.get("/1").status == 200);
    let took = since.elapsed();
    assert!(took < INTERVAL, "{took:?}");
}
