//! Golden tables.

use super::*;
use crate::error::{Fault, Refusal};
use crate::heartbeat::HeartbeatRefusal as Refused;
use crate::heartbeat::{HeartbeatCounts, HeartbeatReport, Load, Phi, ProcessState};
use crate::strategy::BackendId;
use crate::telemetry::{BackendView, Metrics, Record, Stall, TurnPhase, TurnTimes};
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

fn served(backend: BackendId, response_time: Duration) -> Record {
    Record {
        started_at: Timestamp::ZERO,
        client: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)).into(),
        status: Some(200),
        bytes_in: 80,
        bytes_out: 3_000,
        pool: crate::ids::PoolId::FIRST,
        backend: Some(backend),
        queue_time: None,
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
        metrics.record(&served(backend, Duration::from_micros(i * 10)));
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
            ..served(second, Duration::ZERO)
        });
    }
    metrics.accepted();
    metrics.snapshot(Timestamp::ZERO + Duration::from_secs(3_723), 1, views())
}

#[test]
fn a_busy_balancer() {
    assert_eq!(shown(&busy()), BUSY);
}

#[test]
fn heartbeats_are_shown_where_they_are_heard() {
    let mut snapshot = busy();
    let mut counts = HeartbeatCounts {
        taken: 1_234,
        ..HeartbeatCounts::default()
    };
    for refusal in [Refused::WrongTag, Refused::WrongTag, Refused::Clock] {
        counts.refuse(refusal);
    }
    snapshot.heartbeats = Some(counts);
    let silent = "heartbeats   1,234 taken, 3 refused (wrong_key 2, clock 1)\n";
    assert!(shown(&snapshot).contains(silent), "{}", shown(&snapshot));
    assert!(!shown(&snapshot).contains("phi"), "nobody sends any");
    snapshot.backends[1].heartbeat = Some(HeartbeatReport {
        name: "web2".into(),
        silence: Duration::from_millis(420),
        phi: Phi::from_tenths(1),
        load: Load::new(0.31),
        process: Some(ProcessState::Alive),
    });
    assert!(
        shown(&snapshot).ends_with(HEARTBEATS),
        "{}",
        shown(&snapshot)
    );
}

#[test]
fn several_workers_show_how_evenly_they_are_loaded() {
    let worker = |connections_open, exchanges| WorkerSnapshot {
        connections_open,
        exchanges,
    };
    let snapshot = Snapshot {
        workers: vec![worker(50, 1_012), worker(49, 998)],
        ..busy()
    };
    let line = "workers      2: connections 50 49, exchanges 1,012 998\n";
    assert_eq!(shown(&snapshot).replace(line, ""), BUSY);
}

#[test]
fn before_the_first_exchange() {
    let metrics = Metrics::new(Timestamp::ZERO);
    let snapshot = metrics.snapshot(Timestamp::ZERO, 0, views());
    assert_eq!(shown(&snapshot), IDLE);
}

#[test]
fn turns_are_shown_where_a_loop_turns() {
    let ms = Duration::from_millis;
    let longest = Stall {
        turn_time: ms(61),
        phase: TurnPhase::Accept,
        phase_time: ms(60),
    };
    let mut times = TurnTimes {
        turns: 1_200,
        p50: Duration::from_micros(20),
        p99: ms(3),
        longest,
        stalls: 0,
        deadline_lag_p99: ms(1),
        deadline_lag_max: ms(40),
    };
    let line = |times| {
        let turn_times = Some(times);
        let snapshot = Snapshot {
            turn_times,
            ..Snapshot::default()
        };
        let shown = shown(&snapshot);
        let line = shown.lines().find(|line| line.starts_with("turns "));
        line.expect("a line").to_owned()
    };
    assert_eq!(
        line(times),
        "turns        1,200 (p50 20 µs, p99 3.00 ms, longest 61.00 ms in accept); \
         deadlines late by p99 1.00 ms, max 40.00 ms"
    );
    times.stalls = 2;
    assert!(line(times).contains(" in accept), 2 of 50 ms or more; "));
}

#[test]
fn a_log_with_lines_dropped_is_shown() {
    let mut snapshot = busy();
    snapshot.access_log = Some(AccessLogStats::default());
    assert_eq!(shown(&snapshot), BUSY, "nothing to say");
    snapshot.access_log = Some(AccessLogStats {
        lines_dropped: 1_200,
        write_errors: 3,
    });
    let line = "access log   1,200 lines dropped, 3 write errors\n";
    assert_eq!(shown(&snapshot).replace(line, ""), BUSY);
}

#[test]
fn without_backends() {
    assert_eq!(shown(&Snapshot::default()), EMPTY);
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

const BUSY: &str = "\
uptime       1h 02m 03s
connections  1 accepted, 1 open
exchanges    1,603 (2xx 1,600, 4xx 1, 5xx 2)
bytes        125.2 KiB in, 4.6 MiB out
faults       backend_timeout 2, bad_host 1

backend              state    picks   share  in flight  errors  retries         in      out       p50       p90       p99       max
127.0.0.1:8001       healthy  1,200   75.0%          2       0        0   93.8 KiB  3.4 MiB   6.00 ms  10.81 ms  11.89 ms  12.01 ms
pi-2.example.net:80  healthy    400   25.0%          2       3        1   31.4 KiB  1.2 MiB  14.01 ms  15.61 ms  15.97 ms  16.01 ms
total                         1,600  100.0%          4       3        1  125.2 KiB  4.6 MiB   8.00 ms  14.41 ms  15.85 ms  16.01 ms
";

const IDLE: &str = "\
uptime       0s
connections  0 accepted, 0 open
exchanges    0
bytes        0 B in, 0 B out
faults       none

backend              state    picks  share  in flight  errors  retries   in  out  p50  p90  p99  max
127.0.0.1:8001       healthy      0      -          2       0        0  0 B  0 B    -    -    -    -
pi-2.example.net:80  healthy      0      -          2       0        0  0 B  0 B    -    -    -    -
total                             0      -          4       0        0  0 B  0 B    -    -    -    -
";

const HEARTBEATS: &str = "

heartbeats           as         last  phi  load  process
pi-2.example.net:80  web2  420.00 ms  0.1  0.31    alive
";

const EMPTY: &str = "\
uptime       0s
connections  0 accepted, 0 open
exchanges    0
bytes        0 B in, 0 B out
faults       none

no backends
";
