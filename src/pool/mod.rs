//! Pools: the backends with one strategy, and everything a request needs of them.
//!
//! A [`Pool`] owns its [`Backends`], the idle connections to them, the queue of exchanges that wait
//! for one, the retry budget, affinity, and how connections are opened. It does not know sockets or
//! the clock.

mod backend;
mod backends;
mod commands;
mod congestion;
mod crowding;
mod departures;
mod explained;
mod failure_sources;
mod hang_detection;
mod idle_conns;
mod in_flight;
mod late_binding;
mod latency_outlier;
mod lease;
mod life_cycle;
mod life_cycles;
mod members;
mod membership;
mod outlier;
mod pick;
mod pools;
mod queries;
mod queue;
mod relocation;
mod renewal;
mod retry_budget;
mod selection;
mod service_times;
mod sharing;
mod signals;
mod slow_start;
mod state_change;
#[cfg(test)]
mod tests;
mod window;

pub use crate::config::EjectionPolicy;
pub use crate::ids::PoolId;
pub use backends::Backends;
pub use explained::Explained;
pub use failure_sources::Sources;
pub(crate) use idle_conns::IdleConns;
pub use late_binding::{LimitChange, LineLimits};
pub use lease::Lease;
pub use life_cycle::{Grounds, Hold, State};
pub use membership::{Admitted, Entrance, NewBackend, NotAdded};
pub(crate) use pools::Known;
pub use pools::Pools;
pub(crate) use queue::WaitQueue;
pub use relocation::Moved;
pub(crate) use relocation::Relocated;
pub use renewal::{AffinitySpec, PoolRenewal};
pub(crate) use retry_budget::RetryBudget;
pub use sharing::Signal;
pub use state_change::{Cause, StateChange};

use crate::address::Address;
use crate::config::{DEFAULT_POOL, Limits, Timeouts};
use crate::ids::ExchangeId;
use crate::proxy_protocol;
use crate::shared::QueueMember;
use crate::strategy::{BackendId, KeySource, Sticky};
use crate::time::Timestamp;
use hang_detection::HangDetector;
use std::time::Duration;

/// Limits on waiting, kept and retried exchanges, in number and time. By default nothing waits, is
/// kept or retried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolLimits {
    /// Exchanges that wait for a backend, over all workers.
    pub queue_limit: usize,
    /// Time limit of their wait.
    pub queue_timeout: Duration,
    /// Exchanges a backend is given at once unless it has a limit of its own; `None`: no limit.
    pub backend_max_in_flight: Option<u32>,
    /// Idle connections kept to each backend by this worker.
    pub max_idle_per_backend: usize,
    /// Retries of one request.
    pub max_retries: u32,
    /// Retries in percent of the requests.
    pub retry_budget_percent: u32,
    /// Time limit for a connection to be established.
    pub connect_timeout: Duration,
    /// Time limit for an idle connection to be used.
    pub idle_timeout: Duration,
}

impl PoolLimits {
    /// Those of a configuration.
    #[must_use]
    pub const fn new(limits: &Limits, timeouts: &Timeouts) -> Self {
        Self {
            queue_limit: limits.queue_limit,
            queue_timeout: timeouts.queue,
            backend_max_in_flight: match limits.backend_max_connections {
                Some(limit) => limit.max(),
                None => None,
            },
            max_idle_per_backend: limits.max_idle_per_backend,
            max_retries: limits.max_retries,
            retry_budget_percent: limits.retry_budget_percent,
            connect_timeout: timeouts.connect,
            idle_timeout: timeouts.pool_idle,
        }
    }
}

/// Backends with one strategy, and what a request needs of them.
pub struct Pool {
    pub(crate) name: String,
    pub(crate) backends: Backends,
    pub(crate) idle: IdleConns,
    pub(crate) queue: WaitQueue,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) affinity: Option<Sticky>,
    pub(crate) key_source: KeySource,
    pub(crate) connect: ConnectSpec,
    pub(crate) limits: PoolLimits,
    hangs: HangDetector,
    /// Request bodies that are held before a backend is picked.
    pub(crate) held_bodies: usize,
    /// Whether it is in the configuration.
    pub(crate) standing: PoolStanding,
}

/// Whether a pool is in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolStanding {
    /// It is.
    Current,
    /// It is no more: its exchanges finish, and no new ones come.
    Leaving,
    /// Nothing is left of it. Its id may be given to another.
    Gone,
}

/// The way connections to the backends of a pool are opened, and the first bytes on them.
#[derive(Debug, Default)]
pub struct ConnectSpec {
    /// The addresses of each backend, by slot. All addresses of a name are tried.
    pub addresses: Vec<Vec<Address>>,
    /// The address of each backend that was last connected to, by slot.
    pub preferred: Vec<u16>,
    /// The `Host` sent to backends; `None`: the client's own.
    pub host: Option<String>,
    /// The PROXY header sent ahead of everything else, if one is. Connections then serve one
    /// client each.
    pub send_proxy: Option<proxy_protocol::ProxyVersion>,
}

impl ConnectSpec {
    /// The index of the address of a backend to try first.
    pub(crate) fn preferred(&self, backend: BackendId) -> u16 {
        self.preferred.get(backend.slot()).copied().unwrap_or(0)
    }

    /// Remembers that the address of a backend with this index could be connected to.
    pub(crate) fn prefer(&mut self, backend: BackendId, index: usize) {
        let slot = backend.slot();
        if slot >= self.preferred.len() {
            self.preferred.resize(slot + 1, 0);
        }
        if let Some(preferred) = self.preferred.get_mut(slot) {
            *preferred = index as u16;
        }
    }

    /// The addresses of a backend.
    #[must_use]
    pub fn addresses(&self, backend: BackendId) -> &[Address] {
        let addresses = self.addresses.get(backend.slot());
        addresses.map(Vec::as_slice).unwrap_or_default()
    }
}

impl Pool {
    /// A pool of `backends`, with an affinity cookie if one is given.
    #[must_use]
    pub fn new(
        backends: Backends,
        affinity: Option<Sticky>,
        connect: ConnectSpec,
        limits: PoolLimits,
    ) -> Self {
        let mut pool = Self {
            name: DEFAULT_POOL.to_owned(),
            idle: IdleConns::new(backends.candidates().len()),
            queue: WaitQueue::default(),
            retry_budget: RetryBudget::among(1),
            affinity,
            key_source: backends.strategy().key_source(),
            connect,
            limits,
            hangs: HangDetector::default(),
            held_bodies: 0,
            standing: PoolStanding::Current,
            backends,
        };
        pool.announce_line();
        pool
    }

    /// Tells the backends of the line in which exchanges wait for room.
    fn announce_line(&mut self) {
        self.backends.set_line(LineLimits {
            length: self.limits.queue_limit,
            time: self.limits.queue_timeout,
        });
    }

    /// Looks for hanging backends from now on. Exchanges and health checks are HTTP, the latter
    /// every `check_interval`.
    pub(crate) fn detect_hangs(&mut self, check_interval: Duration, now: Timestamp) {
        self.hangs = HangDetector::new(check_interval, now);
    }

    /// The backends that seem to hang, and how long their oldest exchange has waited; `None` if it
    /// is not time to look.
    pub(crate) fn suspects(&mut self, now: Timestamp) -> Option<Vec<(BackendId, Duration)>> {
        self.hangs.look(&mut self.backends, now)
    }

    /// When time alone changes something, or hanging backends are looked for.
    pub(crate) fn next_wakeup(&self) -> Timestamp {
        let look = self.hangs.due(&self.backends);
        self.backends.next_change().min(look)
    }

    /// Whether that time has come, or changes are to be followed.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.backends.is_due(now) || self.hangs.is_due(&self.backends, now)
    }

    /// The same pool with a name of its own.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    /// Makes its queue one of several workers' and its retry budget a share of theirs. Nothing may
    /// wait yet.
    pub fn share_queue(&mut self, member: QueueMember) {
        self.retry_budget = RetryBudget::among(member.workers());
        self.queue.share(member);
    }

    /// Picks a backend that is not in `attempted`: the one of `affinity` if it may be picked, else
    /// by the strategy.
    pub(crate) fn pick(
        &mut self,
        key: u64,
        affinity: Option<BackendId>,
        attempted: &[BackendId],
        now: Timestamp,
    ) -> Option<Lease> {
        if let Some(backend) = affinity.filter(|backend| !attempted.contains(backend))
            && let Some(lease) = self.backends.pick_by_affinity(backend, now)
        {
            return Some(lease);
        }
        let is_limited = self.backends.is_limited();
        let waiting = is_limited.then(|| self.queue.waiting());
        self.backends.pick_or_hold(key, attempted, waiting, now)
    }

    /// The exchange to serve next, unless none waits here or the next place is another worker's.
    pub(crate) fn next_waiting(
        &mut self,
        is_waiting: impl Fn(ExchangeId) -> bool,
    ) -> Option<ExchangeId> {
        self.queue.first(is_waiting)
    }

    /// The worker to wake because there is room for an exchange that waits there.
    pub(crate) fn worker_to_wake(&mut self) -> Option<usize> {
        let backends = &mut self.backends;
        self.queue.call(|| backends.has_room())
    }
}
