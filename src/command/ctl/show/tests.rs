//! Pages as people see them, in 80 columns.

use super::*;
use serde_json::json;

const FRAME: Frame = Frame {
    width: 80,
    now: Duration::from_secs(1_000),
};

fn shown(answer: &Answer) -> Vec<String> {
    let page = page(answer, &FRAME);
    let lines: Vec<_> = page.lines().map(str::to_owned).collect();
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    lines
}

#[test]
fn backends_fit_eighty_columns() {
    let backend = |name: &str, state: &str, operator: Value| {
        json!({
            "name": name, "address": "10.100.200.30:8080", "state": state, "weight": 256,
            "cause": "5 failures in 0.2 s: connection refused by the machine, again and again",
            "since": 988.0, "departing": false, "max_in_flight": 1024, "in_flight": 1000,
            "tunnels": 24, "responses": {"2xx": 123_456_789_u64, "5xx": 1}, "errors": 99_999,
            "response_time": {"p50": 0.001234, "p99": 12.5}, "operator": operator,
        })
    };
    let pool = json!({
        "name": "default", "strategy": "least-rt", "arrivals": 123_456_789_012_u64,
        "in_flight": 2_000, "queue_length": 1_024, "shed": 99_999_999,
        "backends": [
            backend("10.100.200.30:8080", "healthy", Value::Null),
            backend("a-name-that-is-longer-than-it-should-be.example:8080", "slow-start",
                json!({"admit": "drain", "weight": null})),
        ],
    });
    let lines = shown(&Answer::Backends(vec![
        pool,
        json!({"name": "b", "backends": []}),
    ]));
    assert!(lines[1].starts_with("BACKEND "), "{lines:?}");
    assert!(
        lines[2].ends_with("1024/1024     123.5M  99,999  1.23ms  12.50s"),
        "{}",
        lines[2]
    );
    assert!(
        lines[3].contains('…') && lines[3].contains("ple:8080"),
        "{}",
        lines[3]
    );
    assert!(
        lines[4].starts_with("  for 12s: 5 failures"),
        "{}",
        lines[4]
    );
    assert_eq!(lines[7], "  no backends");
}

#[test]
fn an_explanation_marks_the_next_pick() {
    let value = json!({
        "pool": "default", "strategy": "least-rt", "keyed_by": null, "key": null,
        "candidates": [
            {"name": "10.100.200.30:8080", "state": "healthy", "weight": 1, "in_flight": 2,
             "pickable": true, "note": null, "ratings": [
                {"worker": 0, "cost": 1.25, "best": true,
                 "reason": "3 in flight, each takes about 1.2 ms, so the next waits for 3.6 ms"}]},
            {"name": "b", "state": "ejected", "weight": 1, "in_flight": 0, "pickable": false,
             "note": "ejected for 3 s more", "ratings": [
                {"worker": 0, "cost": null, "best": true, "reason": "-"}]},
        ],
        "picks": [],
    });
    let lines = shown(&Answer::Explanation(value.clone()));
    assert!(
        lines[2].starts_with("*  10.100.200.30:8080  healthy"),
        "{}",
        lines[2]
    );
    assert!(lines[2].ends_with('…'), "{}", lines[2]);
    assert!(lines[3].starts_with("   b"), "{}", lines[3]);
    assert_eq!(lines[4], "  not picked: ejected for 3 s more");
    let picks = shown(&Answer::Picks(value));
    assert!(picks[0].starts_with("none yet"), "{picks:?}");
}

#[test]
fn the_last_picks_are_rows() {
    let value = json!({"picks": [
        {"at": 951_782_399.999, "backend": "a", "status": 200, "queue_seconds": null,
         "response_seconds": 0.0015, "total_seconds": 0.002, "retries": 1, "fault": null},
        {"at": 951_782_400.0, "backend": null, "status": null, "queue_seconds": 10.0,
         "response_seconds": null, "total_seconds": 10.0, "retries": 0, "fault": "queue_timeout"},
    ]});
    let lines = shown(&Answer::Picks(value));
    let cells = |line: &str| {
        let cells = line.split_whitespace().map(str::to_owned);
        cells.collect::<Vec<_>>()
    };
    let first = ["23:59:59.999", "a", "200", "-", "1.50ms", "2.00ms", "1"];
    assert_eq!(cells(&lines[1]), first);
    assert_eq!(cells(&lines[2])[6..], ["0", "queue_timeout"]);
}
