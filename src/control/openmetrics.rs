//! The metrics as OpenMetrics text: every row of the tables of metrics, and what has labels.
//!
//! Names and units are those of the tables, with `lb_` ahead; times are in seconds. The encoding is
//! that of `prometheus-client`.

use super::response::Response;
use super::view::shed;
use crate::telemetry::{
    BACKEND_METRICS, BALANCER_METRICS, BackendSnapshot, Counters, Metric, MetricKind, MetricUnit,
    Snapshot,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// The media type of the text (OpenMetrics 1.0, section "Text format").
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The response to a scrape.
pub(crate) fn response(snapshot: &Snapshot) -> Response {
    let mut registry = Registry::with_prefix("lb");
    registry.register_collector(Box::new(All(snapshot.clone())));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => Response::text(200, MEDIA_TYPE, text),
        // Writing to a string cannot fail.
        Err(_) => Response::error(503, "metrics", "the metrics cannot be written"),
    }
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

    fn count(
        name: &'static str,
        help: &'static str,
        kind: MetricKind,
        numbers: impl IntoIterator<Item = (Labels, u64)>,
    ) -> Self {
        let numbers = numbers.into_iter();
        Self {
            name,
            help,
            kind,
            unit: None,
            numbers: numbers.map(|(labels, n)| (labels, n as f64)).collect(),
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
    families.extend(labelled(all));
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

/// What has labels of its own, or is of the pool.
fn labelled(all: &Snapshot) -> Vec<Family> {
    let pools = || {
        let pools = all.pools.iter();
        pools.map(|pool| (vec![("pool", pool.name.clone())], pool))
    };
    let with = |labels: Labels, name, value: String| {
        let mut labels = labels;
        labels.push((name, value));
        labels
    };
    let classes = |labels: Labels, statuses: &crate::telemetry::StatusCounts| {
        let classes: Vec<_> = statuses.iter().collect();
        let with_class = move |(class, count)| {
            let mut labels = labels.clone();
            labels.push(("class", format!("{class}xx")));
            (labels, count)
        };
        classes.into_iter().map(with_class).collect::<Vec<_>>()
    };
    let backends = all.backends.iter();
    let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
    vec![
        Family::count(
            "responses",
            "Responses by the class of their status",
            counter,
            classes(Labels::new(), &all.totals.statuses),
        ),
        Family::count(
            "faults",
            "Exchanges that did not end well, by reason",
            counter,
            all.faults
                .iter()
                .map(|(fault, n)| (vec![("reason", fault.word().to_owned())], n)),
        ),
        Family::count(
            "shed",
            "Requests refused for lack of room or of a backend",
            counter,
            pools().map(|(labels, pool)| (labels, shed(pool))),
        ),
        Family::count(
            "queue_length",
            "Requests that wait for a backend",
            gauge,
            pools().map(|(labels, pool)| (labels, pool.activity.queued)),
        ),
        Family::count(
            "backend_responses",
            "Responses of a backend by the class of their status",
            counter,
            backends
                .clone()
                .flat_map(|it| classes(of_backend(it), &it.counters.statuses)),
        ),
        Family::count(
            "backend_state",
            "1 for the state of a backend",
            gauge,
            backends
                .clone()
                .map(|it| (with(of_backend(it), "state", it.state.to_owned()), 1)),
        ),
        Family::count(
            "backend_weight",
            "Share of a backend relative to the others",
            gauge,
            backends
                .clone()
                .map(|it| (of_backend(it), it.standing.weight.into())),
        ),
        Family::count(
            "backend_tunnels",
            "Tunnels through a backend",
            gauge,
            backends
                .clone()
                .map(|it| (of_backend(it), it.standing.tunnels)),
        ),
        Family::count(
            "backend_ejections",
            "How often a backend was ejected",
            counter,
            backends
                .clone()
                .map(|it| (of_backend(it), it.standing.ejections)),
        ),
        Family {
            name: "backend_busy",
            help: "Time in which anything was in flight at a backend",
            kind: counter,
            unit: Some(Unit::Seconds),
            numbers: backends
                .map(|it| (of_backend(it), it.standing.busy.as_secs_f64()))
                .collect(),
        },
        Family::count(
            "build",
            "Version of lb",
            gauge,
            [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1)],
        ),
    ]
}
