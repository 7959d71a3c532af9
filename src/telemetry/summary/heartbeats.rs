//! Heartbeats as a table: one row for each backend that sends them.

use super::table::Table;
use super::units::{count, span};
use crate::heartbeat::{HeartbeatCounts, HeartbeatRefusal, HeartbeatReport};
use crate::telemetry::{BackendSnapshot, Snapshot};

const COLUMNS: [&str; 6] = ["heartbeats", "as", "last", "phi", "load", "process"];
/// Columns of words; the others are numbers.
const WORD_COLUMNS: usize = 2;

/// As in `1,234 taken, 3 refused (signed with another key 3)`.
pub(super) fn totals(counts: &HeartbeatCounts) -> String {
    let taken = count(counts.taken);
    let kinds = HeartbeatRefusal::ALL
        .iter()
        .filter(|kind| counts.of(**kind) > 0);
    let words: Vec<String> = kinds
        .map(|kind| format!("{} {}", kind.word(), count(counts.of(*kind))))
        .collect();
    match words.is_empty() {
        true => format!("{taken} taken"),
        false => format!(
            "{taken} taken, {} refused ({})",
            count(counts.refused()),
            words.join(", ")
        ),
    }
}

/// The table; `None` if no backend sends any.
pub(super) fn table(snapshot: &Snapshot) -> Option<Table> {
    let mut table = Table::new(COLUMNS, WORD_COLUMNS);
    let senders = snapshot.backends.iter();
    let mut rows = senders.filter_map(|backend| Some(row(backend, backend.heartbeat.as_ref()?)));
    table.push(rows.next()?);
    rows.for_each(|row| table.push(row));
    Some(table)
}

fn row(backend: &BackendSnapshot, report: &HeartbeatReport) -> [String; COLUMNS.len()] {
    let nothing = || "-".to_owned();
    [
        backend.name.clone(),
        report.name.clone(),
        span(report.silence),
        report.phi.to_string(),
        report.load.map_or_else(nothing, |load| load.to_string()),
        report.process.map_or_else(nothing, |p| p.word().to_owned()),
    ]
}
