//! Answers as pages for people, which fit the terminal.

mod backends;
mod picks;
mod topology;

use super::ask::Answer;
use crate::command::table::{Table, age, count, shortened};
use serde_json::Value;
use std::time::Duration;

/// Where a page is shown, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Columns.
    pub(super) width: usize,
    /// The wall clock, since the Unix epoch.
    pub(super) now: Duration,
}

/// An answer as a page.
pub(super) fn page(answer: &Answer, frame: &Frame) -> String {
    let lines = match answer {
        Answer::Status { status, pools, .. } => of_status(status, pools, frame),
        Answer::Pools(value) => of_pools(value).lines(frame.width),
        Answer::Backends(pools) => backends::lines(pools, frame),
        Answer::Routes(value) => topology::routes(value, frame),
        Answer::Listeners(value) => topology::listeners(value, frame),
        Answer::Workers(value) => topology::workers(value, frame),
        Answer::Explanation(value) => picks::explanation(value, frame),
        Answer::Picks(value) => picks::picks(value, frame),
        Answer::WhatIf(value) => picks::what_if(value, frame),
        Answer::Set(value) => topology::set(value, frame),
        Answer::Text(text) => return text.clone(),
        Answer::Done(words, _) => vec![words.clone()],
    };
    let mut page = lines.join("\n");
    page.push('\n');
    page
}

fn of_status(status: &Value, pools: &Value, frame: &Frame) -> Vec<String> {
    let number = |key: &str| count(status[key].as_u64().unwrap_or_default());
    let loaded = seconds(&status["config_loaded_at"]);
    let lines = [
        format!(
            "lb {}, up {}, {} workers, process {}",
            text(&status["version"]),
            age(seconds(&status["uptime_seconds"])),
            number("workers"),
            status["pid"].as_u64().unwrap_or_default(),
        ),
        format!(
            "connections: {} open, {} accepted; exchanges: {} under way, {} ended",
            number("connections_open"),
            number("connections_accepted"),
            number("in_flight"),
            number("exchanges"),
        ),
        format!(
            "configuration: generation {}, loaded {} ago",
            number("config_generation"),
            age(frame.now.saturating_sub(loaded)),
        ),
        String::new(),
    ];
    let mut lines: Vec<_> = lines.iter().map(|it| shortened(it, frame.width)).collect();
    lines.extend(of_pools(pools).lines(frame.width));
    lines
}

fn of_pools(value: &Value) -> Table {
    let mut table = Table::new(["POOL", "STRATEGY", "BACKENDS", "STATES"], 2).ending_in_words();
    for pool in each(&value["pools"]) {
        let states = pool["states"].as_object().into_iter().flatten();
        let states: Vec<_> = states.map(|(state, n)| format!("{n} {state}")).collect();
        table.push([
            text(&pool["name"]).to_owned(),
            text(&pool["strategy"]).to_owned(),
            count(pool["backends"].as_u64().unwrap_or_default()),
            states.join(", "),
        ]);
    }
    table
}

/// The elements of a list.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text; empty if it is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number of seconds; zero if it is none.
fn seconds(value: &Value) -> Duration {
    let seconds = value.as_f64().unwrap_or_default();
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;
