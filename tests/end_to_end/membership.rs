//! Backends that come and go under load.

use crate::support::{Backend, until};
use lb::config::{BackendSpec, Config};
use lb::strategy::{RoundRobin, StrategySpec};
use lb::{AdminError, BackendRef, Balancer, Entrance, Running};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const ROUNDS: usize = 100;
const PER_ROUND: usize = 5;
const CLIENTS: usize = 4;
/// Longer than any exchange.
const DRAIN: Duration = Duration::from_secs(60);

fn start(backends: &[&Backend], strategy: StrategySpec, workers: usize) -> Running {
    let specs = backends
        .iter()
        .map(|it| it.address.to_string().parse().unwrap());
    let mut config = match backends.is_empty() {
        true => Config::empty(),
        false => Config::new(specs).unwrap(),
    };
    config
        .set_listeners(["127.0.0.1:0".parse().unwrap()])
        .unwrap();
    config.set_strategy(&strategy);
    config.workers = workers.to_string().parse().unwrap();
    Balancer::bind(&config).unwrap().spawn().unwrap()
}

fn spec(backend: &Backend) -> BackendSpec {
    backend.address.to_string().parse().unwrap()
}

/// Requests that a backend was picked for; `None` if it does not belong to the pool.
fn picks(lb: &Running, name: &str) -> Option<u64> {
    let snapshot = lb.snapshot().expect("it runs");
    let found = snapshot.backends.iter().find(|it| it.name == name);
    found.map(|backend| backend.picks)
}

/// 500 backends come and go while clients send requests without a pause: every one is served.
fn come_and_go(strategy: StrategySpec, workers: usize) {
    let servers: Vec<_> = (0..=PER_ROUND).map(|_| Backend::echo()).collect();
    let (stays, others) = servers.split_first().unwrap();
    let lb = start(&[stays], strategy, workers);
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = lb.addresses()[0];
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = crate::support::Client::connect(address);
                while !is_over.load(SeqCst) {
                    assert_eq!(client.get("/").status, 200);
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        // Ends the clients when this thread fails, too.
        let _over = SetOnDrop(&is_over);
        let handle = lb.handle();
        for round in 0..ROUNDS {
            let names: Vec<_> = (0..PER_ROUND).map(|n| format!("b{n}-{round}")).collect();
            for (name, server) in names.iter().zip(others) {
                let entrance = match round % 2 {
                    0 => Entrance::Trial,
                    _ => Entrance::Warm,
                };
                handle.add(&spec(server), Some(name), entrance).unwrap();
            }
            until("every newcomer is picked", || {
                names
                    .iter()
                    .all(|name| picks(&lb, name).is_some_and(|n| n > 0))
            });
            for name in &names {
                handle
                    .remove(BackendRef::Name(name.clone()), DRAIN)
                    .unwrap();
            }
            until("all are gone", || {
                names.iter().all(|name| picks(&lb, name).is_none())
            });
        }
    });
    let answered = answered.load(SeqCst);
    let ended = lb.stop().unwrap();
    assert_eq!(ended.snapshot.backends.len(), 1);
    assert_eq!(ended.snapshot.totals.exchanges, answered);
    assert_eq!(ended.snapshot.totals.errors, 0);
    assert!(answered as usize > ROUNDS * PER_ROUND, "{answered}");
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn five_hundred_come_and_go_with_one_worker() {
    come_and_go(RoundRobin::ENTRY.spec(), 1);
}

#[test]
fn five_hundred_come_and_go_with_four_workers() {
    come_and_go(StrategySpec::default(), 4);
}

#[test]
fn empty_pool_queues_requests_until_a_backend_is_added() {
    let server = Backend::echo();
    for workers in [1, 2] {
        let lb = start(&[], "uri-hash".parse().unwrap(), workers);
        let mut clients: Vec<_> = (0..4)
            .map(|_| crate::support::Client::connect(lb.addresses()[0]))
            .collect();
        for client in &mut clients {
            client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        let handle = lb.handle();
        until("the requests wait", || {
            let snapshot = lb.snapshot().unwrap();
            snapshot.connections_open == 4 && snapshot.totals.exchanges == 0
        });
        handle.add(&spec(&server), None, Entrance::Warm).unwrap();
        for client in &mut clients {
            assert_eq!(client.receive().status, 200);
        }
        lb.stop().unwrap();
    }
}

#[test]
fn exchange_over_the_drain_timeout_is_cut_off_or_redispatched() {
    let hanging = Backend::start(|mut wire, _| {
        wire.read_request();
        let _ = wire.read_to_end();
    });
    for workers in [1, 3] {
        let lb = start(&[&hanging], RoundRobin::ENTRY.spec(), workers);
        let handle = lb.handle();
        let name = hanging.address.to_string();
        let mut clients: Vec<_> = ["GET", "POST"]
            .map(|method| {
                let mut client = crate::support::Client::connect(lb.addresses()[0]);
                client.send(format!(
                    "{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                ));
                client
            })
            .into_iter()
            .collect();
        let in_flight = || lb.snapshot().unwrap().backends[0].in_flight;
        until("both are in flight", || in_flight() == 2);
        let events = lb.events();
        let other = Backend::echo();
        handle
            .add(&spec(&other), Some("other"), Entrance::Warm)
            .unwrap();
        handle
            .remove(name.as_str(), Duration::from_millis(200))
            .unwrap();
        assert_eq!(clients[0].receive().status, 200, "it is repeated elsewhere");
        assert_eq!(clients[1].receive().status, 502, "it may not be repeated");
        let lines: Vec<_> = events
            .iter()
            .map(|change| change.to_string())
            .take_while(|line| !line.contains("removed:"))
            .collect();
        assert!(
            lines[0].ends_with("initial -> draining: it is to be removed"),
            "{lines:?}"
        );
        until("it is gone", || picks(&lb, &name).is_none());
        assert_eq!(handle.remove(name.as_str(), DRAIN), unknown(&name));
        lb.stop().unwrap();
    }
}

fn unknown<T>(name: &str) -> Result<T, AdminError> {
    Err(AdminError::UnknownBackend(name.into()))
}

#[test]
fn invalid_addition_is_refused_with_its_reason() {
    let server = Backend::echo();
    let lb = start(&[&server], RoundRobin::ENTRY.spec(), 1);
    let handle = lb.handle();
    let said = |result: Result<_, AdminError>| result.map(|_| ()).unwrap_err().to_string();
    let name = server.address.to_string();
    assert_eq!(
        said(handle.add(&spec(&server), None, Entrance::Warm)),
        format!("there is a backend {name} already; remove it first, or choose another name")
    );
    let own: BackendSpec = lb.addresses()[0].to_string().parse().unwrap();
    assert_eq!(
        said(handle.add(&own, None, Entrance::Warm)),
        format!(
            "{}: lb itself listens there; name another server",
            own.address
        )
    );
    let nowhere: BackendSpec = "no.such.name.invalid:1".parse().unwrap();
    let unresolved = said(handle.add(&nowhere, None, Entrance::Warm));
    assert!(unresolved.contains("no.such.name.invalid"), "{unresolved}");
    lb.stop().unwrap();
}
