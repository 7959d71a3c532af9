//! Threads beside one another: the lines of the log stay whole, each has a strategy of its own, and
//! if one fails all end.

use super::{CLIENTS, REQUESTS_EACH, ask_many, two_workers};
use crate::support::{Backend, Client, Lb, Pi, until};
use lb::Balancer;
use lb::internal::telemetry::LOG_FIELDS;
use lb::strategy::{BackendId, Candidate, RoundRobin, Strategy};
use lb::time::Timestamp;
use std::io::Read as _;
use std::panic::panic_any;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Round robin in every worker, until one of them panics.
struct OfWorker {
    worker: usize,
    rule: RoundRobin,
    /// The worker in which a pick panics, and whether the panic can be caught.
    fails: Arc<Mutex<Option<(usize, Panic)>>>,
}

#[derive(Clone, Copy)]
enum Panic {
    Caught,
    /// Its payload panics when it is dropped, beyond what catches a strategy's panics.
    Escapes,
}

struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("a payload that panics on purpose");
    }
}

impl Strategy for OfWorker {
    fn name(&self) -> &'static str {
        "of-worker"
    }

    fn pick(&mut self, candidates: &[Candidate], key: u64, now: Timestamp) -> Option<BackendId> {
        let fails = *self.fails.lock().unwrap_or_else(PoisonError::into_inner);
        match fails {
            Some((worker, Panic::Caught)) if worker == self.worker => {
                panic!("a strategy that panics on purpose")
            }
            Some((worker, Panic::Escapes)) if worker == self.worker => panic_any(Payload),
            _ => self.rule.pick(candidates, key, now),
        }
    }
}

#[test]
fn each_worker_has_a_strategy_of_its_own_and_all_end_when_one_fails() {
    let backend = Backend::echo();
    let config = two_workers(&[backend.address], |_| {});
    let fails = Arc::new(Mutex::new(None));
    let strategy = |worker| -> Box<dyn Strategy> {
        Box::new(OfWorker {
            worker,
            rule: RoundRobin::default(),
            fails: Arc::clone(&fails),
        })
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
    let mut failed = 0;
    for worker in 0..2 {
        *fails.lock().unwrap() = Some((worker, Panic::Caught));
        for client in &mut clients {
            failed += usize::from(client.get("/").status == 503);
        }
    }
    assert_eq!(failed, clients.len(), "each client fails in its own worker");
    *fails.lock().unwrap() = Some((1, Panic::Escapes));
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("all have ended", || running.snapshot().is_none());
    let error = running.stop().unwrap_err().to_string();
    assert_eq!(error, "a worker's thread panicked");
}
