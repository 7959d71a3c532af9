//! Everything that is known of a balancer at one moment, as plain data.
//!
//! It owns no rule: [`Metrics`](super::Metrics) fills it in, [`Summary`](super::Summary) shows it,
//! and users of the library read it.

use super::{AccessLogStats, Counters, FaultCounts, ResponseTimes, TurnTimes};
use crate::heartbeat;
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
