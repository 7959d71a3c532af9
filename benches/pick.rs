//! What it costs to pick a backend and to settle the exchange, for every strategy, at 4, 64, 512
//! and 1,024 backends with half as many exchanges in flight. Exchanges end in any order, so that
//! response times vary and some overtake others, and one in 64 is declined.
//!
//! `cargo bench --bench pick -- least-rt/4` runs one of them.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lb::balance::registry::ENTRIES;
use lb::balance::{Kind, Outcome, build, key::key_of};
use lb::time::Timestamp;
use lb::upstream::{Lease, Upstream};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

/// An upstream that has seen traffic, and the exchanges that are in flight.
struct Warm {
    upstream: Upstream,
    held: VecDeque<Lease>,
    now: Timestamp,
    key: u64,
}

impl Warm {
    /// So many backends, of so many different weights.
    fn new(kind: &Kind, backends: usize, weights: u32) -> Self {
        let weight = |n: usize| 1 + n as u32 % weights;
        let names = (0..backends).map(|n| (format!("10.0.0.1:{n}"), weight(n)));
        let mut warm = Self {
            upstream: Upstream::new(names, build(kind, 1), 1),
            held: VecDeque::with_capacity(backends),
            now: Timestamp::from_nanos(1_000_000_000),
            key: 0,
        };
        (0..backends.div_ceil(2)).for_each(|_| warm.pick());
        (0..backends * 20).for_each(|_| warm.turn());
        warm
    }

    fn pick(&mut self) {
        self.key = self.key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let lease = self.upstream.pick(black_box(self.key), &[], self.now);
        self.held.extend(lease);
    }

    /// Settles one exchange or another and picks for the next, 20 us later.
    fn turn(&mut self) {
        self.now = self.now + Duration::from_micros(20);
        let place = ((self.key >> 32) * self.held.len() as u64) >> 32;
        if let Some(lease) = self.held.swap_remove_back(place as usize) {
            let response_time = Some(self.now.since(lease.dispatched_at()));
            let outcome = match self.key & 63 {
                0 => Outcome::Declined,
                _ => Outcome::Success { response_time },
            };
            self.upstream.settle(lease, outcome, self.now);
        }
        self.pick();
    }

    fn check(&self, backends: usize) {
        assert_eq!(
            self.held.len(),
            backends.div_ceil(2),
            "every pick found a backend"
        );
        assert_eq!(self.upstream.in_flight(), self.held.len());
    }
}

fn pick_and_settle(criterion: &mut Criterion) {
    let equal = ENTRIES.iter().map(|entry| (entry.name, &entry.kind, 1));
    let weighted = ("round-robin, weighted", &Kind::RoundRobin, 3);
    for (name, kind, weights) in equal.chain([weighted]) {
        let mut group = criterion.benchmark_group(name);
        group.warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1));
        for backends in [4, 64, 512, 1_024] {
            let mut warm = Warm::new(kind, backends, weights);
            group.bench_function(BenchmarkId::from_parameter(backends), |bencher| {
                bencher.iter(|| warm.turn());
            });
            warm.check(backends);
        }
        group.finish();
    }
}

fn hash_key(criterion: &mut Criterion) {
    let address = "192.168.100.200";
    let expected = key_of(address.as_bytes());
    criterion.bench_function("key_of/client address", |bencher| {
        bencher.iter(|| assert_eq!(key_of(black_box(address).as_bytes()), expected));
    });
}

criterion_group!(benches, pick_and_settle, hash_key);
criterion_main!(benches);
