//! What is written is documented, and what the examples ask for is written.

use super::*;
use crate::telemetry::PoolSnapshot;
use std::collections::BTreeSet;

/// A snapshot that has a number for each metric.
fn full() -> Snapshot {
    let mut metrics = crate::telemetry::Metrics::new(crate::time::Timestamp::ZERO);
    let id = crate::strategy::BackendId::new(0, 0);
    let record = crate::telemetry::Record {
        started_at: crate::time::Timestamp::ZERO,
        client: std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        status: Some(502),
        bytes_in: 1,
        bytes_out: 2,
        pool: crate::ids::PoolId::FIRST,
        backend: Some(id),
        queue_time: None,
        connect_time: Some(Duration::from_micros(100)),
        first_byte_time: Some(Duration::from_millis(3)),
        total_time: Duration::from_secs(60),
        retries: 0,
        fault: Some(crate::error::Fault::BackendGone),
    };
    metrics.record(&record);
    let view = crate::telemetry::BackendView {
        id,
        name: "a",
        state: "healthy",
        in_flight: 0,
    };
    let now = crate::time::Timestamp::ZERO + Duration::from_secs(1);
    let mut all = metrics.snapshot(now, 1, [view]);
    all.backends[0].standing.pool = "p".to_owned();
    all.backends[0].standing.name = "a".to_owned();
    let (counters, faults, times) = metrics.of_whole_pool(crate::ids::PoolId::FIRST);
    all.pools = vec![PoolSnapshot {
        name: "p".to_owned(),
        counters,
        faults,
        times,
        ..PoolSnapshot::default()
    }];
    let mut stats = crate::telemetry::LoopStats::default();
    stats.begin_turn(crate::time::Timestamp::ZERO);
    stats.end_turn(now);
    all.turn_times = stats.report();
    all.serial_pools = Some(0);
    all.memory_bytes = Some(1);
    all.descriptors_open = Some(1);
    all
}

/// The names of all series of a text.
fn names(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let name = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
    lines.map(name).collect()
}

#[test]
fn histograms_are_cumulative_and_end_with_all() {
    let text = text(&full()).unwrap();
    let bucket = |le: &str| format!("lb_connect_time_seconds_bucket{{le=\"{le}\",pool=\"p\"}} ");
    for (le, count) in [("0.0001", 1), ("0.00025", 1), ("10.0", 1), ("+Inf", 1)] {
        assert!(
            text.contains(&format!("{}{count}\n", bucket(le))),
            "{le}: {text}"
        );
    }
    let total = "lb_total_time_seconds_bucket{le=\"10.0\",pool=\"p\"} 0\n";
    assert!(text.contains(total), "{text}");
    assert!(text.contains("lb_total_time_seconds_sum{pool=\"p\"} 60.0\n"));
    assert!(
        text.contains("lb_backend_first_byte_time_seconds_count{pool=\"p\",backend=\"a\"} 1\n")
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_examples_ask_for_what_is_written() {
    let mut known = names(&text(&full()).unwrap());
    // They are there with an access log.
    known.extend(["lb_log_lines_dropped_total", "lb_log_write_errors_total"].map(str::to_owned));
    for example in [
        include_str!("../../../examples/monitoring/grafana.json"),
        include_str!("../../../examples/monitoring/alerts.yml"),
    ] {
        let mut asked = 0;
        for (at, _) in example.match_indices("lb_") {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if example[..at].ends_with(is_word) {
                continue;
            }
            let rest = &example[at..];
            let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            assert!(known.contains(name), "{name} is not written; {known:#?}");
            asked += 1;
        }
        assert!(asked > 8, "{asked}");
    }
}

#[test]
fn the_docs_list_every_metric_with_labels() {
    let kind = |kind: MetricKind| match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
    };
    let rows = LABELLED.iter().map(|row| {
        let unit = if row.is_in_seconds { "_seconds" } else { "" };
        let end = match row.kind {
            MetricKind::Counter => "_total",
            MetricKind::Gauge => "",
        };
        let (name, kind) = (row.name, kind(row.kind));
        format!(
            "| `lb_{name}{unit}{end}` | {} | {kind} | {} |\n",
            row.labels, row.help
        )
    });
    let times = TIMES.iter().map(|row| {
        let (name, labels, help) = (row.name, row.labels, row.help);
        format!("| `lb_{name}_seconds` | {labels} | histogram | {help} |\n")
    });
    let rows: String = rows.chain(times).collect();
    let table = format!("| metric | labels | kind | meaning |\n|---|---|---|---|\n{rows}\n");
    let docs = include_str!("../../../docs/metrics.md");
    assert!(
        docs.contains(&table),
        "docs/metrics.md must hold:\n\n{table}"
    );
}
