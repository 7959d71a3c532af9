//! Ejection and slow start where queues are long.

use super::*;
use crate::strategy::Outcome;
use std::collections::VecDeque;

const TIMEOUT_MS: u64 = 5_000;

fn watched(count: usize) -> Backends {
    let mut pool = pool(count, &RoundRobin::ENTRY.spec(), 0);
    pool.set_policy(EjectionPolicy::FAILURES_ONLY);
    pool
}

/// Picks `per_backend` exchanges for each of `count` backends; returns them by slot.
fn dispatch(
    pool: &mut Backends,
    count: usize,
    per_backend: usize,
    millis: u64,
) -> Vec<VecDeque<Lease>> {
    let mut leases: Vec<VecDeque<Lease>> = (0..count).map(|_| VecDeque::new()).collect();
    for _ in 0..count * per_backend {
        let lease = pool.pick(0, &[], at(millis)).unwrap();
        leases[slot(&lease)].push_back(lease);
    }
    leases
}

fn is_out(pool: &Backends, slot: usize) -> bool {
    let id = pool.candidates()[slot].id;
    pool.state(id).unwrap().is_out()
}

#[test]
fn a_backend_that_completes_others_meanwhile_is_late_and_not_broken() {
    for completes in [true, false] {
        let mut pool = watched(2);
        let mut leases = dispatch(&mut pool, 2, 20, 0);
        if completes {
            let first = leases[1].pop_front().unwrap();
            pool.settle(first, SUCCESS, at(4_000));
        }
        // Those of the other backend are done, so that it has room.
        for lease in leases[0].drain(..) {
            pool.settle(lease, SUCCESS, at(4_000));
        }
        for lease in leases[1].drain(..10) {
            pool.settle(lease, Outcome::TimedOut, at(TIMEOUT_MS));
        }
        assert_eq!(is_out(&pool, 1), !completes);
        let rest = leases.into_iter().flatten();
        rest.for_each(|lease| pool.settle(lease, Outcome::Inconclusive, at(TIMEOUT_MS)));
    }
}

#[test]
fn timeouts_eject_only_where_another_backend_has_room() {
    for (waited_elsewhere_ms, ejects) in [(4_000, false), (1_000, true)] {
        let mut pool = watched(3);
        let mut leases = dispatch(&mut pool, 3, 10, 0);
        // The others are busy with exchanges that have waited for so long.
        let busy_since = TIMEOUT_MS - waited_elsewhere_ms;
        for slot in [0, 2] {
            for lease in leases[slot].drain(..) {
                pool.settle(lease, SUCCESS, at(busy_since));
            }
        }
        let mut later = dispatch(&mut pool, 3, 1, busy_since);
        for lease in leases[1].drain(..) {
            pool.settle(lease, Outcome::TimedOut, at(TIMEOUT_MS));
        }
        assert_eq!(is_out(&pool, 1), ejects, "{waited_elsewhere_ms} ms");
        let rest = later.iter_mut().flat_map(|leases| leases.drain(..));
        rest.for_each(|lease| pool.settle(lease, SUCCESS, at(TIMEOUT_MS)));
    }
}

#[test]
fn slow_start_backend_takes_requests_that_would_wait_long_elsewhere() {
    let mut pool = pool(2, &LeastConnections::ENTRY.spec(), 0);
    let slow_start = Duration::from_secs(10);
    pool.set_policy(EjectionPolicy {
        slow_start,
        ..EjectionPolicy::FAILURES_ONLY
    });
    let back = pool.candidates()[0].id;
    assert!(pool.disable(back, at(0)) && pool.undrain(back, at(0)));
    let trial = pool.pick(0, &[], at(0)).unwrap();
    assert_eq!(trial.backend(), back);
    pool.settle(trial, SUCCESS, at(0));
    // Two seconds into the ramp, a fifth of its height: five at the other are like one at it.
    let mut held: Vec<Lease> = Vec::new();
    let mut picked = Vec::new();
    for _ in 0..24 {
        let lease = pool.pick(0, &[], at(2_000)).unwrap();
        picked.push(slot(&lease));
        held.push(lease);
    }
    let at_back = picked.iter().filter(|&&slot| slot == 0).count();
    assert!((4..=6).contains(&at_back), "{picked:?}");
    held.into_iter()
        .for_each(|lease| pool.settle(lease, SUCCESS, at(2_001)));
}
