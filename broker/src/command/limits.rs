//! The flags of `lb-broker serve` that bound what a client can take: each is one of the core's
//! [`Limits`], and the text here is what its refusal is looked up by.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use lb_broker::limits::Limits;
use lb_broker::topic::TopicLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;

/// Descriptors besides those of connections: listener, epoll, waker, store, standard streams.
const SPARE_DESCRIPTORS: u64 = 32;

#[derive(Args)]
#[command(next_help_heading = "Limits, beyond which a client is refused")]
struct SizeFlags {
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(1, 1_000_000))]
    max_connections: usize,

    /// Bytes of a frame, in both directions
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = count(1024, 256 << 20))]
    max_frame: usize,

    /// Bytes of a value [default: as --max-frame]
    #[arg(long, value_name = "BYTES", value_parser = count(1, 256 << 20))]
    max_value: Option<usize>,

    /// Bytes of a topic
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = count(1, 65_536))]
    max_topic: usize,

    /// Segments of a topic
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(1, 1024))]
    max_depth: usize,

    /// Topics with a last value
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = count(0, 100_000_000))]
    max_topics: usize,

    /// Bytes of all last values
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20,
          value_parser = count(0, 1 << 40))]
    max_retained: usize,

    /// Bytes of frames of which only the beginning has come, of all connections
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20,
          value_parser = count(1 << 20, 1 << 40))]
    unfinished_total_bytes: usize,

    /// Subscriptions of one connection
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = count(1, 1_000_000))]
    max_subscriptions: usize,

    /// Bytes of the subscriptions of all connections
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20,
          value_parser = count(1 << 20, 1 << 40))]
    subscription_total_bytes: usize,
}

#[derive(Args)]
#[command(next_help_heading = "Queues of consumers that do not keep up")]
struct QueueFlags {
    /// Messages that may wait for one consumer
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(2, 10_000_000))]
    queue_messages: usize,

    /// Bytes that may wait for one consumer
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20,
          value_parser = count(1024, 1 << 40))]
    queue_bytes: usize,

    /// Bytes that may wait for all connections together; a message for many counts once. Beyond it
    /// the longest queues lose their messages, then connections with unread replies are cut off
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30,
          value_parser = count(1 << 20, 1 << 40))]
    queue_total_bytes: usize,

    /// Bytes that the system may hold for one consumer besides its queue [default: the system's
    /// choice, some megabytes]
    #[arg(long, value_name = "BYTES", value_parser = count(4096, 1 << 30))]
    send_buffer: Option<usize>,
}

#[derive(Args)]
#[command(next_help_heading = "Intervals")]
struct IntervalFlags {
    /// Seconds of silence before a client is pinged; after twice as long it is disconnected
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    ping_interval: Duration,

    /// Seconds that a new connection has for its announcement
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    announce_timeout: Duration,

    /// Seconds between publications of the broker's own topics, below $broker
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    stats_interval: Duration,
}

/// All of them.
#[derive(Args)]
pub(super) struct LimitFlags {
    #[command(flatten)]
    sizes: SizeFlags,

    #[command(flatten)]
    queues: QueueFlags,

    #[command(flatten)]
    intervals: IntervalFlags,
}

impl LimitFlags {
    pub(super) fn limits(&self) -> Limits {
        let Self {
            sizes,
            queues,
            intervals,
        } = self;
        Limits {
            max_connections: sizes.max_connections,
            max_frame_bytes: sizes.max_frame,
            max_value_bytes: sizes.max_value.unwrap_or(sizes.max_frame),
            topic: TopicLimits {
                max_bytes: sizes.max_topic,
                max_depth: sizes.max_depth,
            },
            max_topics: sizes.max_topics,
            max_retained_bytes: sizes.max_retained,
            max_subscriptions: sizes.max_subscriptions,
            subscription_total_bytes: sizes.subscription_total_bytes,
            queue_messages: queues.queue_messages,
            queue_bytes: queues.queue_bytes,
            queue_total_bytes: queues.queue_total_bytes as u64,
            unfinished_total_bytes: sizes.unfinished_total_bytes,
            ping_interval: intervals.ping_interval,
            announce_timeout: intervals.announce_timeout,
            stats_interval: intervals.stats_interval,
        }
    }

    /// Bytes of the send buffer of each socket, if they are not for the system to choose.
    pub(super) const fn send_buffer(&self) -> Option<usize> {
        self.queues.send_buffer
    }

    /// Raises the process's limit on descriptors as far as needed, or says how far it goes.
    pub(super) fn allow_descriptors(&self) {
        let connections = self.sizes.max_connections;
        let needed = connections as u64 + SPARE_DESCRIPTORS;
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_none_or(|current| current >= needed) {
            return;
        }
        let current = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        let raised = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(current),
                maximum: limit.maximum,
            },
        );
        if raised.is_err() || current < needed {
            eprintln!(
                "lb-broker: the system allows {current} descriptors, {needed} are needed for \
                 --max-connections {connections}: see ulimit -n"
            );
        }
    }
}

fn count(min: u64, max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min..=max)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "seconds are needed, as 30 or 0.5".to_owned())?;
    if (0.01..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("0.01 to 86400 seconds are possible".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        for text in ["0", "-1", "NaN", "inf", "1e9", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
