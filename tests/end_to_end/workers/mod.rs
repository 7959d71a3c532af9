//! Several workers in one process: to clients, backends and the operator they are one.

mod ejection;
mod limits;
mod orders;
mod shares;
mod threads;

use crate::support::{Backend, Gate, ask_at_once};
use lb::Running;
use lb::config::{Config, Workers};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Long enough to see that nothing happens.
const WHILE: Duration = Duration::from_millis(200);
/// After this, what is waited for is taken not to come.
const PATIENCE: Duration = Duration::from_secs(20);

const CLIENTS: usize = 8;
const REQUESTS_EACH: usize = 40;

/// Two workers in this process.
fn two_workers(backends: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Config {
    let specs = backends.iter().map(|at| at.to_string().parse().unwrap());
    let mut config = Config::new(specs).unwrap();
    config.workers = Workers::new(2).unwrap();
    config
        .set_listeners(["127.0.0.1:0".parse().unwrap()])
        .unwrap();
    change(&mut config);
    config
}

fn open_connections(running: &Running) -> Vec<u64> {
    let workers = running.snapshot().expect("it runs").workers;
    workers
        .iter()
        .map(|worker| worker.connections_open)
        .collect()
}

/// Several clients send requests at once, `REQUESTS_EACH` each. Returns the requests served by each
/// server.
fn ask_many(address: SocketAddr) -> BTreeMap<String, usize> {
    ask_at_once(address, CLIENTS, REQUESTS_EACH)
}

/// Responds to each request when the gate is open.
fn held(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::answering(move |_| {
        gate.wait();
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld".to_vec()
    })
}
