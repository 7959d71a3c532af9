//! The metrics that have labels of their own, or are of a pool: a table like that of the others.

use super::{Labels, of_backend};
use crate::control::view::SHED_FAULTS;
use crate::telemetry::{
    BackendSnapshot, MetricKind, PoolSnapshot, Snapshot, StatusCounts, TimeBuckets,
};

/// A metric: each of its numbers under its labels.
pub(super) struct Labelled {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricKind,
    /// The names of its labels.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test holds the documentation to it")
    )]
    pub(super) labels: &'static str,
    pub(super) is_in_seconds: bool,
    pub(super) get: fn(&Snapshot) -> Vec<(Labels, f64)>,
}

/// A histogram: counts of times under their labels.
pub(super) struct Times {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test holds the documentation to it")
    )]
    pub(super) labels: &'static str,
    pub(super) get: fn(&Snapshot) -> Vec<(Labels, TimeBuckets)>,
}

const fn row(
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    labels: &'static str,
    get: fn(&Snapshot) -> Vec<(Labels, f64)>,
) -> Labelled {
    Labelled {
        name,
        help,
        kind,
        labels,
        is_in_seconds: false,
        get,
    }
}

const fn in_seconds(row: Labelled) -> Labelled {
    Labelled {
        is_in_seconds: true,
        ..row
    }
}

use MetricKind::{Counter, Gauge};

/// All of them, in the order in which they are written.
pub(super) const LABELLED: &[Labelled] = &[
    row(
        "responses",
        "Responses by the class of their status",
        Counter,
        "class",
        |all| classes(&Labels::new(), &all.totals.statuses),
    ),
    row(
        "faults",
        "Exchanges that did not end well, by reason",
        Counter,
        "reason",
        |all| {
            let faults = all.faults.iter();
            let reason = |word: &str| vec![("reason", word.to_owned())];
            faults
                .map(|(it, n)| (reason(it.word()), n as f64))
                .collect()
        },
    ),
    row(
        "pool_exchanges",
        "Finished exchanges of a pool",
        Counter,
        "pool",
        |all| of_pools(all, |pool| pool.counters.exchanges as f64),
    ),
    row(
        "pool_in_flight",
        "Exchanges of a pool that are not over",
        Gauge,
        "pool",
        |all| of_pools(all, |pool| pool.activity.exchanges as f64),
    ),
    row(
        "pool_responses",
        "Responses of a pool by the class of their status",
        Counter,
        "pool, class",
        |all| {
            let pools = all.pools.iter();
            let each = |pool| classes(&of_pool(pool), &pool.counters.statuses);
            pools.flat_map(each).collect()
        },
    ),
    row(
        "pool_errors",
        "Attempts that a backend of a pool failed",
        Counter,
        "pool",
        |all| of_pools(all, |pool| pool.counters.errors as f64),
    ),
    row(
        "pool_retries",
        "Attempts of a pool that were repeated",
        Counter,
        "pool",
        |all| of_pools(all, |pool| pool.counters.retries as f64),
    ),
    row(
        "shed",
        "Requests refused for lack of room or of a backend, by reason",
        Counter,
        "pool, reason",
        |all| {
            let each = |pool: &PoolSnapshot| {
                SHED_FAULTS.map(|fault| {
                    let mut labels = of_pool(pool);
                    labels.push(("reason", fault.word().to_owned()));
                    (labels, pool.faults.of(fault) as f64)
                })
            };
            all.pools.iter().flat_map(each).collect()
        },
    ),
    row(
        "queue_length",
        "Requests that wait for a backend",
        Gauge,
        "pool",
        |all| of_pools(all, |pool| pool.activity.queued as f64),
    ),
    in_seconds(row(
        "queue_oldest_wait",
        "Time that the oldest of them has waited",
        Gauge,
        "pool",
        |all| of_pools(all, |pool| pool.activity.oldest_wait.as_secs_f64()),
    )),
    row(
        "backend_connections",
        "Connections made to a backend",
        Counter,
        "pool, backend",
        |all| of_backends(all, |it| it.times.connect.count() as f64),
    ),
    row(
        "backend_responses",
        "Responses of a backend by the class of their status",
        Counter,
        "pool, backend, class",
        |all| {
            let backends = all.backends.iter();
            let each = |it| classes(&of_backend(it), &it.counters.statuses);
            backends.flat_map(each).collect()
        },
    ),
    row(
        "backend_state",
        "1 for the state of a backend",
        Gauge,
        "pool, backend, state",
        |all| {
            let with_state = |it: &BackendSnapshot| {
                let mut labels = of_backend(it);
                labels.push(("state", it.state.to_owned()));
                (labels, 1.0)
            };
            all.backends.iter().map(with_state).collect()
        },
    ),
    row(
        "backend_weight",
        "Share of a backend relative to the others",
        Gauge,
        "pool, backend",
        |all| of_backends(all, |it| it.standing.weight.into()),
    ),
    row(
        "backend_tunnels",
        "Tunnels through a backend",
        Gauge,
        "pool, backend",
        |all| of_backends(all, |it| it.standing.tunnels as f64),
    ),
    row(
        "backend_ejections",
        "How often a backend was ejected",
        Counter,
        "pool, backend",
        |all| of_backends(all, |it| it.standing.ejections as f64),
    ),
    in_seconds(row(
        "backend_busy",
        "Time in which anything was in flight at a backend",
        Counter,
        "pool, backend",
        |all| of_backends(all, |it| it.standing.busy.as_secs_f64()),
    )),
    row("build", "1 for the version of lb", Gauge, "version", |_| {
        vec![(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)]
    }),
];

/// All histograms. Those of backends are one a backend: with hundreds of them each costs a scrape
/// 19 lines a backend.
pub(super) const TIMES: &[Times] = &[
    Times {
        name: "connect_time",
        help: "Time to connect to a backend, where a connection was made",
        labels: "pool",
        get: |all| times_of_pools(all, |pool| pool.times.connect),
    },
    Times {
        name: "first_byte_time",
        help: "From dispatch to the first byte of the response",
        labels: "pool",
        get: |all| times_of_pools(all, |pool| pool.times.first_byte),
    },
    Times {
        name: "total_time",
        help: "From the first byte of the request to the last of the response",
        labels: "pool",
        get: |all| times_of_pools(all, |pool| pool.times.total),
    },
    Times {
        name: "backend_first_byte_time",
        help: "From dispatch to a backend to the first byte of its response",
        labels: "pool, backend",
        get: |all| {
            let backends = all.backends.iter();
            backends
                .map(|it| (of_backend(it), it.times.first_byte))
                .collect()
        },
    },
];

fn of_pool(pool: &PoolSnapshot) -> Labels {
    vec![("pool", pool.name.clone())]
}

fn of_pools(all: &Snapshot, get: impl Fn(&PoolSnapshot) -> f64) -> Vec<(Labels, f64)> {
    all.pools.iter().map(|it| (of_pool(it), get(it))).collect()
}

fn times_of_pools(
    all: &Snapshot,
    get: impl Fn(&PoolSnapshot) -> TimeBuckets,
) -> Vec<(Labels, TimeBuckets)> {
    all.pools.iter().map(|it| (of_pool(it), get(it))).collect()
}

fn of_backends(all: &Snapshot, get: impl Fn(&BackendSnapshot) -> f64) -> Vec<(Labels, f64)> {
    let backends = all.backends.iter();
    backends.map(|it| (of_backend(it), get(it))).collect()
}

fn classes(labels: &Labels, statuses: &StatusCounts) -> Vec<(Labels, f64)> {
    let with_class = |(class, count)| {
        let mut labels = labels.clone();
        labels.push(("class", format!("{class}xx")));
        (labels, count as f64)
    };
    statuses.iter().map(with_class).collect()
}
