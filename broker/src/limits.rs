//! Owns every limit and interval of the core, with its unit and default. The command line sets
//! them; tests set them low.

use crate::topic::TopicLimits;
use std::time::Duration;

/// The settings of the core.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; one more is refused with an error.
    pub max_connections: usize,
    /// Bytes of a frame without its length prefix, in both directions.
    pub max_frame_bytes: usize,
    /// Bytes of a value as it is kept: JSON as written, anything else as a pickle.
    pub max_value_bytes: usize,
    /// Spelling of topics.
    pub topic: TopicLimits,
    /// Topics with a last value.
    pub max_topics: usize,
    /// Bytes of all last values and their topics.
    pub max_retained_bytes: usize,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes of the subscriptions of all connections.
    pub subscription_total_bytes: usize,
    /// Messages that wait for one consumer.
    pub queue_messages: usize,
    /// Bytes that wait for one consumer.
    pub queue_bytes: usize,
    /// Bytes that wait for all consumers, a frame that waits for many counted once.
    pub queue_total_bytes: u64,
    /// Bytes of frames that are not all there, of all connections.
    pub unfinished_total_bytes: usize,
    /// Time without a sign of life after which a connection is asked for one. After twice this time
    /// it is closed.
    pub ping_interval: Duration,
    /// Time that a new connection has for its announcement.
    pub announce_timeout: Duration,
    /// Time between publications of the broker's own topics.
    pub stats_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_frame_bytes: 1 << 20,
            max_value_bytes: 1 << 20,
            topic: TopicLimits::default(),
            max_topics: 100_000,
            max_retained_bytes: 256 << 20,
            max_subscriptions: 1024,
            subscription_total_bytes: 256 << 20,
            queue_messages: 10_000,
            queue_bytes: 8 << 20,
            queue_total_bytes: 1 << 30,
            unfinished_total_bytes: 256 << 20,
            ping_interval: Duration::from_secs(30),
            announce_timeout: Duration::from_secs(10),
            stats_interval: Duration::from_secs(10),
        }
    }
}
