//! The cost of picking a backend and settling the exchange, at 4, 64, 512 and 1,024 backends with
//! half as many exchanges in flight. Exchanges end in any order, so that response times vary and
//! some overtake others, and one in 64 is declined.
//!
//! `NAME` is the whole pool, as it is used: leases, counters, life cycle and strategy, and the
//! bench that decides which exchange is settled next. `NAME, alone` is the strategy: the pool's
//! calls to it are recorded, and another strategy of the same kind and seed gets the same calls;
//! the measured part holds nothing else but bringing two candidates up to date a turn, which
//! `n-to-1, alone` shows the cost of.
//!
//! `cargo bench --bench pick -- least-rt/4` runs one of them, `least-rt` both kinds.

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use lb::internal::pool::{Backends, Lease};
use lb::internal::strategy::{ENTRIES, key_of};
use lb::strategy::{BackendId, Candidate, Outcome, Settlement, Strategy, StrategySpec};
use lb::strategy::{LeastConnections, LeastResponseTime, NToOne, RoundRobin};
use lb::time::Timestamp;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const BACKENDS: [usize; 4] = [4, 64, 512, 1_024];

/// Turns that are recorded, and then measured, in a row.
const ROW: u64 = 128;

/// So many backends, of so many different weights.
fn pool(strategy: Box<dyn Strategy>, backends: usize, weights: u32) -> Backends {
    let weight = |n: usize| 1 + n as u32 % weights;
    let names = (0..backends).map(|n| (format!("10.0.0.1:{n}"), weight(n)));
    Backends::new(names, strategy, 1)
}

/// An pool that sees traffic, and the exchanges that are in flight.
struct Traffic {
    pool: Backends,
    held: VecDeque<Lease>,
    now: Timestamp,
    key: u64,
}

impl Traffic {
    fn new(pool: Backends) -> Self {
        let backends = pool.candidates().len();
        let mut traffic = Self {
            pool,
            held: VecDeque::with_capacity(backends),
            now: Timestamp::from_nanos(1_000_000_000),
            key: 0,
        };
        (0..backends.div_ceil(2)).for_each(|_| traffic.pick());
        (0..backends * 20).for_each(|_| traffic.turn());
        traffic
    }

    fn pick(&mut self) {
        self.key = self.key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let lease = self.pool.pick(black_box(self.key), &[], self.now);
        self.held.extend(lease);
    }

    /// Settles one exchange or another and picks for the next, 20 us later.
    fn turn(&mut self) {
        self.now = self.now + Duration::from_micros(20);
        let place = ((self.key >> 32) * self.held.len() as u64) >> 32;
        if let Some(lease) = self.held.swap_remove_back(place as usize) {
            let response_time = Some(self.now.since(lease.dispatched_at()));
            let outcome = match self.key & 63 {
                0 => Outcome::ClientError,
                _ => Outcome::Success { response_time },
            };
            self.pool.settle(lease, outcome, self.now);
        }
        self.pick();
    }

    fn check(&self) {
        let backends = self.pool.candidates().len();
        let held = self.held.len();
        assert_eq!(held, backends.div_ceil(2), "every pick found a backend");
        assert_eq!(self.pool.in_flight(), held);
    }
}

/// The calls to a strategy in one turn, and its picks.
struct Turn {
    /// The candidate picked in the turn before, as it was after that.
    chosen_before: Option<Candidate>,
    settled: Option<(Candidate, Settlement)>,
    key: u64,
    now: Timestamp,
    pick: Option<BackendId>,
}

/// A strategy that passes calls on and records them.
struct Recorder {
    strategy: Box<dyn Strategy>,
    turns: Sender<Turn>,
    chosen_before: Option<BackendId>,
    settled: Option<(Candidate, Settlement)>,
}

impl Strategy for Recorder {
    fn name(&self) -> &'static str {
        self.strategy.name()
    }

    fn pick(&mut self, candidates: &[Candidate], key: u64, now: Timestamp) -> Option<BackendId> {
        let pick = self.strategy.pick(candidates, key, now);
        let chosen_before = self.chosen_before.and_then(|id| candidates.get(id.slot()));
        let turn = Turn {
            chosen_before: chosen_before.cloned(),
            settled: self.settled.take(),
            key,
            now,
            pick,
        };
        assert!(self.turns.send(turn).is_ok(), "somebody wants the turns");
        self.chosen_before = pick;
        pick
    }

    fn settled(&mut self, candidates: &[Candidate], settlement: &Settlement, now: Timestamp) {
        let candidate = candidates.get(settlement.backend.slot());
        self.settled = candidate.map(|candidate| (candidate.clone(), *settlement));
        self.strategy.settled(candidates, settlement, now);
    }

    fn changed(&mut self, candidates: &[Candidate], now: Timestamp) {
        self.strategy.changed(candidates, now);
    }
}

/// A strategy that gets the calls to another.
struct Replay {
    traffic: Traffic,
    turns: Receiver<Turn>,
    strategy: Box<dyn Strategy>,
    candidates: Vec<Candidate>,
}

impl Replay {
    fn new(kind: &StrategySpec, backends: usize) -> Self {
        let (sender, turns) = channel();
        let recorder = Recorder {
            strategy: kind.build(1),
            turns: sender,
            chosen_before: None,
            settled: None,
        };
        let pool = pool(Box::new(recorder), backends, 1);
        let candidates = pool.candidates().to_vec();
        let mut strategy = kind.build(1);
        strategy.changed(&candidates, Timestamp::ZERO);
        let mut replay = Self {
            traffic: Traffic::new(pool),
            turns,
            strategy,
            candidates,
        };
        replay.catch_up();
        replay
    }

    /// Time of the strategy for so many more turns.
    fn time(&mut self, turns: u64) -> Duration {
        let rows = (0..turns).step_by(ROW as usize);
        rows.map(|done| {
            let row = ROW.min(turns - done);
            (0..row).for_each(|_| self.traffic.turn());
            self.catch_up()
        })
        .sum()
    }

    /// Time of the strategy for the recording.
    fn catch_up(&mut self) -> Duration {
        let turns: Vec<Turn> = self.turns.try_iter().collect();
        let started = WallTime.start();
        let is_same = self.play(black_box(&turns));
        let taken = WallTime.end(started);
        assert!(is_same, "the same calls lead to the same picks");
        taken
    }

    /// Returns whether all picks are those of the recording.
    fn play(&mut self, turns: &[Turn]) -> bool {
        turns.iter().fold(true, |is_same, turn| {
            if let Some(chosen) = &turn.chosen_before {
                self.put(chosen);
            }
            if let Some((candidate, settlement)) = &turn.settled {
                self.put(candidate);
                self.strategy
                    .settled(&self.candidates, settlement, turn.now);
            }
            let pick = self.strategy.pick(&self.candidates, turn.key, turn.now);
            is_same & (pick == turn.pick)
        })
    }

    fn put(&mut self, candidate: &Candidate) {
        if let Some(place) = self.candidates.get_mut(candidate.id.slot()) {
            place.clone_from(candidate);
        }
    }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group
}

fn through_the_pool(criterion: &mut Criterion) {
    let equal = ENTRIES.iter().map(|entry| (entry.name, entry.spec(), 1));
    let weighted = ("round-robin, weighted", RoundRobin::ENTRY.spec(), 3);
    for (name, kind, weights) in equal.chain([weighted]) {
        let mut group = group(criterion, name);
        for backends in BACKENDS {
            let mut traffic = Traffic::new(pool(kind.build(1), backends, weights));
            group.bench_function(BenchmarkId::from_parameter(backends), |bencher| {
                bencher.iter(|| traffic.turn());
            });
            traffic.check();
        }
    }
}

fn alone(criterion: &mut Criterion) {
    for kind in [
        NToOne::ENTRY.spec(),
        RoundRobin::ENTRY.spec(),
        LeastConnections::ENTRY.spec(),
        LeastResponseTime::ENTRY.spec(),
    ] {
        let mut group = group(criterion, &format!("{}, alone", kind.name()));
        for backends in BACKENDS {
            let mut replay = Replay::new(&kind, backends);
            group.bench_function(BenchmarkId::from_parameter(backends), |bencher| {
                bencher.iter_custom(|turns| replay.time(turns));
            });
            replay.traffic.check();
        }
    }
}

fn hash_key(criterion: &mut Criterion) {
    let address = "192.168.100.200";
    let expected = key_of(address.as_bytes());
    criterion.bench_function("key_of/client address", |bencher| {
        bencher.iter(|| assert_eq!(key_of(black_box(address).as_bytes()), expected));
    });
}

criterion_group!(benches, through_the_pool, alone, hash_key);
criterion_main!(benches);
