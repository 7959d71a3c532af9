//! Servers that die, hang, fail and come back, behind the real `lb`.

use crate::support::{Backend, Lb, Pi, Stopwatch, take, until};
use lb::internal::strategy::ENTRIES;
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

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

/// Clients that send requests all the time, on threads of their own, while `story` goes on. Every
/// response must be a 200. Returns their number.
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

/// Returns whether lb has logged that `backend` went to this state.
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
fn a_server_that_has_become_far_too_slow_is_taken_out() {
    let fast = Pi::start_many(2);
    let slow = Pi::start("slow", &["--term-us", "20000", "--threads", "16"]);
    let backends = [&*Pi::addresses(&fast), &[slow.address]].concat();
    let lb = Lb::start(&backends, &["--strategy", "round-robin"]);
    let (name, next) = (slow.address.to_string(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = lb.connect();
                until("it is ejected", || {
                    // Pages of different lengths overtake each other.
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(client.get(&format!("/{}", 30 + nth % 7 * 5)).status, 200);
                    has_gone(&lb, &name, "ejected")
                });
            });
        }
    });
    let said = lb.stderr();
    assert!(said.contains("-> ejected: it answers in "), "{said}");
}

/// Checks every two seconds, as by default.
const INTERVAL: Duration = Duration::from_secs(2);

#[test]
fn hanging_server_is_ejected_and_its_requests_are_redispatched() {
    let pi = Pi::start_many(4);
    let lb = Lb::start(&Pi::addresses(&pi), &["--health", "http"]);
    under_load(&lb, "/20", |answered| {
        until("load", || answered.load(Ordering::Relaxed) > 100);
        pi[2].freeze();
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
        until("it is picked again", || has_gone(&lb, &name, "slow-start"));
    });
}

#[test]
fn when_all_are_down_the_503_is_immediate_and_costs_nothing() {
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

    // Checks go on meanwhile, four times as often.
    let (since, before) = (Stopwatch::start(), lb.usage().busy());
    take(INTERVAL / 2);
    let busy = lb.usage().busy() - before;
    assert!(
        busy < since.elapsed() / 20,
        "{busy:?} of CPU time for nothing"
    );
    assert_eq!(client.get("/1").status, 503);

    let _back = Pi::start_at(port, "back", &["--term-us", "0"]);
    let since = Stopwatch::start();
    until("it is found", || client.get("/1").status == 200);
    let took = since.elapsed();
    assert!(took < INTERVAL, "{took:?}");
}

/// Requests that a test of failing fast looks at.
const LOOKED_AT: usize = 100;

/// A pool of four servers that take 10 ms, of which one can be made to fail in no time.
struct Pool {
    servers: Vec<Backend>,
    asked: [Arc<AtomicUsize>; 4],
    /// The number of the one that fails.
    failing: Arc<AtomicUsize>,
}

impl Pool {
    fn start() -> Self {
        let failing = Arc::new(AtomicUsize::new(usize::MAX));
        let asked: [Arc<AtomicUsize>; 4] = Default::default();
        let servers = asked.iter().enumerate().map(|(number, asked)| {
            let (asked, failing) = (Arc::clone(asked), Arc::clone(&failing));
            Backend::answering(move |_| {
                asked.fetch_add(1, Ordering::Relaxed);
                if failing.load(Ordering::Relaxed) == number {
                    return b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec();
                }
                take(Duration::from_millis(10));
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()
            })
        });
        Self {
            servers: servers.collect(),
            asked,
            failing,
        }
    }

    /// Lets the busiest one fail.
    fn break_one(&self) {
        let asked = |number: &usize| self.asked[*number].load(Ordering::Relaxed);
        let most = (0..4).max_by_key(asked).expect("four servers");
        self.failing.store(most, Ordering::Relaxed);
    }
}

/// The share of the requests that a server gets two seconds after it has begun to fail fast.
fn share_of_failing(args: &[&str]) -> f64 {
    let pool = Pool::start();
    let backends: Vec<_> = pool.servers.iter().map(|server| server.address).collect();
    let lb = Lb::start(&backends, args);
    let mut client = lb.connect();
    let mut asked = 0;
    // Another target and another tenant each time, for the rules that go by them.
    let mut ask = || {
        asked += 1;
        let tenant = format!("X-Tenant: {asked}\r\nCookie: sid={asked}\r\n");
        client.get_with(&format!("/{asked}"), &tenant).status
    };
    for _ in 0..20 {
        assert_eq!(ask(), 200);
    }
    pool.break_one();
    let since = Stopwatch::start();
    while since.elapsed() < Duration::from_secs(2) {
        ask();
    }
    let failed = (0..LOOKED_AT).filter(|_| ask() == 500).count();
    failed as f64 / LOOKED_AT as f64
}

#[test]
fn a_server_that_fails_fast_draws_no_traffic_under_any_strategy() {
    // What is to be, and whether the strategy can do it without ejection.
    let usual = ENTRIES.iter().map(|entry| {
        let argument = match entry.argument() {
            Some("FIELD") => ":X-Tenant",
            Some("COOKIE") => ":sid",
            Some(other) => panic!("what is {other}?"),
            None => "",
        };
        (format!("{}{argument}", entry.name), "on", 0.0..0.05)
    });
    let without_ejection = [
        // They go by order alone: it is the ejection that helps.
        ("round-robin", 0.2..0.3),
        ("n-to-1", 0.99..1.01),
        // It charges failures itself.
        ("least-rt", 0.0..0.05),
    ];
    let without_ejection = without_ejection.map(|(name, share)| (name.to_owned(), "off", share));
    thread::scope(|scope| {
        for (strategy, passive, share) in usual.chain(without_ejection) {
            scope.spawn(move || {
                let got = share_of_failing(&["--strategy", &strategy, "--passive", passive]);
                let what = format!("{strategy} with passive ejection {passive}");
                assert!(share.contains(&got), "{what}: {got}");
            });
        }
    });
}
