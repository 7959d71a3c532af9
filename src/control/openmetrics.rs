//! The metrics as OpenMetrics text: every row of the tables of metrics, and what has labels.
//!
//! Names and units are those of the tables, with `lb_` ahead; times are in seconds. The encoding is
//! that of `prometheus-client`.

mod labelled;
mod plain;

use super::response::Response;
use crate::telemetry::{
    BACKEND_METRICS, BALANCER_METRICS, BackendSnapshot, Counters, Metric, MetricKind, MetricUnit,
    Snapshot, TimeBuckets,
};
use labelled::{LABELLED, Labelled, TIMES, Times};
use plain::plain;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::time::Duration;

/// The media type of the text (OpenMetrics 1.0, section "Text format").
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The media type of the text format of before OpenMetrics.
const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The response to a scrape, if so in the text format of before OpenMetrics.
pub(crate) fn response(snapshot: &Snapshot, is_plain: bool) -> Response {
    match text(snapshot) {
        Ok(text) if is_plain => Response::text(200, PLAIN_TYPE, plain(&text)),
        Ok(text) => Response::text(200, MEDIA_TYPE, text),
        // Writing to a string cannot fail.
        Err(_) => Response::error(503, "metrics", "the metrics cannot be written"),
    }
}

fn text(snapshot: &Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("lb");
    registry.register_collector(Box::new(All(snapshot.clone())));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct All(Snapshot);

/// One number, in the kind and unit of its metric.
#[derive(Clone, Copy)]
struct Number(MetricKind, f64);

impl EncodeMetric for Number {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Self(kind, number) = *self;
        match kind {
            MetricKind::Counter => encoder.encode_counter::<NoLabelSet, f64, f64>(&number, None),
            MetricKind::Gauge => encoder.encode_gauge(&number),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self.0 {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        }
    }
}

type Labels = Vec<(&'static str, String)>;

/// All numbers of one metric, each under its labels.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    unit: Option<Unit>,
    numbers: Vec<(Labels, f64)>,
}

impl Family {
    fn of<T>(metric: &Metric<T>, labelled: impl Iterator<Item = (Labels, Option<u64>)>) -> Self {
        let (unit, scale) = match metric.unit {
            MetricUnit::Count => (None, 1.0),
            MetricUnit::Bytes => (Some(Unit::Bytes), 1.0),
            MetricUnit::Nanos => (Some(Unit::Seconds), 1e9),
        };
        let numbers = labelled.filter_map(|(labels, n)| Some((labels, n? as f64 / scale)));
        Self {
            name: metric.name,
            help: metric.help,
            kind: metric.kind,
            unit,
            numbers: numbers.collect(),
        }
    }

    fn labelled(row: &Labelled, all: &Snapshot) -> Self {
        Self {
            name: row.name,
            help: row.help,
            kind: row.kind,
            unit: row.is_in_seconds.then_some(Unit::Seconds),
            numbers: (row.get)(all),
        }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some((_, first)) = self.numbers.first() else {
            return Ok(());
        };
        let kind = Number(self.kind, *first).metric_type();
        let help = self.help.trim().trim_end_matches('.');
        let mut family = encoder.encode_descriptor(self.name, help, self.unit.as_ref(), kind)?;
        for (labels, number) in &self.numbers {
            let one = Number(self.kind, *number);
            if labels.is_empty() {
                return one.encode(family);
            }
            one.encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}

/// Writes a histogram.
fn encode_times(times: &Times, all: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let rows = (times.get)(all);
    if rows.is_empty() {
        return Ok(());
    }
    let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
    let mut family = encoder.encode_descriptor(times.name, times.help, unit, kind)?;
    for (labels, buckets) in &rows {
        encode_buckets(buckets, family.encode_family(labels)?)?;
    }
    Ok(())
}

fn encode_buckets(times: &TimeBuckets, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    // The encoder adds up the buckets, and writes the largest number as infinity.
    let bound = |time: Option<Duration>| time.map_or(f64::MAX, |time| time.as_secs_f64());
    let buckets: Vec<_> = times.iter().map(|(at, n)| (bound(at), n)).collect();
    let sum = times.sum().as_secs_f64();
    encoder.encode_histogram::<NoLabelSet>(sum, times.count(), &buckets, None)
}

fn of_backend(backend: &BackendSnapshot) -> Labels {
    let standing = &backend.standing;
    vec![
        ("pool", standing.pool.clone()),
        ("backend", standing.name.clone()),
    ]
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in families(&self.0) {
            family.encode(&mut encoder)?;
        }
        for times in TIMES {
            encode_times(times, &self.0, &mut encoder)?;
        }
        Ok(())
    }
}

fn families(all: &Snapshot) -> Vec<Family> {
    let mut families = Vec::new();
    for metric in BALANCER_METRICS {
        let number = std::iter::once((Labels::new(), (metric.get)(all)));
        families.push(Family::of(metric, number));
    }
    for metric in Counters::METRICS {
        let number = std::iter::once((Labels::new(), (metric.get)(&all.totals)));
        families.push(Family::of(metric, number));
    }
    for metric in BACKEND_METRICS.iter().copied().flatten() {
        let numbers = all
            .backends
            .iter()
            .map(|it| (of_backend(it), (metric.get)(it)));
        families.push(renamed(Family::of(metric, numbers)));
    }
    for metric in Counters::METRICS {
        let numbers = all.backends.iter();
        let numbers = numbers.map(|it| (of_backend(it), (metric.get)(&it.counters)));
        families.push(renamed(Family::of(metric, numbers)));
    }
    families.extend(LABELLED.iter().map(|row| Family::labelled(row, all)));
    families
}

/// A metric of backends, named apart from that of the whole.
fn renamed(family: Family) -> Family {
    let name = match family.name {
        "exchanges" => "backend_exchanges",
        "errors" => "backend_errors",
        "retries" => "backend_retries",
        "bytes_in" => "backend_in",
        "bytes_out" => "backend_out",
        "picks" => "backend_picks",
        "in_flight" => "backend_in_flight",
        "response_time_p50" => "backend_response_time_p50",
        "response_time_p90" => "backend_response_time_p90",
        "response_time_p99" => "backend_response_time_p99",
        "response_time_max" => "backend_response_time_max",
        other => other,
    };
    Family { name, ..family }
}

#[cfg(test)]
mod tests;
