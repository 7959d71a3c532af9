//! Threads beside one another: the lines of the log stay whole, each has a strategy of its own, and
//! if one fails all end.

use super::{CLIENTS, REQUESTS_EACH, ask_many, two_workers};
use crate::support::{Backend, Client, Lb, Pi, until};
use lb::Balancer;
use lb::internal::telemetry::LOG_FIELDS;
use lb::strategy::{BackendId, Candidate, RoundRobin, Strategy};
use lb::time::Timestamp;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn access_log_has_whole_lines_from_all_workers() {
    let pi = Pi::start_many(2);
    let mut command = Lb::command(
        &Pi::addresses(&pi),
        &["--workers", "2", "--access-log", "text"],
    );
    let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
    let mut stdout = lb.stdout.take().expect("a pipe");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).expect("text");
        text
    });
    ask_many(lb.address);
    let said = lb.terminate().stderr;
    let text = reader.join().unwrap();
    assert_eq!(text.lines().count(), CLIENTS * REQUESTS_EACH);
    for line in text.lines() {
        // There is one pool, so its field is left out.
        assert_eq!(line.split(' ').count(), LOG_FIELDS.len() - 1, "{line}");
        assert!(
            line.starts_with("time=") && line.ends_with(" reason=ok"),
            "{line}"
        );
    }
    let workers = said
        .lines()
        .find(|line| line.starts_with("workers "))
        .unwrap();
    let (_, exchanges) = workers.split_once("exchanges ").unwrap();
    let exchanges: Vec<usize> = exchanges.split(' ').map(|n| n.parse().unwrap()).collect();
    assert_eq!(exchanges.iter().sum::<usize>(), CLIENTS * REQUESTS_EACH);
    assert!(exchanges.iter().all(|count| *count > 0), "{workers}");
}

/// Picks at random, and remembers its worker.
struct OfWorker(usize, RoundRobin, Arc<AtomicUsize>);

impl Strategy for OfWorker {
    fn name(&self) -> &'static str {
        "of-worker"
    }

    fn pick(&mut self, candidates: &[Candidate], key: u64, now: Timestamp) -> Option<BackendId> {
        let panics_at = self.2.load(Ordering::SeqCst);
        assert_ne!(self.0, panics_at, "a strategy that fails on purpose");
        self.1.pick(candidates, key, now)
    }
}

#[test]
fn each_worker_has_a_strategy_of_its_own_and_if_one_fails_all_end() {
    let backend = Backend::echo();
    let config = two_workers(&[backend.address], |_| {});
    let panics_at = Arc::new(AtomicUsize::new(usize::MAX));
    let strategy = |worker| {
        let panics_at = Arc::clone(&panics_at);
        Box::new(OfWorker(worker, RoundRobin::default(), panics_at)) as Box<dyn Strategy>
    };
    let running = Balancer::bind_with(&config, strategy)
        .unwrap()
        .spawn()
        .unwrap();
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    panics_at.store(1, Ordering::SeqCst);
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("all have ended", || running.snapshot().is_none());
    let error = running.stop().unwrap_err().to_string();
    assert_eq!(error, "a worker's thread panicked");
}
