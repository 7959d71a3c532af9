//! Listeners, routes, workers and sets as tables.

use super::{Frame, each, text};
use crate::command::table::{Table, count, shortened};
use serde_json::Value;

pub(super) fn listeners(value: &Value, frame: &Frame) -> Vec<String> {
    let mut table = Table::new(["ID", "MODE", "POOL", "ADDRESSES"], 4).ending_in_words();
    for listener in each(&value["listeners"]) {
        let addresses = each(&listener["addresses"]).map(|it| match it["accepts_proxy"] == true {
            true => format!("proxy+{}", text(&it["address"])),
            false => text(&it["address"]).to_owned(),
        });
        table.push([
            listener["id"].to_string(),
            text(&listener["mode"]).to_owned(),
            listener["default_pool"].as_str().unwrap_or("-").to_owned(),
            addresses.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.lines(frame.width)
}

pub(super) fn routes(value: &Value, frame: &Frame) -> Vec<String> {
    let mut table = Table::new(["LISTENER", "TARGET", "MATCHES"], 3).ending_in_words();
    for route in each(&value["routes"]) {
        let pools: Vec<_> = each(&route["pools"]).map(text).collect();
        let status = route["status"].as_u64().map(|it| it.to_string());
        let what = match pools.as_slice() {
            [] => status.unwrap_or_default(),
            pools => pools.join(", "),
        };
        let target = format!("{} {what}", text(&route["target"]));
        let matches: Vec<_> = each(&route["matches"]).map(text).collect();
        table.push([
            route["listener"].to_string(),
            target.trim_end().to_owned(),
            matches.join(", "),
        ]);
    }
    match table.is_empty() {
        true => vec!["no routes: every request goes to the pool of its listener".to_owned()],
        false => table.lines(frame.width),
    }
}

pub(super) fn workers(value: &Value, frame: &Frame) -> Vec<String> {
    let mut table = Table::new(["WORKER", "CONNECTIONS", "EXCHANGES"], 0);
    for worker in each(&value["workers"]) {
        let number = |key: &str| count(worker[key].as_u64().unwrap_or_default());
        table.push([number("id"), number("connections"), number("exchanges")]);
    }
    table.lines(frame.width)
}

pub(super) fn set(value: &Value, frame: &Frame) -> Vec<String> {
    let number = |key: &str| value[key].as_u64().unwrap_or_default();
    let first = format!(
        "fleet {}, term {}, revision {}",
        text(&value["fleet"]),
        number("term"),
        number("revision")
    );
    let mut table = Table::new(["BACKEND", "ADDRESS", "WEIGHT", "LIMIT", "ADMIT"], 2);
    for backend in each(&value["backends"]) {
        let number = |key: &str| backend[key].as_u64().map_or("-".to_owned(), count);
        table.push([
            text(&backend["name"]).to_owned(),
            text(&backend["address"]).to_owned(),
            number("weight"),
            number("max_in_flight"),
            text(&backend["admit"]).to_owned(),
        ]);
    }
    let mut lines = vec![shortened(&first, frame.width)];
    lines.extend(table.lines(frame.width));
    lines
}
