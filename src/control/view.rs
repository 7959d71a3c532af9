//! A pool as JSON.

use super::journal::seconds;
use super::roster::Roster;
use crate::error::Fault;
use crate::telemetry::{BackendSnapshot, PoolSnapshot, ResponseTimes, Snapshot};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What every view begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Names this run of lb.
    pub(crate) boot_id: &'a str,
    /// The number of the newest event.
    pub(crate) seq: u64,
    /// The wall clock, since the Unix epoch.
    pub(crate) wall: Duration,
}

/// The whole, in short.
pub(crate) fn status(origin: Origin<'_>, snapshot: &Snapshot) -> Value {
    let under_way: u64 = snapshot.pools.iter().map(|it| it.activity.exchanges).sum();
    json!({
        "boot_id": origin.boot_id,
        "seq": origin.seq,
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": seconds(snapshot.uptime),
        "workers": snapshot.workers.len().max(1),
        "connections_open": snapshot.connections_open,
        "connections_accepted": snapshot.connections_accepted,
        "in_flight": under_way,
        "exchanges": snapshot.totals.exchanges,
        "config_generation": snapshot.config_generation,
        "config_loaded_at": seconds(snapshot.config_loaded_at),
    })
}

/// All pools, in short.
pub(crate) fn pools(origin: Origin<'_>, snapshot: &Snapshot) -> Value {
    let pools = snapshot.pools.iter().map(|pool| {
        let backends = || of_pool(snapshot, pool);
        let mut states: Map<String, Value> = Map::new();
        for backend in backends() {
            let count = states.get(backend.state).and_then(Value::as_u64);
            states.insert(backend.state.to_owned(), json!(count.unwrap_or(0) + 1));
        }
        json!({
            "name": pool.name,
            "strategy": pool.strategy,
            "backends": backends().count(),
            "states": states,
        })
    });
    let pools: Vec<_> = pools.collect();
    json!({ "boot_id": origin.boot_id, "seq": origin.seq, "pools": pools })
}

/// The backends of a pool.
pub(crate) fn of_pool<'a>(
    snapshot: &'a Snapshot,
    pool: &'a PoolSnapshot,
) -> impl Iterator<Item = &'a BackendSnapshot> {
    let backends = snapshot.backends.iter();
    backends.filter(|backend| backend.standing.pool == pool.name)
}

/// One pool, with all that is known of it.
pub(crate) fn pool(
    origin: Origin<'_>,
    snapshot: &Snapshot,
    pool: &PoolSnapshot,
    roster: &Roster,
) -> Value {
    let PoolSnapshot {
        activity, counters, ..
    } = pool;
    let backends = of_pool(snapshot, pool);
    let backends: Vec<_> = backends.map(|it| backend(origin, it, roster)).collect();
    json!({
        "boot_id": origin.boot_id,
        "seq": origin.seq,
        "name": pool.name,
        "strategy": pool.strategy,
        "uptime_seconds": seconds(snapshot.uptime),
        "arrivals": counters.exchanges + activity.exchanges,
        "in_flight": activity.exchanges,
        "shed": shed(pool),
        "queue_length": activity.queued,
        "oldest_wait_seconds": seconds(activity.oldest_wait),
        "slow_response_seconds": activity.slow_response_time.as_secs_f64(),
        "responses": classes(&counters.statuses),
        "errors": counters.errors,
        "retries": counters.retries,
        "sets": roster.sets_view(),
        "backends": backends,
    })
}

fn backend(origin: Origin<'_>, it: &BackendSnapshot, roster: &Roster) -> Value {
    let standing = &it.standing;
    let counters = &it.counters;
    let times_of = it.response_times;
    json!({
        "name": standing.name,
        "address": standing.address,
        "state": it.state,
        "cause": standing.cause,
        "since": seconds(origin.wall.saturating_sub(standing.in_state)),
        "departing": standing.is_departing,
        "weight": standing.weight,
        "max_in_flight": standing.max_in_flight,
        "owner": roster.owner(&standing.name),
        "operator": roster.overlay_view(&standing.name),
        "in_flight": it.in_flight,
        "tunnels": standing.tunnels,
        "picks": it.picks,
        "responses": classes(&counters.statuses),
        "response_seconds": times_of.map_or(0.0, |times| times.sum.as_secs_f64()),
        "busy_seconds": standing.busy.as_secs_f64(),
        "response_time": times_of.map(times),
        "errors": counters.errors,
        "retries": counters.retries,
        "ejections": standing.ejections,
        "bytes_in": counters.bytes_in,
        "bytes_out": counters.bytes_out,
    })
}

/// Why requests are refused for lack of room or of a backend.
pub(crate) const SHED_FAULTS: [Fault; 4] = [
    Fault::QueueFull,
    Fault::QueueTimeout,
    Fault::NoBackend,
    Fault::Overloaded,
];

/// Requests that were refused for lack of room or of a backend.
pub(crate) fn shed(pool: &PoolSnapshot) -> u64 {
    SHED_FAULTS.map(|fault| pool.faults.of(fault)).iter().sum()
}

fn classes(statuses: &crate::telemetry::StatusCounts) -> Value {
    let classes = statuses.iter();
    let classes = classes.map(|(class, count)| (format!("{class}xx"), json!(count)));
    Value::Object(classes.collect())
}

fn times(times: ResponseTimes) -> Value {
    json!({
        "samples": times.samples,
        "min": times.min.as_secs_f64(),
        "p50": times.p50.as_secs_f64(),
        "p90": times.p90.as_secs_f64(),
        "p99": times.p99.as_secs_f64(),
        "max": times.max.as_secs_f64(),
    })
}

/// Each worker.
pub(crate) fn workers(origin: Origin<'_>, snapshot: &Snapshot) -> Value {
    let workers = snapshot.workers.iter().enumerate().map(|(number, worker)| {
        json!({
            "id": number,
            "connections": worker.connections_open,
            "exchanges": worker.exchanges,
        })
    });
    let workers: Vec<_> = workers.collect();
    json!({ "boot_id": origin.boot_id, "seq": origin.seq, "workers": workers })
}
