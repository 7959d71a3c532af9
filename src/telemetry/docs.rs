//! The tables of `docs/` list exactly the fields and metrics that there are.
//!
//! When a test fails, its output is the table to put there.

use super::metric::{BACKEND_METRICS, BALANCER_METRICS, Metric};
use super::{Counters, LOG_FIELDS, MetricKind, MetricUnit};

fn metric_row<T>(metric: &Metric<T>, of: &str) -> String {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
    };
    let unit = match metric.unit {
        MetricUnit::Count => "",
        MetricUnit::Bytes => "bytes",
        MetricUnit::Nanos => "ns",
    };
    let help = metric.help.trim().trim_end_matches('.');
    format!("| `{}` | {of} | {kind} | {unit} | {help} |\n", metric.name)
}

#[test]
fn the_docs_list_every_field_of_the_log() {
    let rows = LOG_FIELDS
        .iter()
        .map(|field| format!("| `{}` | {} |\n", field.name, field.help));
    let table = format!(
        "| field | meaning |\n|---|---|\n{}\n",
        rows.collect::<String>()
    );
    let docs = include_str!("../../docs/access-log.md");
    assert!(
        docs.contains(&table),
        "docs/access-log.md must hold:\n\n{table}"
    );
}

#[test]
fn the_docs_list_every_metric() {
    let balancer = BALANCER_METRICS
        .iter()
        .map(|metric| metric_row(metric, "balancer"));
    let counters = Counters::METRICS
        .iter()
        .map(|metric| metric_row(metric, "both"));
    let backend = BACKEND_METRICS.iter().flat_map(|metrics| metrics.iter());
    let backend = backend.map(|metric| metric_row(metric, "backend"));
    let rows: String = balancer.chain(counters).chain(backend).collect();
    let table = format!("| metric | of | kind | unit | meaning |\n|---|---|---|---|---|\n{rows}\n");
    let docs = include_str!("../../docs/metrics.md");
    assert!(
        docs.contains(&table),
        "docs/metrics.md must hold:\n\n{table}"
    );
}
