//! What it costs to pick a backend and to settle the exchange, for every strategy, at 4, 64, 512
//! and 1,024 backends with half as many exchanges in flight. Exchanges end in any order, so that
//! response times vary and some overtake others, and one in 64 is declined.
//!
//! That is measured through an upstream, as it is used, and for some strategies also alone, with
//! plain candidates. `round-robin, alone` does next to nothing: it is what keeping the candidates
//! up to date costs at least, and what is to be taken off the others.
//!
//! `cargo bench --bench pick -- least-rt/4` runs one of them, `least-rt` both kinds.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lb::balance::registry::ENTRIES;
use lb::balance::{BackendId, Candidate, Kind, Outcome, Settlement, Strategy, build, key::key_of};
use lb::time::Timestamp;
use lb::upstream::{self, Upstream};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

/// What backends are picked from.
trait Pool {
    type Lease;

    fn pick(&mut self, key: u64, now: Timestamp) -> Option<Self::Lease>;

    fn settle(&mut self, lease: Self::Lease, is_declined: bool, now: Timestamp);

    fn in_flight(&self) -> usize;
}

fn outcome(is_declined: bool, dispatched_at: Timestamp, now: Timestamp) -> Outcome {
    let response_time = Some(now.since(dispatched_at));
    match is_declined {
        true => Outcome::Declined,
        false => Outcome::Success { response_time },
    }
}

impl Pool for Upstream {
    type Lease = upstream::Lease;

    fn pick(&mut self, key: u64, now: Timestamp) -> Option<Self::Lease> {
        self.pick(key, &[], now)
    }

    fn settle(&mut self, lease: Self::Lease, is_declined: bool, now: Timestamp) {
        let outcome = outcome(is_declined, lease.dispatched_at(), now);
        self.settle(lease, outcome, now);
    }

    fn in_flight(&self) -> usize {
        self.in_flight()
    }
}

/// So many backends, of so many different weights.
fn upstream(kind: &Kind, backends: usize, weights: u32) -> Upstream {
    let weight = |n: usize| 1 + n as u32 % weights;
    let names = (0..backends).map(|n| (format!("10.0.0.1:{n}"), weight(n)));
    Upstream::new(names, build(kind, 1), 1)
}

/// A strategy and nothing but what it must be told.
struct Alone {
    strategy: Box<dyn Strategy>,
    candidates: Vec<Candidate>,
    /// When the exchanges in flight at each were dispatched, oldest first.
    dispatched: Vec<VecDeque<Timestamp>>,
    picks: u64,
}

/// An exchange in flight: where, since when, and how many were there before it.
struct Exchange {
    backend: BackendId,
    dispatched_at: Timestamp,
    ahead: u32,
}

impl Alone {
    fn new(kind: &Kind, backends: usize) -> Self {
        let candidate = |slot: usize| Candidate {
            id: BackendId::new(slot as u32, 0),
            identity: key_of(&slot.to_le_bytes()),
            live: true,
            pickable: true,
            weight: 1,
            in_flight: 0,
            last_pick: slot as u64,
            last_picked_at: Timestamp::ZERO,
            last_completed_at: None,
            oldest_dispatched_at: None,
        };
        let candidates: Vec<Candidate> = (0..backends).map(candidate).collect();
        let mut strategy = build(kind, 1);
        strategy.changed(&candidates, Timestamp::ZERO);
        Self {
            strategy,
            candidates,
            dispatched: vec![VecDeque::with_capacity(16); backends],
            picks: backends as u64,
        }
    }
}

impl Pool for Alone {
    type Lease = Exchange;

    fn pick(&mut self, key: u64, now: Timestamp) -> Option<Exchange> {
        let backend = self.strategy.pick(&self.candidates, key, now)?;
        let candidate = self.candidates.get_mut(backend.slot())?;
        let dispatched = self.dispatched.get_mut(backend.slot())?;
        let ahead = candidate.in_flight;
        self.picks += 1;
        candidate.in_flight += 1;
        candidate.last_pick = self.picks;
        candidate.last_picked_at = now;
        candidate.oldest_dispatched_at.get_or_insert(now);
        dispatched.push_back(now);
        Some(Exchange {
            backend,
            dispatched_at: now,
            ahead,
        })
    }

    fn settle(&mut self, lease: Exchange, is_declined: bool, now: Timestamp) {
        let slot = lease.backend.slot();
        let (Some(candidate), Some(dispatched)) =
            (self.candidates.get_mut(slot), self.dispatched.get_mut(slot))
        else {
            return;
        };
        let place = dispatched.iter().position(|at| *at == lease.dispatched_at);
        let place = place.unwrap_or_default();
        dispatched.remove(place);
        candidate.in_flight -= 1;
        candidate.oldest_dispatched_at = dispatched.front().copied();
        let settlement = Settlement {
            backend: lease.backend,
            outcome: outcome(is_declined, lease.dispatched_at, now),
            dispatched_at: lease.dispatched_at,
            ahead_at_dispatch: lease.ahead,
            overtook: place > 0,
            remaining: candidate.in_flight,
            previous_completion: candidate.last_completed_at,
        };
        candidate.last_completed_at = Some(now);
        self.strategy.settled(&self.candidates, &settlement, now);
    }

    fn in_flight(&self) -> usize {
        self.dispatched.iter().map(VecDeque::len).sum()
    }
}

/// A pool that has seen traffic, and the exchanges that are in flight.
struct Warm<P: Pool> {
    pool: P,
    held: VecDeque<P::Lease>,
    now: Timestamp,
    key: u64,
}

impl<P: Pool> Warm<P> {
    fn new(pool: P, backends: usize) -> Self {
        let mut warm = Self {
            pool,
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
        let lease = self.pool.pick(black_box(self.key), self.now);
        self.held.extend(lease);
    }

    /// Settles one exchange or another and picks for the next, 20 us later.
    fn turn(&mut self) {
        self.now = self.now + Duration::from_micros(20);
        let place = ((self.key >> 32) * self.held.len() as u64) >> 32;
        if let Some(lease) = self.held.swap_remove_back(place as usize) {
            self.pool.settle(lease, self.key & 63 == 0, self.now);
        }
        self.pick();
    }

    fn check(&self, backends: usize) {
        assert_eq!(
            self.held.len(),
            backends.div_ceil(2),
            "every pick found a backend"
        );
        assert_eq!(self.pool.in_flight(), self.held.len());
    }
}

const BACKENDS: [usize; 4] = [4, 64, 512, 1_024];

/// Measures turns in pools of all sizes.
fn turns<P: Pool>(criterion: &mut Criterion, name: &str, pool: impl Fn(usize) -> P) {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for backends in BACKENDS {
        let mut warm = Warm::new(pool(backends), backends);
        group.bench_function(BenchmarkId::from_parameter(backends), |bencher| {
            bencher.iter(|| warm.turn());
        });
        warm.check(backends);
    }
    group.finish();
}

fn pick_and_settle(criterion: &mut Criterion) {
    let equal = ENTRIES.iter().map(|entry| (entry.name, &entry.kind, 1));
    let weighted = ("round-robin, weighted", &Kind::RoundRobin, 3);
    for (name, kind, weights) in equal.chain([weighted]) {
        turns(criterion, name, |backends| {
            upstream(kind, backends, weights)
        });
    }
    for (name, kind) in [
        ("round-robin, alone", Kind::RoundRobin),
        ("least-conn, alone", Kind::LeastConnections),
        ("least-rt, alone", Kind::LeastResponseTime),
    ] {
        turns(criterion, name, |backends| Alone::new(&kind, backends));
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
