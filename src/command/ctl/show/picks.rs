//! Why backends are picked, what was picked last, and what would be otherwise.

use super::{Frame, each, seconds, text};
use crate::command::event_words::wall_time;
use crate::command::table::{Table, count, shortened, span};
use lb::internal::telemetry::WallTime;
use serde_json::Value;

pub(super) fn explanation(value: &Value, frame: &Frame) -> Vec<String> {
    let keyed = match (value["keyed_by"].as_str(), value["key"].as_str()) {
        (None, _) => String::new(),
        (Some(by), Some(key)) => format!(", {by} {key}"),
        (Some(by), None) => format!(", by {by}: give --key for the pick of one"),
    };
    let first = format!(
        "{}: {}{keyed}; * is picked next",
        text(&value["pool"]),
        text(&value["strategy"])
    );
    let mut head = Table::new(
        ["", "BACKEND", "STATE", "FLIGHT", "WORKER", "COST", "REASON"],
        3,
    )
    .ending_in_words();
    for candidate in each(&value["candidates"]) {
        for rating in each(&candidate["ratings"]) {
            let is_best = rating["best"] == true && candidate["pickable"] == true;
            head.push([
                if is_best { "*" } else { "" }.to_owned(),
                text(&candidate["name"]).to_owned(),
                text(&candidate["state"]).to_owned(),
                count(candidate["in_flight"].as_u64().unwrap_or_default()),
                rating["worker"].to_string(),
                match rating["cost"].as_f64() {
                    Some(cost) => format!("{cost:.4}"),
                    None => "-".to_owned(),
                },
                text(&rating["reason"]).to_owned(),
            ]);
        }
        let note = candidate["note"].as_str();
        match (candidate["pickable"] == true, note) {
            (true, Some(note)) => head.note(note),
            (false, Some(note)) => head.note(format!("not picked: {note}")),
            (false, None) => head.note("not picked"),
            (true, None) => {}
        }
    }
    let mut lines = vec![shortened(&first, frame.width)];
    lines.extend(head.lines(frame.width));
    lines
}

pub(super) fn picks(value: &Value, frame: &Frame) -> Vec<String> {
    let mut table = Table::new(
        [
            "TIME", "BACKEND", "STATUS", "QUEUED", "RESPONSE", "TOTAL", "RETRIES", "FAULT",
        ],
        2,
    )
    .ending_in_words();
    for pick in each(&value["picks"]) {
        let time = |key: &str| match &pick[key] {
            Value::Null => "-".to_owned(),
            time => span(seconds(time)),
        };
        let mut wall = WallTime::default();
        let at = wall.format(wall_time(&pick["at"]));
        let (_, of_day) = at.split_once('T').unwrap_or(("", at));
        table.push([
            of_day.trim_end_matches('Z').to_owned(),
            pick["backend"].as_str().unwrap_or("-").to_owned(),
            match pick["status"].as_u64() {
                Some(status) => status.to_string(),
                None => "-".to_owned(),
            },
            time("queue_seconds"),
            time("response_seconds"),
            time("total_seconds"),
            pick["retries"].to_string(),
            pick["fault"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    match table.is_empty() {
        true => vec!["none yet: picks are kept from this look on; look again".to_owned()],
        false => table.lines(frame.width),
    }
}

pub(super) fn what_if(value: &Value, frame: &Frame) -> Vec<String> {
    let first = format!(
        "{} requests of {}, served {}",
        count(value["requests"].as_u64().unwrap_or_default()),
        span(seconds(&value["span_seconds"])),
        match text(&value["servers_work"]) {
            "in_turn" => "one after the other",
            _ => "at once",
        }
    );
    let mut table = Table::new(
        ["", "STRATEGY", "SERVERS", "MEAN", "P50", "P99", "FAILED"],
        2,
    );
    for (title, of) in [
        ("observed", &value["observed"]),
        ("now, simulated", &value["now"]),
        ("then, simulated", &value["then"]),
    ] {
        let times = if of["times"].is_null() {
            of
        } else {
            &of["times"]
        };
        table.push([
            title.to_owned(),
            text(&of["strategy"]).to_owned(),
            of["servers"].as_u64().map_or_else(String::new, count),
            span(seconds(&times["mean"])),
            span(seconds(&times["p50"])),
            span(seconds(&times["p99"])),
            format!(
                "{:.2}%",
                times["failed"].as_f64().unwrap_or_default() * 100.0
            ),
        ]);
    }
    let mut lines = vec![shortened(&first, frame.width)];
    lines.extend(table.lines(frame.width));
    lines
}
