//! What a pool learns of how many exchanges its backends work on at once.

use super::*;
use crate::strategy::LeastResponseTime;
use std::collections::VecDeque;

/// Backends that work on so many exchanges at once, each for ten milliseconds, and a pool that learns.
struct Bench {
    pool: Backends,
    at_once: usize,
    /// An exchange reaches an idle backend so long after its dispatch.
    round_trip_us: u64,
    /// By backend: those it works on, with their ends, and those that wait there.
    serving: Vec<VecDeque<(u64, Lease)>>,
    waiting: Vec<VecDeque<Lease>>,
    /// Those that wait in the balancer.
    line: usize,
    micros: u64,
    rng: Rng,
    most_in_flight: u32,
}

impl Bench {
    fn new(at_once: usize) -> Self {
        let mut pool = pool(4, &LeastResponseTime::ENTRY.spec(), 1);
        pool.learn_late_binding();
        Self {
            pool,
            at_once,
            round_trip_us: 0,
            serving: (0..4).map(|_| VecDeque::new()).collect(),
            waiting: (0..4).map(|_| VecDeque::new()).collect(),
            line: 0,
            micros: 1,
            rng: Rng::new(7),
            most_in_flight: 0,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + Duration::from_micros(self.micros)
    }

    /// One exchange comes every `every_us` on average.
    fn run(&mut self, exchanges: usize, every_us: u64) {
        self.most_in_flight = 0;
        for _ in 0..exchanges {
            let arrival = self.micros + self.rng.below(2 * every_us as usize) as u64;
            self.complete_until(arrival);
            self.micros = arrival;
            self.line += 1;
            self.dispatch();
        }
    }

    fn dispatch(&mut self) {
        while self.line > 0 {
            let Some(lease) = self.pool.pick_or_hold(0, &[], Some(self.line), self.now()) else {
                return;
            };
            self.line -= 1;
            let slot = slot(&lease);
            let in_flight = self.pool.candidates()[slot].in_flight;
            self.most_in_flight = self.most_in_flight.max(in_flight);
            self.waiting[slot].push_back(lease);
            self.serve(slot);
        }
    }

    fn serve(&mut self, slot: usize) {
        while self.serving[slot].len() < self.at_once
            && let Some(lease) = self.waiting[slot].pop_front()
        {
            let arrives = lease.dispatched_at().as_nanos() / 1_000 + self.round_trip_us;
            let begin = self.micros.max(arrives);
            let end = begin + 10_000 + self.rng.below(100) as u64;
            self.serving[slot].push_back((end, lease));
        }
    }

    fn complete_until(&mut self, micros: u64) {
        let ends = |of: &VecDeque<(u64, Lease)>| of.iter().map(|(end, _)| *end).min();
        while let Some((end, slot)) = (0..4)
            .filter_map(|slot| Some((ends(&self.serving[slot])?, slot)))
            .min()
            .filter(|(end, _)| *end <= micros)
        {
            self.micros = end;
            let nth = self.serving[slot].iter().position(|(at, _)| *at == end);
            let (_, lease) = self.serving[slot].remove(nth.unwrap()).unwrap();
            let response_time = Some(self.now().since(lease.dispatched_at()));
            let outcome = Outcome::Success { response_time };
            self.pool.settle(lease, outcome, self.now());
            self.serve(slot);
            self.dispatch();
        }
    }

    fn run_out(&mut self) {
        self.complete_until(u64::MAX);
        assert_eq!((self.pool.in_flight(), self.line), (0, 0));
    }
}

#[test]
fn serial_backends_get_one_exchange_at_a_time_and_any_number_before_that_is_known() {
    let mut bench = Bench::new(1);
    bench.run(1_500, 3_000);
    assert!(bench.most_in_flight > 1, "nothing is known yet");
    assert!(bench.pool.is_serial());
    let change = bench.pool.take_limit_change().unwrap();
    assert_eq!(
        change.to_string(),
        "pool 0 is serial: one request at a time"
    );
    assert_eq!(bench.pool.take_limit_change(), None, "it is told once");
    bench.run(1_000, 3_000);
    assert_eq!(bench.most_in_flight, 1);
    let newcomer = bench.pool.add("new".into(), 1, bench.now());
    let first = bench.pool.pick(0, &[], bench.now()).unwrap();
    assert_eq!(first.backend(), newcomer, "on trial");
    bench.pool.settle(first, SUCCESS, bench.now());
    let second = bench.pool.pick_by_affinity(newcomer, bench.now()).unwrap();
    assert!(bench.pool.pick_by_affinity(newcomer, bench.now()).is_none());
    bench.pool.settle(second, SUCCESS, bench.now());
    bench.run_out();
}

#[test]
fn serial_backends_that_are_far_away_get_two_at_a_time() {
    let mut bench = Bench::new(1);
    bench.round_trip_us = 1_500;
    bench.run(1_500, 3_000);
    assert!(bench.pool.is_serial());
    bench.run(1_000, 3_000);
    assert_eq!(bench.most_in_flight, 2);
    bench.round_trip_us = 0;
    let runs = (0..60).find(|_| {
        bench.run(1_000, 3_000);
        bench.most_in_flight == 1
    });
    assert!(runs.is_some(), "they have come nearer");
    bench.run_out();
}

#[test]
fn backends_that_work_on_several_at_once_are_not_limited() {
    for at_once in [2, 3, 8] {
        let mut bench = Bench::new(at_once);
        bench.run(5_000, 3_000 / at_once as u64);
        assert!(!bench.pool.is_serial(), "{at_once}");
        assert!(bench.most_in_flight > 1, "{at_once}");
        bench.run_out();
    }
}

#[test]
fn a_serial_pool_looks_again_and_finds_that_it_is_no_longer() {
    let mut bench = Bench::new(1);
    bench.run(1_500, 3_000);
    assert!(bench.pool.is_serial());
    bench.run_out();
    bench.at_once = 4;
    let mut minutes = 0;
    while bench.pool.is_serial() {
        bench.run(20_000, 3_000);
        minutes += 1;
        assert!(minutes < 6, "the evidence has a half-life of a minute");
    }
    bench.run(20_000, 1_000);
    assert!(!bench.pool.is_serial());
    assert!(bench.most_in_flight > 1);
    bench.run_out();
}

#[test]
fn a_limit_under_which_nothing_is_completed_is_lifted() {
    let mut bench = Bench::new(1);
    bench.run(1_500, 3_000);
    bench.run_out();
    assert!(bench.pool.is_serial());
    // Four streams, which hold the only place of each backend.
    let streams: Vec<_> = (0..4)
        .map(|_| {
            bench
                .pool
                .pick_or_hold(0, &[], Some(1), bench.now())
                .unwrap()
        })
        .collect();
    assert!(
        bench
            .pool
            .pick_or_hold(0, &[], Some(1), bench.now())
            .is_none()
    );
    let look_again = bench.pool.next_change();
    assert!(look_again <= bench.now() + Duration::from_millis(10));
    bench.micros += 1_000_000;
    let lease = bench
        .pool
        .pick_or_hold(0, &[], Some(1), bench.now())
        .unwrap();
    assert!(!bench.pool.is_serial());
    let change = bench.pool.take_limit_change();
    assert!(change.is_some_and(|change| !change.is_serial));
    bench.pool.settle(lease, SUCCESS, bench.now());
    for stream in streams {
        bench.pool.settle(stream, SUCCESS, bench.now());
    }
}
