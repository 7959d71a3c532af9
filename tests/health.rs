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

#[test]
fn a_server_that_hangs_is_taken_out_and_those_it_caught_are_answered_by_others() {
    let pi = Pi::start_many(4);
    let lb = Lb::start(&Pi::addresses(&pi), &FAST);
    under_load(&lb, "/20", |answered| {
        until("load", || answered.load(Ordering::Relaxed) > 100);
        pi[2].signal(Signal::STOP);
        let since = Stopwatch::start();
        let name = pi[2].address.to_string();
        until("it is ejected", || has_gone(&lb, &name, "ejected"));
        let took = since.elapsed();
        assert!(took < Duration::from_millis(2_000), "{took:?}");
        let before = answered.load(Ordering::Relaxed);
        until("all clients are served", || {
            answered.load(Ordering::Relaxed) > before + 100
        });
        pi[2].signal(Signal::CONT);
        until("it is back", || has_gone(&lb, &name, "healthy"));
    });
}

#[test]
fn a_server_that_fails_fast_draws_no_traffic_under_any_strategy() {
    let bad = Backend::answering(|_| b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec());
    let pi: Vec<_> = (0..3)
        .map(|nth| {
            Pi::start(
                &format!("pi-{nth}"),
                &["--term-us", "1000", "--threads", "8"],
            )
        })
        .collect();
    for entry in ENTRIES.iter().filter(|entry| entry.argument.is_none()) {
        let backends = [&[bad.address], &*Pi::addresses(&pi)].concat();
        let lb = Lb::start(&backends, &["--strategy", entry.name]);
        let (mut failed, mut asked) = (0, 0);
        let since = Stopwatch::start();
        let mut client = lb.connect();
        while since.elapsed() < Duration::from_millis(2_500) {
            let status = client.get(&format!("/{}", 2 + asked % 3)).status;
            if since.elapsed() > Duration::from_secs(2) {
                failed += usize::from(status == 500);
                asked += 1;
            } else {
                asked = 0;
            }
        }
        assert!(failed * 20 < asked, "{}: {failed} of {asked}", entry.name);
    }
}

#[test]
fn when_all_are_down_that_is_said_at_once_and_costs_nothing() {
    let (one, other) = (Refusing::new(), Refusing::new());
    let lb = Lb::start(&[one.address, other.address], &FAST);
    let mut client = lb.connect();
    let since = Stopwatch::start();
    for _ in 0..100 {
        assert_eq!(client.get("/1").status, 503);
    }
    let each = since.elapsed() / 100;
    assert!(each < Duration::from_millis(5), "{each:?}");
}
