//! The metrics: one table of name, help, kind, unit and getter, that the summary and the
//! documentation follow.
//!
//! A counter of exchanges is one line in [`Counters`](super::Counters) and the event that counts
//! it. Anything else is a row here, of the whole balancer or of one backend.

use super::{BackendSnapshot, Snapshot};
use std::time::Duration;

/// One metric of a `T`.
#[derive(Debug)]
pub struct Metric<T: 'static> {
    /// Its name, in lower case with underscores.
    pub name: &'static str,
    /// Its meaning.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// The unit of the numbers that `get` returns.
    pub unit: MetricUnit,
    /// Its place in the summary: the title of a line and the label behind the number, or the head
    /// of a column.
    pub(super) place: Place,
    /// Its present number; `None` before there is one.
    pub get: fn(&T) -> Option<u64>,
}

/// The way a metric changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows, from 0 at the start.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The unit of a metric's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricUnit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanos,
}

/// The place of a metric in the summary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The title of a line, and the label behind the number.
    pub(super) line: Option<(&'static str, &'static str)>,
    /// The head of a column of the table of backends.
    pub(super) column: Option<&'static str>,
}

impl Place {
    /// Nowhere.
    pub(super) const NONE: Self = Self {
        line: None,
        column: None,
    };

    pub(super) const fn line(title: &'static str, label: &'static str) -> Self {
        Self {
            line: Some((title, label)),
            column: None,
        }
    }

    pub(super) const fn column(head: &'static str) -> Self {
        Self {
            line: None,
            column: Some(head),
        }
    }

    pub(super) const fn line_and_column(
        title: &'static str,
        label: &'static str,
        head: &'static str,
    ) -> Self {
        Self {
            line: Some((title, label)),
            column: Some(head),
        }
    }
}

const fn row<T>(
    name: &'static str,
    help: &'static str,
    (kind, unit): (MetricKind, MetricUnit),
    place: Place,
    get: fn(&T) -> Option<u64>,
) -> Metric<T> {
    Metric {
        name,
        help,
        kind,
        unit,
        place,
        get,
    }
}

const COUNTER: (MetricKind, MetricUnit) = (MetricKind::Counter, MetricUnit::Count);
const GAUGE: (MetricKind, MetricUnit) = (MetricKind::Gauge, MetricUnit::Count);
const TIME: (MetricKind, MetricUnit) = (MetricKind::Gauge, MetricUnit::Nanos);

/// Metrics of the whole balancer, beside the [`Counters`](super::Counters) of all exchanges.
pub const BALANCER_METRICS: &[Metric<Snapshot>] = &[
    row(
        "uptime",
        "time since the start",
        TIME,
        Place::line("uptime", ""),
        |all| nanos(all.uptime),
    ),
    row(
        "config_generation",
        "configurations loaded: 1 after the start, one more with each reload",
        COUNTER,
        Place::NONE,
        |all| Some(all.config_generation),
    ),
    row(
        "config_loaded_at",
        "when the configuration was loaded, since 1970-01-01",
        TIME,
        Place::NONE,
        |all| nanos(all.config_loaded_at),
    ),
    row(
        "connections_accepted",
        "client connections accepted",
        COUNTER,
        Place::line("connections", "accepted"),
        |all| Some(all.connections_accepted),
    ),
    row(
        "connections_open",
        "client connections open",
        GAUGE,
        Place::line("connections", "open"),
        |all| Some(all.connections_open),
    ),
    row(
        "serial_pools",
        "pools found to be serial, whose backends are given one request at a time",
        GAUGE,
        Place::line("late binding", ""),
        |all| all.serial_pools,
    ),
    row(
        "log_lines_dropped",
        "lines of the access log that could not be written, or came faster than they were read",
        COUNTER,
        Place::line("access log", "lines dropped"),
        |all| Some(all.access_log?.lines_dropped),
    ),
    row(
        "log_write_errors",
        "writes of the access log that failed",
        COUNTER,
        Place::line("access log", "write errors"),
        |all| Some(all.access_log?.write_errors),
    ),
    row(
        "memory",
        "resident memory of the process",
        (MetricKind::Gauge, MetricUnit::Bytes),
        Place::NONE,
        |all| all.memory_bytes,
    ),
    row(
        "descriptors_open",
        "open file descriptors of the process",
        GAUGE,
        Place::NONE,
        |all| all.descriptors_open,
    ),
    row(
        "loop_turns",
        "turns of the event loops",
        COUNTER,
        Place::NONE,
        |all| Some(all.turn_times?.turns),
    ),
    row(
        "loop_stalls",
        "turns of 50 ms or more",
        COUNTER,
        Place::NONE,
        |all| Some(all.turn_times?.stalls),
    ),
    row(
        "loop_turn_time_p99",
        "99th percentile of turn times",
        TIME,
        Place::NONE,
        |all| nanos(all.turn_times?.p99),
    ),
    row(
        "loop_turn_time_max",
        "longest turn",
        TIME,
        Place::NONE,
        |all| nanos(all.turn_times?.longest.turn_time),
    ),
    row(
        "loop_lag_p99",
        "99th percentile of how late a deadline fired",
        TIME,
        Place::NONE,
        |all| nanos(all.turn_times?.deadline_lag_p99),
    ),
    row(
        "loop_lag_max",
        "the latest a deadline fired",
        TIME,
        Place::NONE,
        |all| nanos(all.turn_times?.deadline_lag_max),
    ),
];

/// Metrics of one backend, beside its [`Counters`](super::Counters): those that the table shows
/// before them, and those behind.
pub const BACKEND_METRICS: [&[Metric<BackendSnapshot>]; 2] = [
    &[
        row(
            "picks",
            "how often the backend was picked",
            COUNTER,
            Place::column("picks"),
            |backend| Some(backend.picks),
        ),
        row(
            "in_flight",
            "exchanges dispatched to it and not yet settled",
            GAUGE,
            Place::column("in flight"),
            |backend| Some(backend.in_flight.into()),
        ),
    ],
    &[
        row(
            "response_time_p50",
            "median response time",
            TIME,
            Place::column("p50"),
            |backend| nanos(backend.response_times?.p50),
        ),
        row(
            "response_time_p90",
            "90th percentile of response times",
            TIME,
            Place::column("p90"),
            |backend| nanos(backend.response_times?.p90),
        ),
        row(
            "response_time_p99",
            "99th percentile of response times",
            TIME,
            Place::column("p99"),
            |backend| nanos(backend.response_times?.p99),
        ),
        row(
            "response_time_max",
            "longest response time",
            TIME,
            Place::column("max"),
            |backend| nanos(backend.response_times?.max),
        ),
    ],
];

fn nanos(time: Duration) -> Option<u64> {
    u64::try_from(time.as_nanos()).ok()
}
