//! A snapshot as a table for people.
//!
//! It owns columns and layout, `units` owns how numbers are read. It reads a [`Snapshot`] and
//! nothing else. Invariant: every line of the table has the same columns at the same places,
//! whatever the numbers are.

mod heartbeats;
mod table;
mod units;

pub(crate) use self::table::Table;
pub(crate) use self::units::{count, span};
use self::units::{size, uptime};
use super::{
    AccessLogStats, BackendSnapshot, Counters, ResponseTimes, Snapshot, TurnTimes, WorkerSnapshot,
};
use std::fmt::{self, Display, Formatter};

/// Shows a [`Snapshot`] on a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(
    /// What is shown.
    pub &'a Snapshot,
);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(snapshot) = self;
        write_totals(f, snapshot)?;
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

fn write_totals(f: &mut Formatter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let totals = &snapshot.totals;
    writeln!(f, "uptime       {}", uptime(snapshot.uptime))?;
    writeln!(
        f,
        "connections  {} accepted, {} open",
        count(snapshot.connections_accepted),
        count(snapshot.connections_open)
    )?;
    writeln!(
        f,
        "exchanges    {}{}",
        count(totals.exchanges),
        statuses(totals)
    )?;
    write_workers(f, &snapshot.workers)?;
    writeln!(
        f,
        "bytes        {} in, {} out",
        size(totals.bytes_in),
        size(totals.bytes_out)
    )?;
    writeln!(f, "faults       {}", faults(snapshot))?;
    if let Some(line) = snapshot.access_log.and_then(access_log) {
        writeln!(f, "access log   {line}")?;
    }
    if let Some(times) = &snapshot.turn_times {
        writeln!(f, "turns        {}", turns(times))?;
    }
    match &snapshot.heartbeats {
        Some(counts) => writeln!(f, "heartbeats   {}", heartbeats::totals(counts)),
        None => Ok(()),
    }
}

/// As in `12 lines dropped, 3 write errors`; `None` if everything was written.
fn access_log(stats: AccessLogStats) -> Option<String> {
    if stats == AccessLogStats::default() {
        return None;
    }
    let AccessLogStats {
        lines_dropped,
        write_errors,
    } = stats;
    let [lines, errors] = [lines_dropped, write_errors].map(count);
    Some(format!("{lines} lines dropped, {errors} write errors"))
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

/// How evenly the load is spread, as in `2: connections 50 49, exchanges 1,012 998`.
fn write_workers(f: &mut Formatter<'_>, workers: &[WorkerSnapshot]) -> fmt::Result {
    if workers.is_empty() {
        return Ok(());
    }
    let list = |of: fn(&WorkerSnapshot) -> u64| {
        let counts: Vec<_> = workers.iter().map(|worker| count(of(worker))).collect();
        counts.join(" ")
    };
    writeln!(
        f,
        "workers      {}: connections {}, exchanges {}",
        workers.len(),
        list(|worker| worker.connections_open),
        list(|worker| worker.exchanges)
    )
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

const COLUMNS: [&str; 13] = [
    "backend",
    "state",
    "picks",
    "share",
    "in flight",
    "errors",
    "retries",
    "in",
    "out",
    "p50",
    "p90",
    "p99",
    "max",
];

/// Columns of words; the others are numbers.
const WORD_COLUMNS: usize = 2;

fn backend_table(snapshot: &Snapshot) -> Table<{ COLUMNS.len() }> {
    let backends = &snapshot.backends;
    let all_picks = backends.iter().map(|backend| backend.picks).sum();
    let mut table = Table::new(COLUMNS, WORD_COLUMNS);
    for backend in backends {
        table.push(row(backend, all_picks));
    }
    if backends.len() > 1 {
        table.push(row(&sum(snapshot), all_picks));
    }
    table
}

fn row(backend: &BackendSnapshot, all_picks: u64) -> [String; COLUMNS.len()] {
    let counters = &backend.counters;
    let response_time = |quantile: fn(ResponseTimes) -> _| {
        let times = backend.response_times.map(quantile);
        times.map_or("-".to_owned(), span)
    };
    [
        backend.name.clone(),
        backend.state.to_owned(),
        count(backend.picks),
        share(backend.picks, all_picks),
        count(backend.in_flight.into()),
        count(counters.errors),
        count(counters.retries),
        size(counters.bytes_in),
        size(counters.bytes_out),
        response_time(|times| times.p50),
        response_time(|times| times.p90),
        response_time(|times| times.p99),
        response_time(|times| times.max),
    ]
}

/// The last line: the columns above it, added up.
fn sum(snapshot: &Snapshot) -> BackendSnapshot {
    let backends = &snapshot.backends;
    let sum_of = |field: fn(&Counters) -> u64| backends.iter().map(|b| field(&b.counters)).sum();
    BackendSnapshot {
        name: "total".to_owned(),
        state: "",
        in_flight: backends.iter().map(|b| b.in_flight).sum(),
        picks: backends.iter().map(|b| b.picks).sum(),
        counters: Counters {
            errors: sum_of(|c| c.errors),
            retries: sum_of(|c| c.retries),
            bytes_in: sum_of(|c| c.bytes_in),
            bytes_out: sum_of(|c| c.bytes_out),
            ..Counters::default()
        },
        faults: super::FaultCounts::default(),
        response_times: snapshot.response_times,
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
