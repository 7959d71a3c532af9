//! One line of an access log, of which only what a replay needs is read.

use super::wall;
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Duration;

/// An exchange that a backend answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line<'a> {
    /// Since the Unix epoch.
    pub(super) arrived_at: Duration,
    pub(super) first_byte: Duration,
    pub(super) backend: &'a str,
}

impl Line<'_> {
    pub(super) fn answered_at(&self) -> Duration {
        self.arrived_at + self.first_byte
    }
}

/// Reads a line in either format. `None` if no backend answered or it is no line of a log.
pub(super) fn parse(line: &str) -> Option<Line<'_>> {
    match line.starts_with('{') {
        true => json(line),
        false => text(line),
    }
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    backend: Option<&'a str>,
    first_byte_ms: Option<f64>,
    total_ms: f64,
}

fn json(line: &str) -> Option<Line<'_>> {
    let object: Object = serde_json::from_str(line).ok()?;
    assemble(
        &object.time,
        object.backend?,
        object.first_byte_ms?,
        object.total_ms,
    )
}

fn text(line: &str) -> Option<Line<'_>> {
    // No value holds a space, and what is absent is no number.
    let value = |key: &str| {
        let mut fields = line.split(' ');
        fields.find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    };
    assemble(
        value("time")?,
        value("backend").filter(|name| *name != "-")?,
        value("first_byte_ms")?.parse().ok()?,
        value("total_ms")?.parse().ok()?,
    )
}

fn assemble<'a>(
    time: &str,
    backend: &'a str,
    first_byte_ms: f64,
    total_ms: f64,
) -> Option<Line<'a>> {
    let millis = |ms: f64| Duration::try_from_secs_f64(ms * 1e-3).ok();
    Some(Line {
        arrived_at: wall::parse(time)?.checked_sub(millis(total_ms)?)?,
        first_byte: millis(first_byte_ms)?,
        backend,
    })
}
