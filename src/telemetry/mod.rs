//! The view of a balancer from outside: records, access log, counters, summary.
//!
//! Everything here learns from the [`Record`] of a finished exchange and is pure: the wall clock,
//! the names of backends and where the bytes go are the caller's.
//!
//! | file | owns |
//! |---|---|
//! | [`record`](Record) | what is known of one finished exchange |
//! | [`access_log`](AccessLog) | one line for each exchange, as text or JSON |
//! | [`metrics`](Metrics) | the counters, of the whole balancer and of each backend |
//! | [`counters`](Counters) | what is counted, in the same words for both |
//! | [`time_buckets`](TimeBuckets) | counts of times in fixed buckets |
//! | [`response_times`](ResponseTimes) | quantiles of response times |
//! | [`loop_stats`](LoopStats) | turn times of an event loop, stalls and the phases to blame |
//! | [`snapshot`](Snapshot) | everything above at one moment, as plain data |
//! | [`summary`](Summary) | a snapshot as a table for people |

mod access_log;
mod backend_stats;
mod counters;
#[cfg(test)]
mod docs;
mod log_fields;
mod log_status;
mod loop_stats;
mod metric;
mod metrics;
mod record;
mod response_times;
mod snapshot;
mod summary;
mod time_buckets;
mod watch;

pub use access_log::AccessLogFormat;
pub use counters::{Counters, FaultCounts, StatusCounts};
pub(crate) use internal::*;
pub use log_status::{AccessLogEvent, AccessLogStats};
pub use loop_stats::{Stall, TurnPhase, TurnTimes};
pub use metric::{BACKEND_METRICS, BALANCER_METRICS, Metric, MetricKind, MetricUnit};
pub(crate) use response_times::ResponseTimeHistogram;
pub use response_times::ResponseTimes;
pub use snapshot::{
    Activity, BackendSnapshot, ExchangeTimes, PoolSnapshot, Snapshot, Standing, WorkerSnapshot,
};
pub use summary::Summary;
pub(crate) use summary::{Table, count, share, span};
pub use time_buckets::{BUCKET_BOUNDS_MICROS, TimeBuckets};
pub(crate) use watch::Watch;

/// Items for the command, the benches and the tests.
pub(crate) mod internal {
    pub use super::access_log::{AccessLog, AccessLogOptions, LogFieldSet, WallTime};
    pub use super::log_fields::{LOG_FIELDS, LOGGED_HEADERS, LogField, ServedBy, logged_headers};
    pub use super::loop_stats::LoopStats;
    pub use super::metrics::Metrics;
    pub use super::record::{Record, RequestTexts};
    pub use super::snapshot::BackendView;
    pub use super::watch::Sample;
}
