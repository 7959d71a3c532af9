//! The events of the last while, each with a number, for those who follow them.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// Events that are kept.
pub(crate) const KEPT: usize = 1_000;

/// What happened, newest last. Numbers begin at 1 and are never used again while lb runs.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    events: VecDeque<(u64, String)>,
    last: u64,
}

impl Journal {
    /// Adds an event, of a `kind`, at `wall` since the Unix epoch. Returns its number and its text.
    pub(crate) fn add(&mut self, kind: &str, wall: Duration, mut details: Value) -> (u64, &str) {
        self.last += 1;
        if let Some(details) = details.as_object_mut() {
            details.insert("seq".to_owned(), json!(self.last));
            details.insert("kind".to_owned(), json!(kind));
            details.insert("at".to_owned(), json!(seconds(wall)));
        }
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back((self.last, details.to_string()));
        let newest = self.events.back();
        newest.map_or((self.last, ""), |(seq, text)| (*seq, text))
    }

    /// The number of the newest event; 0 before the first.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// The events after `seq`, and whether others between are kept no more.
    pub(crate) fn after(&self, seq: u64) -> (bool, impl Iterator<Item = (u64, &str)>) {
        let first = self
            .events
            .front()
            .map_or(self.last + 1, |(first, _)| *first);
        let is_cut = seq.saturating_add(1) < first;
        let events = self.events.iter().filter(move |(number, _)| *number > seq);
        (
            is_cut,
            events.map(|(number, text)| (*number, text.as_str())),
        )
    }
}

/// An event as a line of a stream of server-sent events (HTML Living Standard, section 9.2).
pub(crate) fn as_stream(seq: u64, text: &str) -> String {
    format!("id: {seq}\ndata: {text}\n\n")
}

/// With milliseconds.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}
