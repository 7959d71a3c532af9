//! Events of the admin interface in words.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value indexed by a name is null where it has none"
)]

use serde_json::Value;
use std::time::Duration;

/// A time of the wall clock, of which milliseconds are told.
pub(crate) fn wall_time(value: &Value) -> Duration {
    let seconds = value.as_f64().unwrap_or_default();
    Duration::from_millis((seconds * 1e3).round() as u64)
}

/// What has happened.
pub(crate) fn words(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let of = match (text("pool"), text("backend")) {
        ("" | "default", backend) => backend.to_owned(),
        (pool, "") => pool.to_owned(),
        (pool, backend) => format!("{pool}/{backend}"),
    };
    let what = match text("kind") {
        "state" => format!("{} -> {}: {}", text("from"), text("to"), text("cause")),
        "change" => format!("{} (by {})", text("what"), text("who")),
        kind => {
            let mut rest = event.clone();
            if let Some(rest) = rest.as_object_mut() {
                for known in ["seq", "kind", "at", "pool", "backend"] {
                    rest.remove(known);
                }
            }
            format!("{kind} {rest}")
        }
    };
    match of.as_str() {
        "" => what,
        of => format!("{of}  {what}"),
    }
}
