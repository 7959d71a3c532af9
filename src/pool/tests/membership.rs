//! Backends that come and go in a pool of one worker.

use super::*;
use crate::config::{Limits, MAX_BACKENDS, Timeouts};
use crate::pool::{ConnectSpec, Entrance, NewBackend, NotAdded, Pool, PoolLimits};
use crate::strategy::Sticky;

fn newcomer(name: &str) -> NewBackend {
    NewBackend {
        name: name.to_owned(),
        address: "127.0.0.1:9".to_owned(),
        addresses: vec![std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into()],
        weight: 2,
        max_in_flight: Some(3),
        entrance: Entrance::Trial,
    }
}

fn empty(max: Option<u32>) -> Pool {
    let limits = Limits {
        backend_max_connections: max.map(crate::config::BackendLimit::Max),
        ..Limits::default()
    };
    let backends = pool(0, &LeastConnections::ENTRY.spec(), 0);
    let sticky = Sticky::new("lb", b"secret", []);
    let limits = PoolLimits::new(&limits, &Timeouts::default());
    Pool::new(backends, Some(sticky), ConnectSpec::default(), limits)
}

#[test]
fn a_backend_has_a_name_apart_from_its_address() {
    let mut pool = empty(None);
    let one = pool.admit(&newcomer("one"), at(0)).unwrap();
    let two = pool.admit(&newcomer("two"), at(0)).unwrap();
    assert_eq!(
        pool.admit(&newcomer("one"), at(0)),
        Err(NotAdded::NameTaken("one".to_owned()))
    );
    assert_eq!(pool.backends.find("two"), Some(two));
    assert_eq!(pool.backends.address(one), Some("127.0.0.1:9"));
    assert_eq!(
        pool.backends.find_by_address("127.0.0.1:9"),
        None,
        "two are there"
    );
    assert_eq!(pool.connect.addresses(one).len(), 1);
    assert!(!pool.affinity.as_ref().unwrap().line(one, false).is_empty());
    assert!(pool.backends.remove(one, at(0)));
    assert!(pool.forget(one).is_empty());
    assert!(pool.affinity.as_ref().unwrap().line(one, false).is_empty());
    assert_eq!(pool.backends.find_by_address("127.0.0.1:9"), Some(two));
}

#[test]
fn an_added_backend_comes_through_probation_unless_it_is_warm() {
    let mut pool = empty(None);
    let on_trial = pool.admit(&newcomer("trial"), at(0)).unwrap();
    let warm = NewBackend {
        entrance: Entrance::Warm,
        ..newcomer("warm")
    };
    let warm = pool.admit(&warm, at(0)).unwrap();
    let word = |pool: &Pool, id| pool.backends.state(id).unwrap().word();
    assert_eq!(word(&pool, on_trial), "probation");
    assert_eq!(word(&pool, warm), "initial");
    let trial = pool.backends.pick(0, &[], at(1)).unwrap();
    assert_eq!(trial.backend(), on_trial, "its trial is the next pick");
    for _ in 0..3 {
        let lease = pool.backends.pick(0, &[], at(1)).unwrap();
        assert_eq!(lease.backend(), warm);
        pool.backends.settle(lease, SUCCESS, at(2));
    }
    pool.backends.settle(trial, SUCCESS, at(2));
}

#[test]
fn a_backend_has_its_own_limit_or_that_of_the_pool() {
    let mut pool = empty(Some(5));
    let own = NewBackend {
        entrance: Entrance::Warm,
        ..newcomer("own")
    };
    let id = pool.admit(&own, at(0)).unwrap();
    let most = |pool: &mut Pool| {
        let leases: Vec<_> = std::iter::from_fn(|| pool.backends.pick(0, &[], at(1))).collect();
        let most = leases.len();
        for lease in leases {
            pool.backends.settle(lease, SUCCESS, at(1));
        }
        most
    };
    assert_eq!(most(&mut pool), 3);
    assert!(pool.limit(id, None));
    assert_eq!(most(&mut pool), 5);
}

#[test]
fn a_departing_backend_is_removed_when_it_is_empty_or_its_time_is_over() {
    let mut pool = pool(3, &LeastConnections::ENTRY.spec(), 0);
    let leases: Vec<_> = (0..3).map(|_| pool.pick(0, &[], at(0)).unwrap()).collect();
    let ids: Vec<_> = leases.iter().map(Lease::backend).collect();
    assert!(pool.depart(ids[0], at(500), at(1)) && pool.depart(ids[1], at(500), at(1)));
    assert!(pool.is_departing(ids[0]) && !pool.is_vacant());
    assert!(
        pool.next_change() <= at(500),
        "the deadline is a reason to wake up"
    );
    let mut leases = leases.into_iter();
    pool.settle(leases.next().unwrap(), SUCCESS, at(2));
    assert_eq!(pool.state(ids[0]), Some(State::Removed));
    assert!(pool.is_member(ids[2]) && !pool.is_member(ids[1]));
    pool.pass_time(at(499));
    assert_eq!(pool.state(ids[1]), Some(State::Draining));
    pool.pass_time(at(500));
    assert_eq!(pool.state(ids[1]), Some(State::Removed));
    let changes = pool.take_changes();
    let last = changes.last().unwrap();
    assert_eq!(last.cause, Cause::DrainTimeout { in_flight: 1 });
    assert_eq!(pool.reclaim(), [ids[0]], "one is still at the other");
    assert!(pool.depart(ids[2], at(9_999), at(600)));
    assert!(pool.is_vacant(), "all go");
    assert!(pool.undrain(ids[2], at(601)) && !pool.is_vacant());
    for lease in leases {
        pool.settle(lease, SUCCESS, at(700));
    }
    assert_eq!(pool.reclaim(), [ids[1]]);
    assert_eq!(pool.state(ids[2]).map(State::word), Some("probation"));
}

#[test]
fn one_that_is_disabled_departs_too() {
    let mut pool = pool(2, &LeastConnections::ENTRY.spec(), 0);
    let lease = pool.pick(0, &[], at(0)).unwrap();
    let id = lease.backend();
    assert!(pool.disable(id, at(1)) && pool.depart(id, at(500), at(2)));
    assert_eq!(pool.state(id), Some(State::Draining));
    pool.settle(lease, SUCCESS, at(3));
    assert_eq!(pool.state(id), Some(State::Removed));
    assert!(!pool.depart(id, at(9), at(4)) && !pool.undrain(id, at(4)));
}

#[test]
fn the_strategy_is_told_once_for_many_that_come() {
    let mut pool = pool(0, &"ip-maglev".parse().unwrap(), 0);
    for nth in 0..MAX_BACKENDS {
        pool.selection
            .admit(&newcomer(&format!("b{nth}")), at(0))
            .unwrap();
    }
    assert_eq!(
        pool.selection.admit(&newcomer("more"), at(0)),
        Err(NotAdded::TooMany)
    );
    // One table is built, not 4,096.
    let lease = pool.pick(77, &[], at(0)).unwrap();
    pool.settle(lease, SUCCESS, at(1));
}
