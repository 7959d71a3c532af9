//! Backends that serve one request at a time, Poisson arrivals, and what least-rt makes of them.

use crate::pool::{Backends, EjectionPolicy, Lease};
use crate::strategy::{LeastConnections, LeastResponseTime};
use crate::strategy::{Outcome, Rng, StrategySpec};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// One simulated server: exponential service times, first come first served.
struct Server {
    mean_s: f64,
    fails: bool,
    queue: VecDeque<Lease>,
    done_at: Timestamp,
    served: usize,
}

struct Simulation {
    pool: Backends,
    servers: Vec<Server>,
    rng: Rng,
    now: Timestamp,
    took: Vec<Duration>,
}

impl Simulation {
    fn new(kind: &StrategySpec, servers: &[(f64, bool)], seed: u64) -> Self {
        let backends = (0..servers.len()).map(|n| (format!("s{n}"), 1));
        let server = |&(mean_s, fails): &(f64, bool)| Server {
            mean_s,
            fails,
            queue: VecDeque::new(),
            done_at: Timestamp::NEVER,
            served: 0,
        };
        let mut pool = Backends::new(backends, kind.build(seed), seed);
        // What the strategies do on their own is to be seen.
        pool.set_policy(EjectionPolicy {
            passive: false,
            ..EjectionPolicy::FAILURES_ONLY
        });
        Self {
            pool,
            servers: servers.iter().map(server).collect(),
            rng: Rng::new(seed),
            now: Timestamp::from_nanos(1),
            took: Vec::new(),
        }
    }

    fn exponential(&mut self, mean_s: f64) -> Duration {
        let uniform = (self.rng.next() >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-mean_s * (1.0 - uniform).ln())
    }

    /// Serves `requests` that arrive `per_second`. Returns the share of each server.
    fn run(&mut self, requests: usize, per_second: f64) -> Vec<f64> {
        for _ in 0..requests {
            let arrival = self.now + self.exponential(1.0 / per_second);
            self.serve_until(arrival);
            self.now = arrival;
            let lease = self.pool.pick(0, &[], self.now).unwrap();
            let slot = lease.backend().slot();
            self.servers[slot].queue.push_back(lease);
            if self.servers[slot].queue.len() == 1 {
                self.begin(slot);
            }
        }
        self.serve_until(Timestamp::NEVER);
        assert_eq!(self.pool.in_flight(), 0);
        let share = |server: &Server| server.served as f64 / requests as f64;
        self.servers.iter().map(share).collect()
    }

    fn begin(&mut self, slot: usize) {
        let service = self.exponential(self.servers[slot].mean_s);
        self.servers[slot].done_at = self.now + service;
    }

    fn serve_until(&mut self, end: Timestamp) {
        while let Some(slot) = self
            .next_done()
            .filter(|&slot| self.servers[slot].done_at < end)
        {
            let server = &mut self.servers[slot];
            self.now = server.done_at;
            server.done_at = Timestamp::NEVER;
            let lease = server.queue.pop_front().unwrap();
            let took = self.now.since(lease.dispatched_at());
            let outcome = match server.fails {
                true => Outcome::Failure,
                false => Outcome::Success {
                    response_time: Some(took),
                },
            };
            server.served += 1;
            self.took.push(took);
            self.pool.settle(lease, outcome, self.now);
            if !self.servers[slot].queue.is_empty() {
                self.begin(slot);
            }
        }
    }

    fn p99(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() * 99 / 100]
    }

    fn next_done(&self) -> Option<usize> {
        (0..self.servers.len()).min_by_key(|&slot| self.servers[slot].done_at)
    }
}

const GOOD: (f64, bool) = (0.010, false);

#[test]
fn a_slow_backend_gets_little_but_not_nothing() {
    for seed in 0..3 {
        let slow = (0.100, false);
        let mut simulation = Simulation::new(
            &LeastResponseTime::ENTRY.spec(),
            &[GOOD, GOOD, GOOD, slow],
            seed,
        );
        let shares = simulation.run(50_000, 190.0);
        assert!(
            (0.000_5..0.04).contains(&shares[3]),
            "seed {seed}: {shares:?}"
        );
    }
}

#[test]
fn a_backend_that_fails_fast_gets_few() {
    for seed in 0..3 {
        let failing = (0.000_1, true);
        let mut simulation = Simulation::new(
            &LeastResponseTime::ENTRY.spec(),
            &[GOOD, GOOD, GOOD, failing],
            seed,
        );
        let shares = simulation.run(50_000, 190.0);
        assert!(shares[3] < 0.02, "seed {seed}: {shares:?}");
        let mut simulation = Simulation::new(
            &LeastConnections::ENTRY.spec(),
            &[GOOD, GOOD, GOOD, failing],
            seed,
        );
        let shares = simulation.run(50_000, 190.0);
        assert!(
            shares[3] > 0.25,
            "seed {seed}: it would draw traffic otherwise: {shares:?}"
        );
    }
}

#[test]
fn equal_backends_get_equal_shares_and_queues_stay_short() {
    let mut simulation = Simulation::new(&LeastResponseTime::ENTRY.spec(), &[GOOD; 4], 1);
    let shares = simulation.run(50_000, 280.0);
    assert!(
        shares.iter().all(|share| (0.22..0.28).contains(share)),
        "{shares:?}"
    );
    let p99 = simulation.p99();
    assert!(p99 < Duration::from_millis(75), "{p99:?}");
}

#[test]
fn a_backend_that_was_slow_is_found_to_have_recovered() {
    let slow = (0.200, false);
    let mut simulation = Simulation::new(
        &LeastResponseTime::ENTRY.spec(),
        &[GOOD, GOOD, GOOD, slow],
        1,
    );
    simulation.run(20_000, 190.0);
    simulation.servers[3].mean_s = GOOD.0;
    simulation
        .servers
        .iter_mut()
        .for_each(|server| server.served = 0);
    let shares = simulation.run(40_000, 190.0);
    assert!(shares[3] > 0.15, "{shares:?}");
}

#[test]
fn with_unequal_backends_the_tail_is_shorter_than_by_counting() {
    let servers = [
        (0.005, false),
        (0.010, false),
        (0.020, false),
        (0.040, false),
    ];
    for seed in 0..3 {
        let p99 = |kind: &StrategySpec| {
            let mut simulation = Simulation::new(kind, &servers, seed);
            simulation.run(20_000, 0.7 * 375.0);
            simulation.p99()
        };
        let (ours, counting) = (
            p99(&LeastResponseTime::ENTRY.spec()),
            p99(&LeastConnections::ENTRY.spec()),
        );
        println!("seed {seed}: {ours:?}, least-conn {counting:?}");
        assert!(
            ours * 4 < counting * 3,
            "seed {seed}: {ours:?}, least-conn {counting:?}"
        );
    }
}
