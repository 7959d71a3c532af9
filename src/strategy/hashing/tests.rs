//! Which backend a key goes to, and which keys move when the pool changes.

use super::*;
use crate::pool::{Backends, Lease};
use crate::strategy::Outcome;
use crate::strategy::key::key_of;

const NOW: Timestamp = Timestamp::ZERO;

fn pool(table: &'static Entry, weights: &[u32]) -> Backends {
    bounded(table, weights, LoadBound::DEFAULT)
}

fn bounded(table: &'static Entry, weights: &[u32], bound: LoadBound) -> Backends {
    let mut spec = table.spec();
    assert!(spec.set_load_bound(bound));
    let backends = weights.iter().enumerate();
    let backends = backends.map(|(n, &weight)| (format!("10.0.0.{n}:80"), weight));
    Backends::new(backends, spec.build(1), 1)
}

fn key(n: usize) -> u64 {
    key_of(format!("192.0.2.{n}").as_bytes())
}

/// Returns where each key goes when nothing else is in flight.
fn homes(pool: &mut Backends, keys: usize) -> Vec<BackendId> {
    let home = |n| {
        let lease = pool.pick(key(n), &[], NOW).unwrap();
        let home = lease.backend();
        pool.settle(lease, Outcome::Inconclusive, NOW);
        home
    };
    (0..keys).map(home).collect()
}

const RING: &Entry = &IP_HASH;
const MAGLEV: &Entry = &IP_MAGLEV;
const BOTH: [&Entry; 2] = [RING, MAGLEV];

#[test]
fn shares_follow_weights() {
    for (table, tolerance) in [(RING, 0.15), (MAGLEV, 0.05)] {
        let mut pool = pool(table, &[1, 1, 2, 4]);
        let homes = homes(&mut pool, 40_000);
        for candidate in pool.candidates() {
            let here = homes.iter().filter(|&&home| home == candidate.id).count();
            let share = here as f64 / 40_000.0;
            let due = f64::from(candidate.weight) / 8.0;
            assert!(
                (share / due - 1.0).abs() < tolerance,
                "{} {share} for {due}",
                table.name
            );
        }
    }
}

#[test]
fn a_removed_backend_moves_its_own_keys() {
    for (table, tolerated) in [(RING, 0), (MAGLEV, 400)] {
        let mut pool = pool(table, &[1; 10]);
        let before = homes(&mut pool, 10_000);
        let removed = before[0];
        pool.remove(removed, NOW);
        let after = homes(&mut pool, 10_000);
        let pairs = || before.iter().zip(&after);
        assert!(after.iter().all(|&home| home != removed));
        let others = pairs().filter(|(b, a)| **b != removed && a != b).count();
        assert!(
            others <= tolerated,
            "{} moved {others} of others",
            table.name
        );
        pool.add(format!("10.0.0.{}:80", removed.slot()), 1, NOW);
        let back = homes(&mut pool, 10_000);
        let slots = |homes: &[BackendId]| homes.iter().map(|home| home.slot()).collect::<Vec<_>>();
        assert_eq!(
            slots(&back),
            slots(&before),
            "its name brings its keys back"
        );
    }
}

#[test]
fn a_drained_backend_is_skipped_and_gets_its_keys_back() {
    for table in BOTH {
        let mut pool = pool(table, &[1; 5]);
        let before = homes(&mut pool, 1_000);
        pool.drain(before[0], NOW);
        let meanwhile = homes(&mut pool, 1_000);
        assert!(meanwhile.iter().all(|&home| home != before[0]));
        let pairs = before.iter().zip(&meanwhile);
        assert!(pairs.filter(|(b, _)| **b != before[0]).all(|(b, m)| b == m));
        pool.undrain(before[0], NOW);
        assert_eq!(homes(&mut pool, 1_000), before);
    }
}

#[test]
fn one_key_fills_no_backend_beyond_the_bound() {
    for table in BOTH {
        let mut pool = pool(table, &[1; 4]);
        let most = fullest_of_400(&mut pool);
        assert_eq!(most, 125, "{}: 1.25 times 400 / 4", table.name);
    }
}

/// Returns the share of the fullest backend in 400 exchanges with one key.
fn fullest_of_400(pool: &mut Backends) -> u32 {
    let held: Vec<Lease> = (0..400)
        .filter_map(|_| pool.pick(key(7), &[], NOW))
        .collect();
    assert_eq!(held.len(), 400);
    let most = pool.candidates().iter().map(|c| c.in_flight).max();
    held.into_iter()
        .for_each(|lease| pool.settle(lease, Outcome::Inconclusive, NOW));
    most.unwrap()
}

#[test]
fn the_bound_can_be_another_or_none() {
    for table in BOTH {
        let of = |bound| fullest_of_400(&mut bounded(table, &[1; 4], bound));
        assert_eq!(of(LoadBound::percent(200).unwrap()), 200, "{}", table.name);
        assert_eq!(of(LoadBound::percent(101).unwrap()), 101, "{}", table.name);
        assert_eq!(of(LoadBound::OFF), 400, "{}", table.name);
    }
}

#[test]
fn without_a_bound_a_key_still_leaves_a_drained_backend() {
    for table in BOTH {
        let mut pool = bounded(table, &[1; 4], LoadBound::OFF);
        let home = homes(&mut pool, 1)[0];
        pool.drain(home, NOW);
        assert_ne!(homes(&mut pool, 1)[0], home);
    }
}

#[test]
fn request_without_a_key_goes_to_the_least_loaded() {
    let mut pool = pool(RING, &[1; 3]);
    let held: Vec<Lease> = (0..6).filter_map(|_| pool.pick(0, &[], NOW)).collect();
    assert!(pool.candidates().iter().all(|c| c.in_flight == 2));
    held.into_iter()
        .for_each(|lease| pool.settle(lease, Outcome::Inconclusive, NOW));
}

#[test]
fn balancers_agree_whatever_their_seed_and_order() {
    for table in [&URI_HASH, &URI_MAGLEV] {
        let names = |order: [&str; 3], seed| {
            let backends = order.map(|name| (name.to_owned(), 1));
            let mut pool = Backends::new(backends, table.spec().build(seed), seed);
            let homes = homes(&mut pool, 500);
            let name = |id: &BackendId| pool.name(*id).unwrap().to_owned();
            homes.iter().map(name).collect::<Vec<_>>()
        };
        let (one, other) = (names(["a", "b", "c"], 1), names(["c", "a", "b"], 2));
        assert_eq!(one, other, "{}", table.name);
    }
}
