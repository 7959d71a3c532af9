//! Limits on connections, heads, bodies, retries and waiting requests.
//!
//! Owns the default and the range of each. There is no "unlimited": a limit is a number that
//! memory and descriptors can bear.

use super::BackendLimit;
use super::settings::{Scope, Section, optional, within};
use crate::http::HeadLimits;

static SECTION: Section = Section {
    title: "Limits",
    scope: Scope::Global,
};
static PER_POOL: Section = Section {
    title: "Limits",
    scope: Scope::Pool,
};

/// The greatest number of connections: close to what Linux lets one process open untuned
/// (`fs.nr_open` is 1,048,576).
const MAX_CONNECTIONS: usize = 1_000_000;
const MIB: usize = 1024 * 1024;
const GIB: u64 = 1024 * 1024 * 1024;

settings! {
    /// Limits on connections, heads, bodies, retries and waiting requests.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits in draft.limits, section SECTION;

    /// Client connections open at once [default: 8000, or as many as the limit of file descriptors
    /// allows]
    ///
    /// More wait in the kernel's queue until one is closed.
    "max-connections" <"N"> max_connections: Option<usize> = None,
        check optional(within(1..=MAX_CONNECTIONS));

    /// Bytes of memory for buffers [default: half of what the process may use]
    ///
    /// Above it new requests get a 503 (overloaded) and new connections in TCP mode are closed. By
    /// default that is half of the least of: the memory of the machine, of the control group, and of
    /// the address space (ulimit -v).
    "max-memory" <"BYTES"> max_memory: Option<usize> = None,
        check optional(within(MIB..=usize::MAX - 1));

    /// Idle connections kept per backend
    ///
    /// 0 keeps none: every request opens a connection.
    "max-idle-per-backend" <"N"> max_idle_per_backend: usize = 1_024,
        check within(0..=MAX_CONNECTIONS), with { section: &PER_POOL, http_only: true };

    /// Requests in flight per backend, or auto [default: any number]
    ///
    /// When every backend is at its limit, requests wait and go to the first that has room. Set it
    /// to what a backend works on at once, never lower. A MAX in --backends takes precedence. auto
    /// learns whether backends work on one request after the other, and then gives each one at a
    /// time; it is for HTTP.
    "backend-max-connections" <"N"> backend_max_connections: Option<BackendLimit> = None,
        with { section: &PER_POOL };

    /// Requests that wait while every backend is at its limit
    ///
    /// Further ones get a 503 at once. 0 lets none wait.
    "queue-limit" <"N"> queue_limit: usize = 1_024,
        check within(0..=MAX_CONNECTIONS), with { section: &PER_POOL };

    /// Retries of a failed request
    ///
    /// Once a backend may have seen a request, it is retried only if it is idempotent.
    "max-retries" <"N"> max_retries: u32 = 2, check within(0..=16), with { section: &PER_POOL };

    /// Retried requests, in percent of all
    ///
    /// Counted over ten seconds; ten a second are always allowed. A request that reached no
    /// backend does not count, as its retry costs no backend anything.
    "retry-budget" <"PERCENT"> retry_budget_percent: u32 = 20,
        check within(0..=100), with { section: &PER_POOL };

    /// Bytes of a request or response head
    "max-head-bytes" <"BYTES"> max_head_bytes: usize = 16 * 1024, check within(256..=MIB);

    /// Fields in a request or response head
    "max-head-fields" <"N"> max_head_fields: usize = 100, check within(1..=128);

    /// Bytes of a request target
    "max-target-bytes" <"BYTES"> max_target_bytes: usize = 8 * 1024, check within(1..=MIB),
        with { http_only: true };

    /// Minimum rate of a request body, in bytes per second [default: none, or 1024 where backends
    /// are limited]
    ///
    /// Measured over 5s after a grace period of 5s, while lb waits for the client alone. A slower
    /// client gets a 408. 0 sets no minimum.
    "min-body-rate" <"BYTES"> min_body_rate: Option<u64> = None,
        check optional(within(0..=GIB)), with { http_only: true };

    /// Bytes of a request body read before a place at a limited backend is taken
    ///
    /// A client that sends slowly then holds no place. A longer body takes its place when so much
    /// of it has come. At most 64 MiB are held per worker. 0 takes the place with the head.
    "held-body-bytes" <"BYTES"> held_body_bytes: usize = 64 * 1024,
        check within(0..=MIB), with { http_only: true };
}

/// The minimum rate of a request body where backends are limited and no rate is set.
const LIMITED_MIN_BODY_RATE: u64 = 1024;

impl Limits {
    /// The same with the minimum rate of a body that holds for backends with limits, if
    /// `is_limited` and no rate is set.
    pub(crate) fn with_min_body_rate(mut self, is_limited: bool) -> Self {
        if is_limited {
            self.min_body_rate.get_or_insert(LIMITED_MIN_BODY_RATE);
        }
        self
    }

    /// The limits of a request or response head, as the parser takes them.
    #[doc(hidden)]
    #[must_use]
    pub fn head(&self) -> HeadLimits {
        HeadLimits {
            max_bytes: self.max_head_bytes,
            max_fields: self.max_head_fields,
            max_target_bytes: self.max_target_bytes,
        }
    }
}
