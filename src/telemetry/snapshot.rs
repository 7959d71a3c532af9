//! Everything that is known of a balancer at one moment, as plain data.
//!
//! It owns no rule: [`Metrics`](super::Metrics) fills it in, [`Summary`](super::Summary) shows it,
//! and users of the library read it.

use super::{AccessLogStats, Counters, FaultCounts, ResponseTimes, TimeBuckets, TurnTimes};
use crate::heartbeat;
use crate::strategy::BackendId;
use std::time::Duration;

/// A balancer at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Time since the start.
    pub uptime: Duration,
    /// Client connections accepted so far.
    pub connections_accepted: u64,
    /// Client connections open now.
    pub connections_open: u64,
    /// Sums over all exchanges, those included that reached no backend.
    pub totals: Counters,
    /// Counts of exchanges that did not end well, by fault. A repeated attempt is not an end: those
    /// are with their backends.
    pub faults: FaultCounts,
    /// Each pool.
    pub pools: Vec<PoolSnapshot>,
    /// Response times over all backends; `None` before the first response.
    pub response_times: Option<ResponseTimes>,
    /// Durations of the turns of all loops; `None` where no loop turns.
    pub turn_times: Option<TurnTimes>,
    /// The backends of the upstream, in its order.
    pub backends: Vec<BackendSnapshot>,
    /// Pools whose backends are given one request at a time because they are found to work on one
    /// after the other; `None` where no pool learns that.
    pub serial_pools: Option<u64>,
    /// Configurations that were loaded: 1 after the start, one more with each reload.
    pub config_generation: u64,
    /// When the last one was loaded, since the Unix epoch.
    pub config_loaded_at: Duration,
    /// The state of the access log's writer; `None` without an access log.
    pub access_log: Option<AccessLogStats>,
    /// Counts of heartbeats, if they are received.
    pub heartbeats: Option<heartbeat::HeartbeatCounts>,
    /// Resident memory of the process in bytes; `None` where it is not known.
    pub memory_bytes: Option<u64>,
    /// Open file descriptors of the process; `None` where they are not known.
    pub descriptors_open: Option<u64>,
    /// Shares of the workers, if there are several; empty with one.
    pub workers: Vec<WorkerSnapshot>,
}

/// A pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Its name.
    pub name: String,
    /// Its number, as the ids of its backends have it.
    pub number: u16,
    /// The name of its strategy.
    pub strategy: &'static str,
    /// Open work.
    pub activity: Activity,
    /// Sums over the exchanges that are over.
    pub counters: Counters,
    /// Why exchanges did not end well.
    pub faults: FaultCounts,
    /// Times of the exchanges that are over, backends included that were removed.
    pub times: ExchangeTimes,
}

/// Times of exchanges in fixed buckets; all zero in snapshots without response times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeTimes {
    /// Time to connect, of those that made a connection.
    pub connect: TimeBuckets,
    /// From dispatch to the first byte of the response.
    pub first_byte: TimeBuckets,
    /// From the first byte of the request to the last of the response.
    pub total: TimeBuckets,
}

impl ExchangeTimes {
    /// Adds the times of `other`.
    pub(super) fn add(&mut self, other: &Self) {
        self.connect.add(&other.connect);
        self.first_byte.add(&other.first_byte);
        self.total.add(&other.total);
    }
}

/// Open work of a pool at one moment, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Exchanges that are not over.
    pub exchanges: u64,
    /// Exchanges that wait in the queue.
    pub queued: u64,
    /// Time the oldest of them has waited.
    pub oldest_wait: Duration,
    /// Learned duration of slow responses in the slowest pool; zero before the first.
    pub slow_response_time: Duration,
}

/// The figures of a backend in its pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its pool.
    pub pool: String,
    /// Its name within the pool.
    pub name: String,
    /// Its address, in the user's notation.
    pub address: String,
    /// Its share relative to the others.
    pub weight: u32,
    /// Exchanges it is given at once; `None`: no limit.
    pub max_in_flight: Option<u32>,
    /// Cause of its state; `None`: it began so.
    pub cause: Option<String>,
    /// Time in its state.
    pub in_state: Duration,
    /// Number of ejections.
    pub ejections: u64,
    /// Time during which anything was in flight there, in all.
    pub busy: Duration,
    /// Connections in flight there that carry other protocols than HTTP, or any in TCP mode.
    pub tunnels: u64,
    /// True if it is removed when it has drained.
    pub is_departing: bool,
}

/// One of several workers at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// Client connections open now.
    pub connections_open: u64,
    /// Exchanges that are over.
    pub exchanges: u64,
}

/// A backend at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendSnapshot {
    /// The configured name.
    pub name: String,
    /// The state in its life cycle, in one word.
    pub state: &'static str,
    /// Its figures in its pool.
    pub standing: Standing,
    /// Exchanges dispatched to it and not yet settled.
    pub in_flight: u32,
    /// Number of picks.
    pub picks: u64,
    /// Sums over the exchanges that it responded to, or was tried last for; as errors and retries
    /// also the attempts that failed here and were repeated.
    pub counters: Counters,
    /// Faults at this backend, those of repeated attempts included.
    pub faults: FaultCounts,
    /// Response times; `None` before its first response.
    pub response_times: Option<ResponseTimes>,
    /// Its times in fixed buckets.
    pub times: ExchangeTimes,
    /// Its own report by heartbeats; `None` if it never sent any.
    pub heartbeat: Option<heartbeat::HeartbeatReport>,
}

/// The pool's view of a backend, lent for a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct BackendView<'a> {
    /// Which backend.
    pub id: BackendId,
    /// The configured name.
    pub name: &'a str,
    /// The state in its life cycle, in one word.
    pub state: &'static str,
    /// Exchanges dispatched to it and not yet settled.
    pub in_flight: u32,
}
