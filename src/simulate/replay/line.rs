//! One line of an access log, as far as a replay needs it.

use super::wall;
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Duration;

/// An exchange with a response of a backend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoggedExchange<'a> {
    /// Since the Unix epoch.
    pub(super) arrived_at: Duration,
    /// Time in the balancer's queue.
    pub(super) queued: Duration,
    /// From dispatch to the first byte of the response.
    pub(super) first_byte: Duration,
    pub(super) backend: Cow<'a, str>,
}

impl LoggedExchange<'_> {
    pub(super) fn dispatched_at(&self) -> Duration {
        self.arrived_at + self.queued
    }

    pub(super) fn responded_at(&self) -> Duration {
        self.dispatched_at() + self.first_byte
    }
}

/// Reads a line in either format. `None` without a response of a backend, or if it is no line of
/// a log.
pub(super) fn parse(line: &str) -> Option<LoggedExchange<'_>> {
    match line.starts_with('{') {
        true => json(line),
        false => text(line),
    }
}

#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    // Borrowed, it would refuse a path with an escaped character.
    #[serde(borrow)]
    backend: Option<Cow<'a, str>>,
    queue_ms: Option<f64>,
    first_byte_ms: Option<f64>,
    total_ms: f64,
}

fn json(line: &str) -> Option<LoggedExchange<'_>> {
    let line: JsonLine = serde_json::from_str(line).ok()?;
    let times = [
        line.queue_ms.unwrap_or_default(),
        line.first_byte_ms?,
        line.total_ms,
    ];
    assemble(&line.time, line.backend?, times)
}

fn text(line: &str) -> Option<LoggedExchange<'_>> {
    // No value holds a space, and an absent one is no number.
    let value = |key: &str| {
        let mut fields = line.split(' ');
        fields.find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    };
    let millis = |key: &str| value(key)?.parse::<f64>().ok();
    let times = [
        millis("queue_ms").unwrap_or_default(),
        millis("first_byte_ms")?,
        millis("total_ms")?,
    ];
    let backend = value("backend").filter(|name| *name != "-")?;
    assemble(value("time")?, Cow::Borrowed(backend), times)
}

/// `times_ms` are those of the queue, of the first byte, and in total.
fn assemble<'a>(
    time: &str,
    backend: Cow<'a, str>,
    times_ms: [f64; 3],
) -> Option<LoggedExchange<'a>> {
    let millis = |ms: f64| Duration::try_from_secs_f64(ms * 1e-3).ok();
    let [queued, first_byte, total] = times_ms.map(millis);
    Some(LoggedExchange {
        arrived_at: wall::parse(time)?.checked_sub(total?)?,
        queued: queued?,
        first_byte: first_byte?,
        backend,
    })
}
