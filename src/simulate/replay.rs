//! Replays an access log of `lb`: which requests came, when, and how much work each was.
//!
//! Taken from each line with a response of a backend, in either format of
//! [`AccessLog`](crate::telemetry::AccessLog):
//!
//! - the arrival: `time` (the end of the exchange) less `total_ms`;
//! - the dispatch: the arrival plus `queue_ms`;
//! - the response: the dispatch plus `first_byte_ms`;
//! - the work: from when the backend could begin, which is the dispatch or, if that is later, its
//!   previous response, to the response. Time spent waiting behind other requests is left out.
//!
//! That is exact where a backend serves one request at a time in the order of arrival. Where it
//! serves several at once the work comes out too small, and where clients are slow the wait for
//! their bytes comes out as work. `time` is in whole milliseconds, and so are gaps between
//! arrivals; work without a wait before it is exact to the microsecond.
//!
//! A line that is none of a log, or is not UTF-8, is left out and counted.

mod line;
mod wall;

use super::scenario::Recorded;
use crate::config::ConfigError;
use line::LoggedExchange;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A recording of traffic.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The requests, by arrival.
    pub requests: Arc<[Recorded]>,
    /// Number of backends that responded.
    pub backends: usize,
    /// Lines left out: without a response of a backend, or no log lines.
    pub left_out: usize,
}

/// The least work that is believed: a response that took no measurable time took some.
const MIN_WORK: Duration = Duration::from_micros(1);

/// Reads an access log.
///
/// # Errors
/// It has no line that can be used.
pub fn read_log(log: &[u8]) -> Result<Recording, ConfigError> {
    let lines = log.split(|byte| *byte == b'\n');
    let lines = lines
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    let (total, mut exchanges) = (lines.clone().count(), Vec::new());
    exchanges.extend(lines.filter_map(|line| line::parse(str::from_utf8(line).ok()?)));
    exchanges.sort_by_key(LoggedExchange::responded_at);
    let Some(begin) = exchanges.iter().map(|line| line.arrived_at).min() else {
        return Err(ConfigError::new(
            "no line of an answered request",
            "record one with lb --access-log json",
        ));
    };
    let mut last_responses: HashMap<&Cow<'_, str>, Duration> = HashMap::new();
    let mut requests: Vec<Recorded> = exchanges
        .iter()
        .map(|line| {
            let before = last_responses.insert(&line.backend, line.responded_at());
            let waited = before
                .unwrap_or_default()
                .saturating_sub(line.dispatched_at());
            Recorded {
                at: line.arrived_at - begin,
                work: line.first_byte.saturating_sub(waited).max(MIN_WORK),
            }
        })
        .collect();
    requests.sort_by_key(|request| request.at);
    Ok(Recording {
        left_out: total - requests.len(),
        requests: requests.into(),
        backends: last_responses.len(),
    })
}

#[cfg(test)]
mod tests;
