//! Several upstreams on one shared_load, each on a thread of its own or on this one, taking turns.

use super::*;
use crate::shared::SharedLoad;
use crate::strategy::Outcome;
use crate::strategy::{
    LeastConnections, LeastResponseTime, Memory, NToOne, RoundRobin, StrategySpec,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Upstreams of `workers` over the same backends, the first of which decides.
fn workers(workers: usize, backends: usize, kind: &StrategySpec) -> Vec<Backends> {
    let mut all: Vec<_> = (0..workers).map(|_| pool(backends, kind, 1)).collect();
    let shared_load = Arc::new(SharedLoad::new());
    for (worker, pool) in all.iter_mut().enumerate() {
        pool.share(Arc::clone(&shared_load), worker);
    }
    all
}

/// Carries what they have to tell each other, as their loops would. Returns what was changed.
fn deliver(workers: &mut [Backends], now: Timestamp) -> Vec<StateChange> {
    let [first, others @ ..] = workers else {
        panic!("no worker");
    };
    for other in others.iter_mut() {
        for signal in other.take_signals() {
            first.notice(signal, now);
        }
        assert!(other.take_changes().is_empty(), "only the first decides");
    }
    let changes = first.take_changes();
    for other in others {
        changes.iter().for_each(|change| other.adopt(change, now));
    }
    changes
}

fn state(pool: &Backends, slot: usize) -> &'static str {
    let id = pool.candidates()[slot].id;
    pool.state(id).unwrap().word()
}

#[test]
fn in_flight_of_another_worker_counts() {
    for kind in [
        LeastConnections::ENTRY.spec(),
        LeastResponseTime::ENTRY.spec(),
    ] {
        let mut workers = workers(2, 4, &kind);
        let picks: Vec<_> = (0..8)
            .map(|turn| workers[turn % 2].pick(0, &[], at(0)).unwrap())
            .collect();
        let slots: Vec<_> = picks.iter().map(slot).collect();
        assert_eq!(slots, [0, 1, 2, 3, 0, 1, 2, 3], "{kind:?}");
        for (turn, lease) in picks.into_iter().enumerate() {
            workers[turn % 2].settle(lease, SUCCESS, at(5));
        }
        assert!(workers[0].has_room());
        assert!(workers[0].candidates().iter().all(|c| c.in_flight == 0));
    }
}

/// Worker 0 alone serves; the slow and the failing backend are known to worker 1 as well.
#[test]
fn what_one_worker_learns_all_know() {
    let mut workers = workers(2, 3, &LeastResponseTime::ENTRY.spec());
    let mut now = 0;
    for _ in 0..60 {
        let lease = workers[0].pick(0, &[], at(now)).unwrap();
        let [millis, failed] = [[10, 0], [100, 0], [10, 1]][slot(&lease)];
        now += millis;
        let response_time = Some(Duration::from_millis(millis));
        let outcome = match failed {
            0 => Outcome::Success { response_time },
            _ => Outcome::ClientError,
        };
        workers[0].settle(lease, outcome, at(now));
    }
    workers[1].refresh_all();
    let [first, second] = [0, 1].map(|worker: usize| {
        let ratings = workers[worker].explain(0, at(now));
        ratings
            .iter()
            .map(|it| it.cost.unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        second[1] > 1.2 * second[0] && second[2] > 5.0 * second[0],
        "{second:?}"
    );
    // What was forgotten of failures meanwhile is caught up with at the next picks.
    for (one, other) in first.iter().zip(&second).take(2) {
        assert!((one / other - 1.0).abs() < 0.05, "{first:?} {second:?}");
    }
    let lease = workers[1].pick(0, &[], at(now)).unwrap();
    assert_eq!(slot(&lease), 0, "no trial of what is known");
    workers[1].settle(lease, SUCCESS, at(now + 5));
}

#[test]
fn failures_forgiven_by_one_worker_are_forgiven_by_all() {
    let mut workers = workers(2, 2, &LeastResponseTime::ENTRY.spec());
    for pool in &mut workers {
        pool.set_policy(EjectionPolicy::default());
    }
    for turn in 0..200 {
        let lease = workers[turn % 2].pick(0, &[], at(turn as u64)).unwrap();
        let outcome = match slot(&lease) {
            0 => Outcome::Failure,
            _ => SUCCESS,
        };
        workers[turn % 2].settle(lease, outcome, at(turn as u64));
        deliver(&mut workers, at(turn as u64));
    }
    assert_eq!(state(&workers[1], 0), "ejected");
    let penalty = |pool: &mut Backends, now| {
        pool.refresh_all();
        pool.explain(0, at(now))[0].cost.unwrap()
    };
    assert!(penalty(&mut workers[1], 200) > 5.0);
    workers[0].pass_time(at(1_300));
    deliver(&mut workers, at(1_300));
    assert_eq!(state(&workers[1], 0), "probation");
    for pool in &mut workers {
        let penalty = penalty(pool, 1_300);
        assert!(penalty < 2.0, "{penalty}");
    }
}

#[test]
fn a_limit_holds_over_all_and_a_lost_race_goes_to_the_next_best() {
    let mut workers = workers(2, 2, &NToOne::ENTRY.spec());
    for pool in &mut workers {
        let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
        ids.iter().for_each(|id| {
            pool.set_max_in_flight(*id, 1);
        });
    }
    let first = workers[0].pick(0, &[], at(0)).unwrap();
    let second = workers[1].pick(0, &[], at(0)).unwrap();
    assert_eq!((slot(&first), slot(&second)), (0, 1));
    assert!(workers[0].pick(0, &[], at(0)).is_none() && workers[0].is_full(&[]));
    assert!(!workers[1].has_room());
    workers[0].settle(first, SUCCESS, at(1));
    assert!(workers[1].has_room(), "the place is everybody's");
    let third = workers[1].pick(0, &[], at(1)).unwrap();
    assert_eq!(slot(&third), 0);
    workers[1].settle(second, SUCCESS, at(2));
    workers[1].settle(third, SUCCESS, at(2));
}

#[test]
fn observation_of_one_worker_reaches_all_and_is_reported_once() {
    let mut workers = workers(3, 2, &NToOne::ENTRY.spec());
    for worker in [1, 2, 0] {
        let lease = workers[worker].pick(0, &[], at(0)).unwrap();
        assert_eq!(slot(&lease), 0);
        workers[worker].settle(lease, Outcome::Unreachable, at(0));
    }
    let changes = deliver(&mut workers, at(1));
    assert_eq!(changes.len(), 1, "{changes:?}");
    for worker in &mut workers {
        assert_eq!(state(worker, 0), "ejected");
        let lease = worker.pick(0, &[], at(2)).unwrap();
        assert_eq!(slot(&lease), 1);
        worker.settle(lease, SUCCESS, at(3));
    }
}

#[test]
fn one_trial_at_a_time_over_all_workers() {
    let mut workers = workers(2, 2, &NToOne::ENTRY.spec());
    let lease = workers[1].pick(0, &[], at(0)).unwrap();
    workers[1].settle(lease, Outcome::Unreachable, at(0));
    deliver(&mut workers, at(0));
    workers[0].pass_time(at(1_000));
    deliver(&mut workers, at(1_000));
    let trial = workers[1].pick(0, &[], at(1_000)).unwrap();
    let beside = workers[0].pick(0, &[], at(1_000)).unwrap();
    assert_eq!((slot(&trial), slot(&beside)), (0, 1));
    let retry = workers[0].pick(0, &[beside.backend()], at(1_000)).unwrap();
    assert_eq!(slot(&retry), 0, "picked in need, and no trial");
    workers[0].settle(retry, SUCCESS, at(1_000));
    assert!(deliver(&mut workers, at(1_000)).is_empty());
    workers[1].settle(trial, SUCCESS, at(1_001));
    let changes = deliver(&mut workers, at(1_001));
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(workers.iter().all(|worker| state(worker, 0) == "healthy"));
    workers[0].settle(beside, SUCCESS, at(1_002));
    let back = workers[0].pick(0, &[], at(1_003)).unwrap();
    assert_eq!(slot(&back), 0);
    workers[0].settle(back, SUCCESS, at(1_004));
}

#[test]
fn drained_is_reported_when_no_worker_has_anything_in_flight() {
    let mut workers = workers(2, 2, &NToOne::ENTRY.spec());
    let backend = workers[0].candidates()[0].id;
    let here = workers[0].pick(0, &[], at(0)).unwrap();
    let there = workers[1].pick(0, &[], at(0)).unwrap();
    assert!(workers[0].drain(backend, at(1)));
    // Before the message arrives, the shared load keeps the other worker from picking it.
    let elsewhere = workers[1].pick(0, &[], at(1)).unwrap();
    assert_eq!(slot(&elsewhere), 1);
    let told = deliver(&mut workers, at(1));
    assert_eq!(told.last().unwrap().to.word(), "draining");
    workers[0].settle(here, SUCCESS, at(2));
    assert!(deliver(&mut workers, at(2)).is_empty());
    workers[1].settle(there, SUCCESS, at(3));
    let told = deliver(&mut workers, at(3));
    assert_eq!(told[0].to.word(), "disabled");
    assert!(workers[0].undrain(backend, at(4)));
    deliver(&mut workers, at(4));
    workers[1].settle(elsewhere, SUCCESS, at(5));
    let back = workers[1].pick(0, &[], at(6)).unwrap();
    assert_eq!(slot(&back), 0, "on probation");
    workers[1].settle(back, SUCCESS, at(7));
}

/// Every row is looked at within a bounded number of picks, and before a pick fails.
#[test]
fn large_pool_follows_other_workers_in_time() {
    let mut workers = workers(2, 200, &LeastConnections::ENTRY.spec());
    for pool in &mut workers {
        let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
        ids.iter().for_each(|id| {
            pool.set_max_in_flight(*id, 1);
        });
    }
    let mut leases: Vec<_> = (0..200)
        .map(|_| workers[0].pick(0, &[], at(0)).unwrap())
        .collect();
    assert!(workers[1].pick(0, &[], at(0)).is_none());
    workers[0].settle(leases.pop().unwrap(), SUCCESS, at(1));
    leases.push(workers[1].pick(0, &[], at(1)).unwrap());
    assert!(workers[0].pick(0, &[], at(1)).is_none());
    workers[1].settle(leases.pop().unwrap(), SUCCESS, at(2));
    for lease in leases {
        workers[0].settle(lease, SUCCESS, at(2));
    }
    assert!(workers[1].has_room());
    assert!(workers[1].candidates().iter().all(|c| c.in_flight == 0));
}

/// Pools on threads of their own, with limits: no limit is ever exceeded, and all comes back.
#[test]
fn workers_at_once_keep_the_books() {
    for kind in [
        LeastConnections::ENTRY.spec(),
        LeastResponseTime::ENTRY.spec(),
        RoundRobin::ENTRY.spec(),
    ] {
        let mut workers = workers(3, 4, &kind);
        std::thread::scope(|scope| {
            for (seed, pool) in workers.iter_mut().enumerate() {
                let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
                ids.iter().for_each(|id| {
                    pool.set_max_in_flight(*id, 2);
                });
                scope.spawn(move || {
                    let mut rng = Rng::new(seed as u64);
                    let mut held = Vec::new();
                    for turn in 0..5_000_u64 {
                        let now = Timestamp::from_nanos(1_000 + turn * 1_000);
                        held.extend(pool.pick(0, &[], now));
                        assert!(pool.candidates().iter().all(|c| c.in_flight <= 2));
                        if rng.below(2) == 0 {
                            for lease in held.drain(..) {
                                pool.settle(lease, SUCCESS, now);
                            }
                        }
                    }
                    for lease in held {
                        pool.settle(lease, SUCCESS, at(6));
                    }
                    assert_eq!(pool.in_flight(), 0);
                });
            }
        });
        assert!(workers[0].has_room());
        assert!(workers[0].candidates().iter().all(|c| c.in_flight == 0));
    }
}

/// Result of simulated traffic: picks of each backend, and the mean response time.
#[derive(Debug)]
struct Traffic {
    picks: Vec<usize>,
    mean: Duration,
}

/// Requests come to the workers in turn, at 7 of 10 of what the backends can carry; these serve
/// one at a time, each at its own pace and by a dice.
fn traffic(count: usize, kind: &StrategySpec, service_micros: &[u64]) -> Traffic {
    const REQUESTS: usize = 8_000;
    let mut workers = workers(count, service_micros.len(), kind);
    let mut rng = Rng::new(7);
    let capacity: f64 = service_micros
        .iter()
        .map(|micros| 1.0 / *micros as f64)
        .sum();
    let gap_nanos = 1_000.0 / (0.7 * capacity);
    let mut free_at = vec![0; service_micros.len()];
    // By when it ends, and its number.
    let mut running: BTreeMap<(u64, usize), (usize, Lease)> = BTreeMap::new();
    let (mut picks, mut total) = (vec![0; service_micros.len()], Duration::ZERO);
    for request in 0..REQUESTS {
        let chance = rng.below(2_000) as f64 / 1_000.0;
        let now = (request as f64 * gap_nanos) as u64 + 1_000_000_000;
        while let Some(over) = running.first_entry().filter(|over| over.key().0 <= now) {
            let ((at, _), (worker, lease)) = over.remove_entry();
            let at = Timestamp::from_nanos(at);
            let response_time = at.since(lease.dispatched_at());
            total += response_time;
            let response_time = Some(response_time);
            workers[worker].settle(lease, Outcome::Success { response_time }, at);
        }
        if request % 16 == 0 {
            deliver(&mut workers, Timestamp::from_nanos(now));
        }
        let worker = request % count;
        let lease = workers[worker]
            .pick(0, &[], Timestamp::from_nanos(now))
            .unwrap();
        picks[slot(&lease)] += 1;
        let service = (service_micros[slot(&lease)] as f64 * 1_000.0 * chance) as u64;
        let end = now.max(free_at[slot(&lease)]) + service;
        free_at[slot(&lease)] = end;
        running.insert((end, request), (worker, lease));
    }
    for (_, (worker, lease)) in running {
        workers[worker].settle(lease, Outcome::Inconclusive, Timestamp::NEVER);
    }
    let mean = total / REQUESTS as u32;
    Traffic { picks, mean }
}

/// The rules that go by what is in flight choose exactly as one worker does. `least-rt` learns of
/// each backend from the responses of all workers, and is as fast.
#[test]
fn shares_and_response_times_are_as_with_one_worker() {
    let alike = [1_000; 8];
    let unlike = [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 10_000, 3_000];
    for service in [alike, unlike] {
        let one = traffic(1, &LeastConnections::ENTRY.spec(), &service);
        let two = traffic(2, &LeastConnections::ENTRY.spec(), &service);
        assert_eq!((one.picks, one.mean), (two.picks, two.mean));

        let one = traffic(1, &LeastResponseTime::ENTRY.spec(), &service);
        for count in [2, 4] {
            let several = traffic(count, &LeastResponseTime::ENTRY.spec(), &service);
            let ratio = several.mean.as_secs_f64() / one.mean.as_secs_f64();
            assert!(ratio < 1.03, "{count}: {several:?} {one:?}");
            let more = several.picks[6].saturating_sub(one.picks[6]);
            assert!(service == alike || more <= 6, "{several:?} {one:?}");
        }
    }
}

/// Carries admissions, changes and what others let go of, as their loops would.
fn follow(workers: &mut [Backends], admitted: &[(BackendId, NewBackend)], now: Timestamp) {
    for other in &mut workers[1..] {
        for (id, backend) in admitted {
            other.selection.follow_admission(*id, backend, now);
        }
    }
    deliver(workers, now);
    // The others signal what became empty, and the first decides.
    deliver(workers, now);
    let [first, others @ ..] = workers else {
        panic!("no worker");
    };
    for other in others {
        for backend in other.reclaim() {
            first.let_go_elsewhere(backend);
        }
    }
    first.reclaim();
}

fn newcomer(name: &str) -> NewBackend {
    NewBackend {
        name: name.to_owned(),
        address: name.to_owned(),
        addresses: Vec::new(),
        weight: 1,
        max_in_flight: None,
        entrance: Entrance::Warm,
    }
}

#[test]
fn a_slot_is_reused_only_when_every_worker_has_let_go_of_it() {
    let mut workers = workers(3, 2, &RoundRobin::ENTRY.spec());
    let lease = workers[2].pick(0, &[], at(0)).unwrap();
    let old = lease.backend();
    assert!(workers[0].depart(old, at(100), at(1)));
    follow(&mut workers, &[], at(1));
    assert_eq!(state(&workers[1], old.slot()), "draining");
    assert!(workers[1].is_departing(old) && !workers[1].is_vacant());
    workers[0].pass_time(at(100));
    follow(&mut workers, &[], at(100));
    assert!(
        workers
            .iter()
            .all(|worker| !worker.candidates()[old.slot()].live)
    );
    let other = newcomer("other");
    let id = workers[0].selection.admit(&other, at(101)).unwrap();
    assert_ne!(id.slot(), old.slot(), "an exchange is still at the old one");
    follow(&mut workers, &[(id, other)], at(101));
    workers[2].settle(lease, SUCCESS, at(102));
    follow(&mut workers, &[], at(102));
    let next = newcomer("next");
    let id = workers[0].selection.admit(&next, at(103)).unwrap();
    assert_eq!((id.slot(), id.generation()), (old.slot(), 1));
    follow(&mut workers, &[(id, next)], at(103));
    for worker in &mut workers {
        assert_eq!(worker.name(id), Some("next"));
        assert_eq!(worker.name(old), None);
        let leases: Vec<_> = (0..3)
            .map(|_| worker.pick(0, &[], at(104)).unwrap())
            .collect();
        assert!(leases.iter().any(|lease| lease.backend() == id));
        for lease in leases {
            worker.settle(lease, SUCCESS, at(105));
        }
    }
}

#[test]
fn a_departing_backend_goes_when_the_last_worker_has_finished() {
    let mut workers = workers(2, 2, &RoundRobin::ENTRY.spec());
    let lease = workers[1].pick(0, &[], at(0)).unwrap();
    let leaving = lease.backend();
    assert!(workers[0].depart(leaving, at(60_000), at(1)));
    follow(&mut workers, &[], at(1));
    assert_eq!(state(&workers[0], leaving.slot()), "draining");
    workers[1].settle(lease, SUCCESS, at(20));
    follow(&mut workers, &[], at(20));
    assert_eq!(workers[0].state(leaving), Some(State::Removed));
    assert_eq!(workers[1].state(leaving), Some(State::Removed));
    assert_eq!(workers[0].vacant_slots(), 1);
}

#[test]
fn what_is_forgotten_is_not_brought_back_by_workers_that_hear_of_it_later() {
    let spec: StrategySpec = "least-rt".parse().unwrap();
    let mut workers = workers(2, 3, &spec);
    let serve = |worker: &mut Backends, from: u64| {
        for nth in from..from + 200 {
            let lease = worker.pick(0, &[], at(nth)).unwrap();
            worker.settle(lease, SUCCESS, at(nth));
        }
    };
    let memories = |worker: &Backends| -> Vec<Memory> {
        let ids = worker.candidates().iter().map(|c| Some(c.id));
        ids.chain([None])
            .map(|id| worker.strategy().memory(id))
            .collect()
    };
    serve(&mut workers[0], 0);
    serve(&mut workers[1], 200);
    let learned = memories(&workers[0]);
    workers[0].set_strategy(spec.build(1), at(400));
    let nothing = memories(&workers[0]);
    assert_ne!(learned, nothing);
    // The other has not heard of it, serves on and learns.
    serve(&mut workers[1], 400);
    workers[0].refresh_all();
    assert_eq!(memories(&workers[0]), nothing, "it came back");
    workers[1].set_strategy(spec.build(2), at(600));
    serve(&mut workers[1], 600);
    workers[0].refresh_all();
    assert_ne!(memories(&workers[0]), nothing, "they do not learn together");
}
