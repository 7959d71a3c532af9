//! Several workers in one process: to clients, backends and the operator they are one.

use crate::support::{Backend, Client, Gate, Lb, Pi, Stopwatch, stays, until};
use lb::balance::{BackendId, Candidate, RoundRobin, Strategy};
use lb::config::{Config, StrategyKind, Workers};
use lb::time::Timestamp;
use lb::{Balancer, Running};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Long enough to see that nothing happens.
const WHILE: Duration = Duration::from_millis(200);
/// After this, what is waited for is taken not to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How unevenly connections may be spread over two workers: see `net/allotment.rs`.
const SLACK: u64 = 3;

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

fn spread(counts: &[u64]) -> u64 {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// Several clients ask at once, each `REQUESTS_EACH` times. Returns who served how many.
fn ask_many(address: SocketAddr) -> BTreeMap<String, usize> {
    let ask = || {
        let mut client = Client::connect(address);
        let ask_once = |_| {
            let answer = client.get("/2");
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.field("x-served-by").expect("a name").to_owned()
        };
        (0..REQUESTS_EACH).map(ask_once).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        let mut served = BTreeMap::new();
        for name in clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
        {
            *served.entry(name).or_default() += 1;
        }
        served
    })
}

#[test]
fn requests_spread_over_backends_as_with_one_worker() {
    let pi: Vec<_> = (0..8)
        .map(|nth| Pi::start(&format!("pi-{nth}"), &["--term-us", "1000"]))
        .collect();
    let even = CLIENTS * REQUESTS_EACH / 8;
    for (strategy, least, most) in [
        // Each worker takes turns of its own, so each may be in the middle of one.
        ("round-robin", even - 2, even + 2),
        ("least-conn", even / 3, even * 2),
        // It learns while it goes: nobody may starve, nobody may be buried.
        ("least-rt", even / 5, even * 2),
    ] {
        let args = ["--strategy", strategy, "--workers", "2"];
        let lb = Lb::start(&Pi::addresses(&pi), &args);
        let served = ask_many(lb.address);
        for server in 0..8 {
            let share = *served.get(&format!("pi-{server}")).unwrap_or(&0);
            assert!((least..=most).contains(&share), "{strategy}: {served:?}");
        }
        let said = lb.terminate().stderr;
        assert!(said.contains("(http, 2 workers)"), "{said}");
        let total = CLIENTS * REQUESTS_EACH;
        assert!(
            said.contains(&format!("exchanges    {total} (2xx {total})")),
            "{said}"
        );
    }
}

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
    // One is at the backend and three wait; who is refused is told at once.
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

/// Checks are the first worker's, and waiting is not: whoever waits has it checked, and what is
/// found helps those who wait at any.
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

/// Answers each request when the gate is open.
fn held(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::answering(move |_| {
        gate.wait();
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld".to_vec()
    })
}

#[test]
fn a_backend_is_drained_when_no_worker_has_anything_there() {
    let gate = Gate::default();
    let (first, second) = (held(&gate), Backend::echo());
    let config = two_workers(&[first.address, second.address], |config| {
        config.strategy = StrategyKind::NToOne;
    });
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    let events = running.events();
    let name = first.address.to_string();
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("all are there", || first.times_received("/held") == 8);
    let open = open_connections(&running);
    assert!(open.iter().all(|open| *open > 0), "{open:?}");

    assert!(running.handle().drain(&name));
    let mut late: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    for client in &mut late {
        assert_eq!(client.get("/late").text(), "GET /late", "it goes elsewhere");
    }
    let told = || {
        let change = events.recv_timeout(PATIENCE).expect("a change");
        (change.name == name).then(|| change.to.word())
    };
    let told_of_first: Vec<_> = std::iter::from_fn(|| Some(told()))
        .flatten()
        .take(1)
        .collect();
    assert_eq!(told_of_first, ["draining"]);
    stays("it is not drained", WHILE, || {
        events.try_iter().all(|change| change.name != name)
    });
    gate.open();
    for client in &mut clients {
        assert_eq!(client.receive().text(), "held");
    }
    let drained = std::iter::from_fn(|| Some(told())).flatten().next();
    assert_eq!(drained, Some("disabled"));
    let snapshot = running.stop().unwrap().snapshot;
    assert_eq!(snapshot.totals.exchanges, 16);
    let picks: Vec<_> = snapshot.backends.iter().map(|b| b.picks).collect();
    assert_eq!(picks, [8, 8]);
}

#[test]
fn weights_and_orders_hold_for_all_workers() {
    let [first, second] = [Backend::echo(), Backend::echo()];
    let config = two_workers(&[first.address, second.address], |config| {
        config.strategy = StrategyKind::RoundRobin;
    });
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    assert!(running.handle().set_weight(&first.address.to_string(), 3));
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::connect(running.addresses()[0]))
        .collect();
    // Those that are asked first may come before the news.
    until("both know", || {
        let before = picks(&running);
        for client in &mut clients {
            for _ in 0..4 {
                assert_eq!(client.get("/").status, 200);
            }
        }
        let after = picks(&running);
        after[0] - before[0] == 24 && after[1] - before[1] == 8
    });
    assert!(!running.handle().drain("nobody:1"));
    running.stop().unwrap();
}

fn picks(running: &Running) -> Vec<u64> {
    let backends = running.snapshot().expect("it runs").backends;
    backends.iter().map(|backend| backend.picks).collect()
}

#[test]
fn told_to_stop_all_finish_what_they_began() {
    let gate = Gate::default();
    let backend = held(&gate);
    let lb = Lb::start(&[backend.address], &["--workers", "2"]);
    let mut idle: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    let mut busy: Vec<_> = (0..8).map(|_| lb.connect()).collect();
    for client in &mut busy {
        client.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    until("the backend is at it", || {
        backend.times_received("/busy") == 8
    });
    until("all are accepted", || {
        lb.signal(Signal::USR1);
        lb.stderr().contains("connections  16 accepted")
    });
    lb.signal(Signal::TERM);
    for client in &mut idle {
        client.assert_closed();
    }
    gate.open();
    for client in &mut busy {
        let answer = client.receive();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (200, Some("close"))
        );
        client.assert_closed();
    }
    let ended = lb.wait();
    assert_eq!(ended.code, Some(0));
    let said = ended.stderr;
    assert!(said.contains("connections  16 accepted, 0 open"), "{said}");
    assert!(said.contains("exchanges    8 (2xx 8)"), "{said}");
}

#[test]
fn the_access_log_has_whole_lines_from_all_workers() {
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
        assert_eq!(line.split(' ').count(), 14, "{line}");
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

#[test]
fn connections_are_spread_evenly_and_stay_where_they_are() {
    let backend = Backend::echo();
    let config = two_workers(&[backend.address], |_| {});
    let running = Balancer::bind(&config).unwrap().spawn().unwrap();
    for count in [4, 100] {
        let mut clients: Vec<_> = (0..count)
            .map(|_| Client::connect(running.addresses()[0]))
            .collect();
        until("all are accepted", || {
            open_connections(&running).iter().sum::<u64>() == count
        });
        let open = open_connections(&running);
        assert!(spread(&open) <= SLACK + count / 2 / 8, "{open:?}");
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        drop(clients);
        until("all are closed", || {
            open_connections(&running).iter().all(|open| *open == 0)
        });
    }
    assert_eq!(running.stop().unwrap().snapshot.totals.exchanges, 104);
}

/// Whoever closes a connection may be another worker than the one that has one waiting.
#[test]
fn no_more_connections_than_allowed_over_all_and_the_next_comes_when_one_is_closed() {
    let backend = Backend::echo();
    let args = ["--workers", "2", "--max-connections", "4"];
    let lb = Lb::start(&[backend.address], &args);
    let mut open: Vec<_> = (0..4).map(|_| lb.connect()).collect();
    for client in &mut open {
        assert_eq!(client.get("/in").status, 200);
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
    assert_eq!(open[0].get("/in").status, 200);
}

/// Does what it likes, and remembers whose it is.
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
