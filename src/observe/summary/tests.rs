//! Golden tables.

use super::*;
use crate::balance::BackendId;
use crate::error::{Fault, Refusal};
use crate::observe::{BackendView, Metrics, Record};
use crate::time::Timestamp;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const NAMES: [&str; 2] = ["127.0.0.1:8001", "pi-2.example.net:80"];

fn views() -> [BackendView<'static>; 2] {
    let mut slot = 0..;
    NAMES.map(|name| BackendView {
        id: BackendId::new(slot.next().expect("slots are many"), 0),
        name,
        state: "healthy",
        in_flight: 2,
    })
}

fn shown(snapshot: &Snapshot) -> String {
    Summary(snapshot).to_string()
}

fn answered(backend: BackendId, response_time: Duration) -> Record<'static> {
    Record {
        started_at: Timestamp::ZERO,
        client: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        method: b"GET",
        target: b"/100",
        status: Some(200),
        bytes_in: 80,
        bytes_out: 3_000,
        backend: Some(backend),
        connect_time: None,
        first_byte_time: Some(response_time),
        total_time: response_time,
        retries: 0,
        fault: None,
    }
}

/// 1,200 exchanges at the first backend, 400 at the second, and something of everything else.
fn busy() -> Snapshot {
    let mut metrics = Metrics::new(Timestamp::ZERO);
    let [first, second] = views().map(|view| view.id);
    let dispatches = std::iter::repeat_n(first, 1_200).chain(std::iter::repeat_n(second, 400));
    for (i, backend) in (1..).zip(dispatches) {
        metrics.picked(backend);
        metrics.record(&answered(backend, Duration::from_micros(i * 10)));
    }
    metrics.retried(second, Fault::ConnectFailed);
    for fault in [
        Fault::BackendTimeout,
        Fault::Refused(Refusal::BadHost),
        Fault::BackendTimeout,
    ] {
        metrics.record(&Record {
            status: fault.status(),
            fault: Some(fault),
            first_byte_time: None,
            backend: (fault == Fault::BackendTimeout).then_some(second),
            ..answered(second, Duration::ZERO)
        });
    }
    metrics.accepted();
    metrics.snapshot(Timestamp::ZERO + Duration::from_secs(3_723), 1, views())
}

#[test]
fn a_busy_balancer() {
    assert_eq!(shown(&busy()), "");
}

#[test]
fn before_the_first_exchange() {
    let metrics = Metrics::new(Timestamp::ZERO);
    let snapshot = metrics.snapshot(Timestamp::ZERO, 0, views());
    assert_eq!(shown(&snapshot), "");
}

#[test]
fn without_backends() {
    assert_eq!(shown(&Snapshot::default()), "");
}

#[test]
fn one_backend_needs_no_total() {
    let metrics = Metrics::new(Timestamp::ZERO);
    let snapshot = metrics.snapshot(Timestamp::ZERO, 0, views().into_iter().take(1));
    assert!(!shown(&snapshot).contains("total"));
}

#[test]
fn large_numbers_stay_in_their_columns() {
    let mut snapshot = busy();
    for backend in &mut snapshot.backends {
        backend.picks = u64::MAX / 4;
        backend.counters.bytes_out = u64::MAX / 4;
    }
    let text = shown(&snapshot);
    let table: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("backend"))
        .collect();
    let widths: Vec<usize> = table.iter().map(|line| line.chars().count()).collect();
    assert_eq!(table.len(), 4, "head, two backends, total");
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
}
