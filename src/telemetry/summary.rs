//! A snapshot as a table for people.
//!
//! Lines and columns come from the tables of metrics; this file owns their layout and the lines
//! that are more than numbers, `units` the notation of numbers. It reads a [`Snapshot`] and nothing
//! else. Invariant: every line of the table has the same columns at the same places, for all
//! numbers.

mod heartbeats;
mod table;
mod units;

pub(crate) use self::table::Table;
pub(crate) use self::units::{count, span};
use self::units::{size, uptime};
use super::metric::{BACKEND_METRICS, BALANCER_METRICS, Metric, MetricUnit};
use super::{AccessLogStats, BackendSnapshot, Counters, Snapshot, TurnTimes, WorkerSnapshot};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Shows a [`Snapshot`] on a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(
    /// The snapshot.
    pub &'a Snapshot,
);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(snapshot) = self;
        for (title, line) in lines(snapshot) {
            writeln!(f, "{title:<12} {line}")?;
        }
        writeln!(f)?;
        if snapshot.backends.is_empty() {
            return writeln!(f, "no backends");
        }
        backend_table(snapshot).fmt(f)?;
        match heartbeats::table(snapshot) {
            Some(table) => write!(f, "\n{table}"),
            None => Ok(()),
        }
    }
}

/// The lines above the table, each with its title.
fn lines(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let has_log_faults = snapshot.access_log.unwrap_or_default() != AccessLogStats::default();
    let shown = [
        ("uptime", Some(uptime(snapshot.uptime))),
        ("connections", numbers(snapshot, "connections")),
        (
            "exchanges",
            numbers(snapshot, "exchanges").map(|line| line + &statuses(&snapshot.totals)),
        ),
        ("workers", workers(&snapshot.workers)),
        ("bytes", numbers(snapshot, "bytes")),
        ("faults", Some(faults(snapshot))),
        (
            "access log",
            numbers(snapshot, "access log").filter(|_| has_log_faults),
        ),
        ("late binding", snapshot.serial_pools.map(late_binding)),
        ("turns", snapshot.turn_times.as_ref().map(turns)),
        (
            "heartbeats",
            snapshot.heartbeats.as_ref().map(heartbeats::totals),
        ),
    ];
    let known = shown.iter().map(|(title, _)| *title).collect::<Vec<_>>();
    let mut others: Vec<&str> = titles().filter(|title| !known.contains(title)).collect();
    others.dedup();
    let others = others
        .into_iter()
        .map(|title| (title, numbers(snapshot, title)));
    let lines = shown.into_iter().chain(others);
    lines
        .filter_map(|(title, line)| Some((title, line?)))
        .collect()
}

/// The titles of all metrics that have a line.
fn titles() -> impl Iterator<Item = &'static str> {
    let balancer = BALANCER_METRICS.iter().map(|metric| metric.place);
    let totals = Counters::METRICS.iter().map(|metric| metric.place);
    balancer
        .chain(totals)
        .filter_map(|place| Some(place.line?.0))
}

/// The metrics of the line with this title, as in `12 accepted, 3 open`; `None` if none has a
/// number.
fn numbers(snapshot: &Snapshot, title: &str) -> Option<String> {
    let balancer = BALANCER_METRICS
        .iter()
        .filter_map(|metric| in_line(metric, snapshot, title));
    let totals = Counters::METRICS
        .iter()
        .filter_map(|metric| in_line(metric, &snapshot.totals, title));
    let parts: Vec<String> = balancer.chain(totals).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn in_line<T>(metric: &Metric<T>, of: &T, title: &str) -> Option<String> {
    let (own, label) = metric.place.line?;
    let number = formatted((metric.get)(of).filter(|_| own == title)?, metric.unit);
    Some(match label {
        "" => number,
        _ => format!("{number} {label}"),
    })
}

fn formatted(number: u64, unit: MetricUnit) -> String {
    match unit {
        MetricUnit::Count => count(number),
        MetricUnit::Bytes => size(number),
        MetricUnit::Nanos => span(Duration::from_nanos(number)),
    }
}

fn late_binding(serial_pools: u64) -> String {
    match serial_pools {
        0 => "learning: any number of requests at a time".to_owned(),
        1 => "serial: one request at a time".to_owned(),
        pools => format!("serial: one request at a time in {} pools", count(pools)),
    }
}

/// As in `1,200 (p50 20 µs, p99 90 µs, longest 1.20 ms in accept); deadlines 1.00 ms late`.
fn turns(times: &TurnTimes) -> String {
    let mut told = format!(
        "{} (p50 {}, p99 {}, longest {} in {})",
        count(times.turns),
        span(times.p50),
        span(times.p99),
        span(times.longest.turn_time),
        times.longest.phase.word(),
    );
    if times.stalls > 0 {
        told.push_str(&format!(", {} of 50 ms or more", count(times.stalls)));
    }
    let (p99, max) = (times.deadline_lag_p99, times.deadline_lag_max);
    told + &format!("; deadlines late by p99 {}, max {}", span(p99), span(max))
}

/// Returns how evenly the load is spread, as in `2: connections 50 49, exchanges 1,012 998`.
fn workers(workers: &[WorkerSnapshot]) -> Option<String> {
    if workers.is_empty() {
        return None;
    }
    let list = |of: fn(&WorkerSnapshot) -> u64| {
        let counts: Vec<_> = workers.iter().map(|worker| count(of(worker))).collect();
        counts.join(" ")
    };
    Some(format!(
        "{}: connections {}, exchanges {}",
        workers.len(),
        list(|worker| worker.connections_open),
        list(|worker| worker.exchanges)
    ))
}

/// The classes that occurred, as in ` (2xx 10, 5xx 1)`.
fn statuses(totals: &Counters) -> String {
    let seen: Vec<String> = totals
        .statuses
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(class, n)| format!("{class}xx {}", count(n)))
        .collect();
    if seen.is_empty() {
        return String::new();
    }
    format!(" ({})", seen.join(", "))
}

/// The most frequent first.
fn faults(snapshot: &Snapshot) -> String {
    let mut seen: Vec<_> = snapshot.faults.iter().collect();
    if seen.is_empty() {
        return "none".to_owned();
    }
    seen.sort_by_key(|(fault, n)| (std::cmp::Reverse(*n), fault.word()));
    let words: Vec<String> = seen
        .iter()
        .map(|(fault, n)| format!("{} {}", fault.word(), count(*n)))
        .collect();
    words.join(", ")
}

/// The column behind the picks: their share of all picks.
const SHARE: &str = "share";

/// Columns of words; the others are numbers.
const WORD_COLUMNS: usize = 2;

/// The heads of the columns, and how their cells are read of a backend and the number of all picks.
fn columns() -> Vec<Column> {
    let [before, behind] = BACKEND_METRICS;
    let mut columns: Vec<Column> = vec![
        ("backend", Box::new(|backend, _| backend.name.clone())),
        ("state", Box::new(|backend, _| backend.state.to_owned())),
    ];
    for metric in before {
        columns.extend(column(metric, |backend| backend));
        if metric.name == "picks" {
            columns.push((SHARE, Box::new(|backend, all| share(backend.picks, all))));
        }
    }
    for metric in Counters::METRICS {
        columns.extend(column(metric, |backend| &backend.counters));
    }
    columns.extend(
        behind
            .iter()
            .filter_map(|metric| column(metric, |backend| backend)),
    );
    columns
}

type Column = (&'static str, Box<dyn Fn(&BackendSnapshot, u64) -> String>);

fn column<T>(metric: &'static Metric<T>, of: fn(&BackendSnapshot) -> &T) -> Option<Column> {
    let cell = move |backend: &BackendSnapshot, _| {
        let number = (metric.get)(of(backend));
        number.map_or("-".to_owned(), |number| formatted(number, metric.unit))
    };
    Some((metric.place.column?, Box::new(cell)))
}

fn backend_table(snapshot: &Snapshot) -> Table {
    let (backends, columns) = (&snapshot.backends, columns());
    let all_picks = backends.iter().map(|backend| backend.picks).sum();
    let mut table = Table::new(columns.iter().map(|(head, _)| *head), WORD_COLUMNS);
    let total = (backends.len() > 1).then(|| sum(snapshot));
    for backend in backends.iter().chain(&total) {
        table.push(columns.iter().map(|(_, cell)| cell(backend, all_picks)));
    }
    table
}

/// The last line: the columns above it, added up.
fn sum(snapshot: &Snapshot) -> BackendSnapshot {
    let backends = &snapshot.backends;
    let mut counters = Counters::default();
    for backend in backends {
        counters.add(&backend.counters);
    }
    BackendSnapshot {
        name: "total".to_owned(),
        state: "",
        standing: super::Standing::default(),
        in_flight: backends.iter().map(|b| b.in_flight).sum(),
        picks: backends.iter().map(|b| b.picks).sum(),
        counters,
        faults: super::FaultCounts::default(),
        response_times: snapshot.response_times,
        times: super::ExchangeTimes::default(),
        heartbeat: None,
    }
}

/// Per cent, with a decimal.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1}%", part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests;
