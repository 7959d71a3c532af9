//! Owns the counters behind the broker's own topics, in one table. Counts since the start.

use crate::time::Timestamp;
use crate::value::Value;

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that have announced themselves.
    pub clients: u64,
    /// Messages that were published.
    pub messages_in: u64,
    /// Messages that were queued for consumers.
    pub messages_out: u64,
    /// Messages that gave way to newer ones.
    pub messages_dropped: u64,
    /// Refused requests.
    pub errors: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Topics with a last value.
    pub topics: u64,
    /// Bytes of all last values.
    pub retained_bytes: u64,
    /// Bytes that wait for consumers.
    pub queued_bytes: u64,
}

type Getter = fn(&Stats) -> u64;

const COUNTERS: [(&str, Getter); 10] = [
    ("$broker/clients", |s| s.clients),
    ("$broker/messages/received", |s| s.messages_in),
    ("$broker/messages/sent", |s| s.messages_out),
    ("$broker/messages/dropped", |s| s.messages_dropped),
    ("$broker/errors", |s| s.errors),
    ("$broker/bytes/received", |s| s.bytes_in),
    ("$broker/bytes/sent", |s| s.bytes_out),
    ("$broker/topics", |s| s.topics),
    ("$broker/retained/bytes", |s| s.retained_bytes),
    ("$broker/queued/bytes", |s| s.queued_bytes),
];

impl Stats {
    /// The broker's own topics and their values; uptime in whole seconds.
    pub(super) fn topics(self, now: Timestamp) -> impl Iterator<Item = (&'static str, Value)> {
        let int = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        COUNTERS
            .into_iter()
            .map(move |(topic, get)| (topic, int(get(&self))))
            .chain([
                ("$broker/uptime", int(now.since_origin().as_secs())),
                ("$broker/version", Value::text(env!("CARGO_PKG_VERSION"))),
            ])
    }
}
