//! The effect of each event on the counters.

use super::*;
use crate::error::Refusal;
use crate::ids::PoolId;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const FIRST: BackendId = BackendId::new(0, 0);
const SECOND: BackendId = BackendId::new(1, 0);

fn record(backend: Option<BackendId>, fault: Option<Fault>) -> Record {
    Record {
        started_at: Timestamp::ZERO,
        client: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)).into(),
        status: fault.map_or(Some(200), Fault::status),
        bytes_in: 10,
        bytes_out: 100,
        pool: crate::ids::PoolId::FIRST,
        backend,
        queue_time: None,
        connect_time: None,
        first_byte_time: fault.is_none().then_some(Duration::from_millis(5)),
        total_time: Duration::from_millis(6),
        retries: 0,
        fault,
    }
}

fn view(id: BackendId) -> BackendView<'static> {
    BackendView {
        id,
        name: "b",
        state: "healthy",
        in_flight: 3,
    }
}

fn row(metrics: &Metrics, id: BackendId) -> BackendSnapshot {
    let mut snapshot = metrics.snapshot(Timestamp::ZERO, 0, [view(id)]);
    snapshot.backends.remove(0)
}

#[test]
fn exchange_counts_in_the_totals_and_for_its_backend() {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    metrics.picked(SECOND);
    metrics.record(&record(Some(SECOND), None));

    let second = row(&metrics, SECOND);
    assert_eq!((second.picks, second.in_flight), (1, 3));
    assert_eq!(second.counters.exchanges, 1);
    assert_eq!(
        (second.counters.bytes_in, second.counters.bytes_out),
        (10, 100)
    );
    assert_eq!(second.counters.statuses.of_class(2), 1);
    assert_eq!(second.response_times.map(|times| times.samples), Some(1));
    let snapshot = metrics.snapshot(Timestamp::ZERO, 0, []);
    assert_eq!(snapshot.totals, second.counters);
    assert_eq!(snapshot.response_times, second.response_times);
    let first = row(&metrics, FIRST);
    assert_eq!((first.picks, first.counters), (0, Counters::default()));
}

#[test]
fn an_attempt_that_is_repeated_is_held_against_the_backend_that_failed_it() {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    metrics.picked(FIRST);
    metrics.retried(FIRST, Fault::ConnectFailed);
    metrics.picked(SECOND);
    metrics.record(&record(Some(SECOND), None));

    let [first, second] = [FIRST, SECOND].map(|id| row(&metrics, id));
    assert_eq!((first.counters.errors, first.counters.retries), (1, 1));
    assert_eq!(first.faults.of(Fault::ConnectFailed), 1);
    assert_eq!(first.counters.exchanges, 0);
    assert_eq!((second.counters.errors, second.counters.retries), (0, 0));
    let snapshot = metrics.snapshot(Timestamp::ZERO, 0, []);
    assert_eq!((snapshot.totals.errors, snapshot.totals.retries), (1, 1));
    assert_eq!(snapshot.faults, FaultCounts::default(), "it ended well");
}

#[test]
fn only_faults_of_a_backend_are_errors_of_a_backend() {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    let bad_host = Fault::Refused(Refusal::BadHost);
    metrics.record(&record(None, Some(bad_host)));
    metrics.record(&record(Some(FIRST), Some(Fault::ClientGone)));
    metrics.record(&record(Some(FIRST), Some(Fault::BackendTimeout)));

    let first = row(&metrics, FIRST);
    assert_eq!((first.counters.exchanges, first.counters.errors), (2, 1));
    let seen: Vec<_> = first.faults.iter().collect();
    assert_eq!(seen, [(Fault::BackendTimeout, 1)]);
    let snapshot = metrics.snapshot(Timestamp::ZERO, 0, []);
    assert_eq!((snapshot.totals.exchanges, snapshot.totals.errors), (3, 1));
    for fault in [bad_host, Fault::ClientGone, Fault::BackendTimeout] {
        assert_eq!(snapshot.faults.of(fault), 1, "{fault:?}");
    }
}

#[test]
fn successor_in_a_slot_starts_at_zero() {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    let successor = BackendId::new(0, 1);
    metrics.record(&record(Some(FIRST), None));
    assert_eq!(row(&metrics, successor).counters.exchanges, 0);
    metrics.picked(successor);
    metrics.record(&record(Some(FIRST), None));

    assert_eq!(row(&metrics, successor).picks, 1);
    assert_eq!(row(&metrics, successor).counters.exchanges, 0);
    assert_eq!(row(&metrics, FIRST).counters.exchanges, 0);
    assert_eq!(metrics.snapshot(Timestamp::ZERO, 0, []).totals.exchanges, 2);
}

#[test]
fn equal_slots_of_several_pools_are_counted_apart() {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    let elsewhere = FIRST.of_pool(PoolId::new(3));
    metrics.picked(elsewhere);
    metrics.record(&record(Some(elsewhere), None));
    metrics.record(&record(Some(FIRST), None));
    metrics.record(&record(Some(FIRST), None));

    let [first, other] = [FIRST, elsewhere].map(|id| row(&metrics, id));
    assert_eq!((first.picks, first.counters.exchanges), (0, 2));
    assert_eq!((other.picks, other.counters.exchanges), (1, 1));
    assert_eq!(row(&metrics, FIRST.of_pool(PoolId::new(2))).picks, 0);

    let mut all = Metrics::new(Timestamp::ZERO);
    all.add(&metrics);
    assert_eq!(row(&all, elsewhere).picks, 1);
}

#[test]
fn several_workers_add_up() {
    let mut all = Metrics::new(Timestamp::ZERO);
    let mut other = Metrics::new(Timestamp::ZERO);
    for metrics in [&mut all, &mut other] {
        metrics.accepted();
        metrics.picked(FIRST);
        metrics.retried(FIRST, Fault::ConnectFailed);
        metrics.picked(SECOND);
        metrics.record(&record(Some(SECOND), None));
    }
    other.record(&record(Some(SECOND), Some(Fault::BackendTimeout)));
    all.add(&other);

    let snapshot = all.snapshot(Timestamp::ZERO, 0, []);
    assert_eq!(snapshot.connections_accepted, 2);
    assert_eq!((snapshot.totals.exchanges, snapshot.totals.retries), (3, 2));
    assert_eq!(
        snapshot.totals.statuses.iter().map(|(_, n)| n).sum::<u64>(),
        3
    );
    assert_eq!(snapshot.faults.of(Fault::BackendTimeout), 1);
    let [first, second] = [FIRST, SECOND].map(|id| row(&all, id));
    assert_eq!((first.picks, first.faults.of(Fault::ConnectFailed)), (2, 2));
    assert_eq!((second.picks, second.counters.exchanges), (2, 3));
    assert_eq!(second.response_times.map(|times| times.samples), Some(2));
    assert_eq!(all.exchanges(), 3);
}

#[test]
fn uptime_and_connections() {
    let mut metrics = Metrics::new(Timestamp::from_nanos(500));
    metrics.accepted();
    metrics.accepted();
    let snapshot = metrics.snapshot(Timestamp::from_nanos(800), 1, []);
    assert_eq!(snapshot.uptime, Duration::from_nanos(300));
    assert_eq!(
        (snapshot.connections_accepted, snapshot.connections_open),
        (2, 1)
    );
}

#[test]
fn a_removed_backend_is_forgotten_but_for_the_whole() {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    let answered = Record {
        first_byte_time: Some(Duration::from_millis(3)),
        ..record(Some(FIRST), None)
    };
    metrics.record(&answered);
    metrics.forget(FIRST.of_pool(PoolId::new(3)));
    assert_eq!(row(&metrics, FIRST).counters.exchanges, 1);
    metrics.forget(FIRST);
    assert_eq!(row(&metrics, FIRST).counters.exchanges, 0);
    let mut all = Metrics::new(Timestamp::ZERO);
    all.add(&metrics);
    let whole = all.snapshot(Timestamp::ZERO, 0, []);
    assert_eq!(whole.totals.exchanges, 1);
    assert_eq!(whole.response_times.map(|times| times.samples), Some(1));
}
