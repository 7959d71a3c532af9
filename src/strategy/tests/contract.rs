//! The contract of every strategy.

use super::traffic::Traffic;
use crate::pool::Backends;
use crate::strategy::registry::ENTRIES;
use crate::strategy::{BackendId, Outcome, StrategySpec};
use crate::strategy::{LeastConnections, Random, RoundRobin, TwoChoices};
use crate::time::Timestamp;

fn every(check: impl Fn(&StrategySpec)) {
    for entry in ENTRIES {
        println!("{}", entry.name);
        check(&entry.spec());
    }
}

#[test]
fn ineligible_backend_is_never_picked() {
    every(|kind| {
        for seed in 0..4 {
            let mut traffic = Traffic::new(kind, &[1; 12], seed);
            let ids: Vec<BackendId> = traffic.pool.candidates().iter().map(|c| c.id).collect();
            for (nth, &id) in ids.iter().enumerate() {
                assert!(traffic.pool.drain(id, traffic.now()));
                for _ in 0..50 {
                    let slot = traffic.step(8);
                    assert_eq!(slot.is_none(), nth + 1 == ids.len());
                    assert!(slot.is_none_or(|slot| slot > nth), "{slot:?} is drained");
                }
            }
        }
    });
}

#[test]
fn weights_are_shares() {
    const WEIGHTS: [u32; 4] = [1, 2, 3, 4];
    let shares = |kind: &StrategySpec, at_a_time: usize| {
        let mut traffic = Traffic::new(kind, &WEIGHTS, 5);
        let mut picks = [0.0; 4];
        for _ in 0..200_000 {
            picks[traffic.step(at_a_time).unwrap()] += 1.0 / 200_000.0;
        }
        picks
    };
    // least-rt takes a weight for a guess, n-to-1 has no use for it.
    for (kind, at_a_time) in [
        (RoundRobin::ENTRY.spec(), 1),
        (Random::ENTRY.spec(), 1),
        (TwoChoices::ENTRY.spec(), 1),
        (LeastConnections::ENTRY.spec(), 200),
    ] {
        for (share, weight) in shares(&kind, at_a_time).iter().zip(WEIGHTS) {
            let due = f64::from(weight) / 10.0;
            assert!(
                (share - due).abs() < 0.02 * due.max(0.2),
                "{kind:?} {share} for {due}"
            );
        }
    }
}

#[test]
fn one_backend_gets_everything() {
    every(|kind| {
        let mut traffic = Traffic::new(kind, &[3], 1);
        assert!((0..100).all(|_| traffic.step(10) == Some(0)));
    });
}

#[test]
fn empty_pool_gives_no_pick_and_can_be_filled() {
    every(|kind| {
        let mut pool = Backends::new([], kind.build(1), 1);
        assert!(pool.pick(1, &[], Timestamp::ZERO).is_none());
        let id = pool.add("first".into(), 1, Timestamp::ZERO);
        let lease = pool.pick(1, &[], Timestamp::ZERO).unwrap();
        assert_eq!(lease.backend(), id);
        pool.settle(lease, Outcome::Inconclusive, Timestamp::ZERO);
        assert!(pool.remove(id, Timestamp::ZERO));
        assert!(pool.pick(1, &[], Timestamp::ZERO).is_none());
    });
}

#[test]
fn when_all_are_ejected_one_is_picked() {
    every(|kind| {
        let mut pool = Backends::new([("a".into(), 1), ("b".into(), 1)], kind.build(1), 1);
        for key in 0..1_000 {
            let lease = pool.pick(key, &[], Timestamp::ZERO).unwrap();
            pool.settle(lease, Outcome::Unreachable, Timestamp::ZERO);
        }
        assert!(pool.candidates().iter().all(|c| !c.pickable));
        assert!(pool.panic_picks() > 900);
    });
}

#[test]
fn backends_come_and_go_in_mid_flight() {
    every(|kind| {
        let mut traffic = Traffic::new(kind, &[1, 2, 1], 3);
        for round in 0..40_u32 {
            (0..10).for_each(|_| assert!(traffic.step(30).is_some()));
            let now = traffic.now();
            let live = traffic.pool.candidates().iter().filter(|c| c.live);
            let (oldest, count) = (live.clone().map(|c| c.id).next().unwrap(), live.count());
            if round % 3 == 0 && count > 2 {
                assert!(traffic.pool.remove(oldest, now));
            } else {
                traffic
                    .pool
                    .add(format!("added{round}"), 1 + round % 3, now);
            }
        }
        traffic.end_all();
        assert_eq!(traffic.pool.in_flight(), 0);
    });
}

#[test]
fn the_same_seed_makes_the_same_picks() {
    every(|kind| {
        let picks = |seed| {
            let mut traffic = Traffic::new(kind, &[1; 600], seed);
            (0..500).map(|_| traffic.step(100)).collect::<Vec<_>>()
        };
        assert_eq!(picks(9), picks(9));
    });
}
