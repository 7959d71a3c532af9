//! Everything that is known of a balancer at one moment, as plain data.
//!
//! It owns no rule: [`Metrics`](super::Metrics) fills it in, [`Summary`](super::Summary) shows it,
//! and users of the library read it.

use super::{AccessLogStats, Counters, FaultCounts, ResponseTimes, TurnTimes};
use crate::heartbeat;
use crate::pool::Cause;
use crate::strategy::BackendId;
use std::time::Duration;

/// A balancer at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How long it has been running.
    pub uptime: Duration,
    /// Client connections accepted so far.
    pub connections_accepted: u64,
    /// Client connections open now.
    pub connections_open: u64,
    /// Sums over all exchanges, those included that reached no backend.
    pub totals: Counters,
    /// Why exchanges did not end well. An attempt that was repeated is not an end: those are
    /// with their backends.
    pub faults: FaultCounts,
    /// What is under way.
    pub activity: Activity,
    /// Response times over all backends; `None` before the first response.
    pub response_times: Option<ResponseTimes>,
    /// How long the turns of all loops took; `None` where no loop turns.
    pub turn_times: Option<TurnTimes>,
    /// The backends of the upstream, in its order.
    pub backends: Vec<BackendSnapshot>,
    /// How writing the access log goes; `None` if there is none.
    pub access_log: Option<AccessLogStats>,
    /// What became of heartbeats, if they are listened to.
    pub heartbeats: Option<heartbeat::HeartbeatCounts>,
    /// What of it is whose, if there are several workers; empty with one.
    pub workers: Vec<WorkerSnapshot>,
}

/// What is under way in a pool at one moment, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Exchanges that are not over.
    pub exchanges: u64,
    /// Exchanges that wait in the queue.
    pub queued: u64,
    /// How long the oldest of them has waited.
    pub oldest_wait: Duration,
    /// How long slow responses take in this pool, as it has learned; zero before the first.
    pub slow_response_time: Duration,
}

/// Where a backend stands in its pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Where it is, as people write it.
    pub address: String,
    /// Its share relative to the others.
    pub weight: u32,
    /// Exchanges it is given at once; `None`: no limit.
    pub max_in_flight: Option<u32>,
    /// Why it is in its state; `None`: it began so.
    pub cause: Option<Cause>,
    /// How long it has been in its state.
    pub in_state: Duration,
    /// How often it was ejected.
    pub ejections: u64,
    /// How long anything was in flight there, in all.
    pub busy: Duration,
    /// Connections in flight there that carry other protocols than HTTP, or any in TCP mode.
    pub tunnels: u64,
    /// Whether it is removed when it has drained.
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
    /// What the user calls it.
    pub name: String,
    /// Where it is in its life cycle, in one word.
    pub state: &'static str,
    /// Where it stands in its pool.
    pub standing: Standing,
    /// Exchanges dispatched to it and not yet settled.
    pub in_flight: u32,
    /// How often it was picked.
    pub picks: u64,
    /// Sums over the exchanges that it responded to, or was asked last for; as errors and retries
    /// also the attempts that failed here and were repeated.
    pub counters: Counters,
    /// What went wrong at this backend, attempts included that were repeated.
    pub faults: FaultCounts,
    /// How long it took to respond; `None` before its first response.
    pub response_times: Option<ResponseTimes>,
    /// What it says of itself by heartbeats; `None` if it never did.
    pub heartbeat: Option<heartbeat::HeartbeatReport>,
}

/// What the upstream knows of a backend, and lends for a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct BackendView<'a> {
    /// Which backend.
    pub id: BackendId,
    /// What the user calls it.
    pub name: &'a str,
    /// Where it is in its life cycle, in one word.
    pub state: &'static str,
    /// Exchanges dispatched to it and not yet settled.
    pub in_flight: u32,
}
