//! The backends of pools as tables.

use super::{Frame, each, seconds, text};
use crate::command::table::{Table, age, count, shortened, span};
use serde_json::Value;
use std::time::Duration;

/// A table for each pool.
pub(super) fn lines(pools: &[Value], frame: &Frame) -> Vec<String> {
    let mut lines = Vec::new();
    for pool in pools {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(of_pool(pool, frame));
    }
    lines
}

fn of_pool(pool: &Value, frame: &Frame) -> Vec<String> {
    let number = |key: &str| count(pool[key].as_u64().unwrap_or_default());
    let first = format!(
        "{}: {}, {} requests, {} in flight, {} queued, {} refused",
        text(&pool["name"]),
        text(&pool["strategy"]),
        number("arrivals"),
        number("in_flight"),
        number("queue_length"),
        number("shed"),
    );
    let mut table = Table::new(
        [
            "BACKEND",
            "STATE",
            "WT",
            "FLIGHT",
            "RESPONSES",
            "ERRORS",
            "P50",
            "P99",
        ],
        2,
    );
    for backend in each(&pool["backends"]) {
        table.push(row(backend));
        if let Some(note) = note(backend, frame.now) {
            table.note(note);
        }
    }
    let mut lines = vec![shortened(&first, frame.width)];
    match table.is_empty() {
        true => lines.push("  no backends".to_owned()),
        false => lines.extend(table.lines(frame.width)),
    }
    lines
}

fn row(backend: &Value) -> [String; 8] {
    let number = |key: &str| backend[key].as_u64().unwrap_or_default();
    let responses = backend["responses"].as_object().into_iter().flatten();
    let responses = responses.filter_map(|(_, n)| n.as_u64()).sum();
    let in_flight = number("in_flight") + number("tunnels");
    let in_flight = match backend["max_in_flight"].as_u64() {
        Some(max) => format!("{in_flight}/{max}"),
        None => count(in_flight),
    };
    let time = |quantile: &str| match &backend["response_time"] {
        Value::Null => "-".to_owned(),
        times => span(seconds(&times[quantile])),
    };
    [
        text(&backend["name"]).to_owned(),
        text(&backend["state"]).to_owned(),
        count(number("weight")),
        in_flight,
        count(responses),
        count(number("errors")),
        time("p50"),
        time("p99"),
    ]
}

/// What there is to say of a backend that is not as it should be, or not as it was started.
fn note(backend: &Value, now: Duration) -> Option<String> {
    let mut parts = Vec::new();
    if text(&backend["state"]) != "healthy" {
        let since = now.saturating_sub(seconds(&backend["since"]));
        parts.push(format!("for {}: {}", age(since), text(&backend["cause"])));
    }
    if backend["departing"] == true {
        parts.push("is to be removed".to_owned());
    }
    if let Some(said) = backend["operator"].as_object() {
        let said: Vec<_> = said
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key} {text}"),
                None => format!("{key} {value}"),
            })
            .collect();
        if !said.is_empty() {
            parts.push(format!("operator: {}", said.join(", ")));
        }
    }
    let address = text(&backend["address"]);
    if address != text(&backend["name"]) && !parts.is_empty() {
        parts.push(address.to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
