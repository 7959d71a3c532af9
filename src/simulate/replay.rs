//! An access log of `lb` as traffic: what came, when, and how much work it was.
//!
//! Taken from each line that has an answer of a backend, in either format of
//! [`AccessLog`](crate::telemetry::AccessLog):
//!
//! - the arrival: `time` (when the exchange was over) less `total_ms`;
//! - the answer: the arrival plus `first_byte_ms`;
//! - the work: from when the backend could begin, which is the arrival or, if that is later, its
//!   previous answer, to the answer. What a request waited for others there is thus left out.
//!
//! That is exact where a backend serves one request at a time in the order of arrival. Where it
//! serves several at once the work comes out too small, and where clients are slow the wait for
//! their bytes comes out as work. `time` is in whole milliseconds, and so are gaps between
//! arrivals; work without a wait before it is exact to the microsecond.

mod line;
mod wall;

use super::scenario::Recorded;
use crate::config::ConfigError;
use line::Line;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The requests, by arrival.
    pub requests: Arc<[Recorded]>,
    /// How many backends answered.
    pub backends: usize,
    /// Lines that were left out: no backend had answered, or they are no log lines.
    pub left_out: usize,
}

/// The least work that is believed: what is measured as none still took something.
const MIN_WORK: Duration = Duration::from_micros(1);

/// Reads an access log.
///
/// # Errors
/// There is no line in it that can be used.
pub fn read_log(log: &str) -> Result<Recording, ConfigError> {
    let lines = log.lines().filter(|line| !line.trim().is_empty());
    let (total, mut answered) = (lines.clone().count(), Vec::new());
    answered.extend(lines.filter_map(line::parse));
    answered.sort_by_key(Line::answered_at);
    let Some(begin) = answered.iter().map(|line| line.arrived_at).min() else {
        return Err(ConfigError::new(
            "no line of an answered request",
            "record one with lb --access-log json",
        ));
    };
    let mut last_answers: HashMap<&str, Duration> = HashMap::new();
    let mut requests: Vec<Recorded> = answered
        .iter()
        .map(|line| {
            let before = last_answers.insert(line.backend, line.answered_at());
            let waited = before.unwrap_or_default().saturating_sub(line.arrived_at);
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
        backends: last_answers.len(),
    })
}

#[cfg(test)]
mod tests;
