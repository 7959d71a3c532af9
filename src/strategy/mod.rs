//! Picking a backend: the [`Strategy`] trait and the strategies that come with `lb`.
//!
//! A strategy is pure. It sees [`Candidate`]s and a key, returns one candidate, and learns from
//! every settled exchange. It never sees sockets or a clock, it allocates nothing while picking,
//! and with the same seed and the same calls it makes the same picks. The pool keeps in the
//! candidates, once, what every strategy may rely on: exchanges in flight, last pick, last
//! response.
//!
//! One strategy is one file, with its [`Entry`]; `registry` lists them. To add one, write its
//! file, name it below and in the registry. A strategy of your own is a type that implements
//! [`Strategy`].

mod entry;
mod guarded;
mod hashing;
pub(crate) mod key;
mod least_connections;
mod least_response_time;
mod memory;
mod n_to_one;
mod p2c;
mod random;
mod rating;
pub(crate) mod registry;
mod rng;
mod round_robin;
mod sample;
mod spec;
mod sticky;
#[cfg(test)]
mod tests;

pub use entry::{BuildArgs, Entry, KeyKind};
pub(crate) use guarded::Guarded;
pub use hashing::LoadBound;
pub(crate) use internal::*;
pub use least_connections::LeastConnections;
pub use least_response_time::LeastResponseTime;
pub use memory::Memory;
pub use n_to_one::NToOne;
pub use p2c::TwoChoices;
pub use random::Random;
pub use rating::Rating;
pub(crate) use rng::Rng;
pub use round_robin::RoundRobin;
pub use spec::{BadStrategy, StrategySpec};

pub use crate::ids::PoolId;
use crate::time::Timestamp;
use std::num::NonZeroU32;
use std::time::Duration;

/// Names one backend of all pools. The generation tells it from an earlier backend that had the
/// same slot of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId {
    /// The pool in the upper half, the slot in the lower. One word, so that two ids are compared
    /// by one instruction.
    place: u32,
    /// One more than the generation, so that `Option<BackendId>` has eight bytes. Returning a pick
    /// in a register saves 48 instructions of some 8,500 a request.
    number: NonZeroU32,
}

impl BackendId {
    /// The backend in `slot` of the first pool, the `generation`th to use it.
    #[must_use]
    pub const fn new(slot: u16, generation: u32) -> Self {
        let number = NonZeroU32::MIN.saturating_add(generation);
        let place = slot as u32;
        Self { place, number }
    }

    /// The backend with the same slot and generation in `pool`.
    #[must_use]
    pub const fn of_pool(self, pool: PoolId) -> Self {
        let place = (pool.number() as u32) << 16 | (self.place & 0xffff);
        Self { place, ..self }
    }

    /// The pool it belongs to.
    #[must_use]
    pub const fn pool(self) -> PoolId {
        PoolId::new((self.place >> 16) as u16)
    }

    /// Index into per-backend arrays of its pool.
    #[must_use]
    pub const fn slot(self) -> usize {
        (self.place & 0xffff) as usize
    }

    /// Returns how many backends had this slot before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.number.get() - 1
    }
}

/// The facts about a backend that a strategy may use. The candidates of a pool are one flat array;
/// `candidates[id.slot()].id == id` for every live backend. A slot whose backend was removed stays
/// in the array, neither live nor pickable, until another backend takes it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The backend's id.
    pub id: BackendId,
    /// A hash of its name: the same in every process, so that several balancers agree on where
    /// a key belongs.
    pub identity: u64,
    /// True if it belongs to the pool: true from its addition to its removal.
    pub live: bool,
    /// True if it may be picked now. A strategy never returns a candidate that may not.
    pub pickable: bool,
    /// True if it might be picked if it were not at its limit.
    pub full: bool,
    /// Its configured share relative to the others, 1 to 256.
    pub weight: u32,
    /// Exchanges dispatched to it and not yet settled.
    pub in_flight: u32,
    /// The sequence number of its last pick, counted over the whole pool: smaller is longer ago.
    /// Before its first pick, a number below every real pick that keeps the configured order.
    pub last_pick: u64,
    /// Time of its last pick; [`Timestamp::ZERO`] before the first.
    pub last_picked_at: Timestamp,
    /// Time at which it last completed an exchange, well or badly; `None` before the first. An
    /// exchange that never reached it, timed out or was abandoned, does not count.
    pub last_completed_at: Option<Timestamp>,
    /// Time of dispatch of the oldest exchange in flight there; `None` when idle.
    pub oldest_dispatched_at: Option<Timestamp>,
}

/// The end of an exchange at a backend, for its strategy.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    /// The backend of the exchange.
    pub backend: BackendId,
    /// Its outcome.
    pub outcome: Outcome,
    /// Time of its dispatch.
    pub dispatched_at: Timestamp,
    /// Exchanges in flight at that backend when it was dispatched, itself not counted.
    pub ahead_at_dispatch: u32,
    /// True if an exchange dispatched there earlier is still in flight.
    pub overtook: bool,
    /// Exchanges still in flight there, itself no longer counted.
    pub remaining: u32,
    /// True if it timed out because queues are long, and not because its backend is broken.
    pub is_late: bool,
}

/// The end of an exchange, as far as its backend is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend responded as it should.
    Success {
        /// From dispatch to the first byte of the response (in TCP mode: from the first client
        /// byte forwarded to the first backend byte, else the life of the connection).
        /// `None` where there is no response time.
        response_time: Option<Duration>,
    },
    /// It refused the request (4xx, 501, 505). A strategy may count that as a failure, if it
    /// compares with the pool; the life cycle does not: the client caused it.
    ClientError,
    /// It was reached, but broke off, or responded with an error of its own (5xx).
    Failure,
    /// It was reached, and did not respond in time. That is a failure, unless the backend has
    /// completed other exchanges since this one was dispatched: then it is late, not broken.
    TimedOut,
    /// No connection to it could be made. To a strategy this is a failure like any other; the
    /// life cycle of the backend turns on the difference.
    Unreachable,
    /// The exchange ended for reasons that say nothing about the backend.
    Inconclusive,
}

impl Outcome {
    /// The response time of a success, if there is one.
    #[must_use]
    pub const fn response_time(self) -> Option<Duration> {
        match self {
            Self::Success { response_time } => response_time,
            Self::ClientError | Self::Failure | Self::TimedOut => None,
            Self::Unreachable | Self::Inconclusive => None,
        }
    }
}

/// The part of a request whose hash keeps clients at one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The strategy does not look at the request.
    None,
    /// The client's IP address.
    ClientAddress,
    /// The request target (path and query).
    Target,
    /// The value of a request header field.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
}

/// Picks among backends. Implement it to bring your own rule.
pub trait Strategy: Send {
    /// Its name, as in `--strategy NAME`.
    fn name(&self) -> &'static str;

    /// Returns whether exchanges spread over all backends by weight, or all go to one as long as it
    /// may be picked. Slow start derives the full share of a returning backend from it.
    fn spreads(&self) -> bool {
        true
    }

    /// The part of a request it wants as a key. Asked once.
    fn key_source(&self) -> KeySource {
        KeySource::None
    }

    /// Picks one candidate with `pickable`, or `None` if there is none. Each pick leads to
    /// one exchange, which [`settled`](Self::settled) reports once.
    ///
    /// `key` is the hash of the part that [`key_source`](Self::key_source) names, 0 without one.
    ///
    /// An id that is not of a pickable candidate is not followed, and a panic in any method is
    /// caught: the request gets a 503 with the fault `invalid_pick`, and the balancer goes on.
    /// Where panics abort, as in the release profile of this package, a panic ends the process.
    fn pick(&mut self, candidates: &[Candidate], key: u64, now: Timestamp) -> Option<BackendId>;

    /// Returns whether a request should rather wait until one of the candidates that are `full` has
    /// room than go to `free`, which [`pick`](Self::pick) has just returned. `waiting` wait, this
    /// one counted if it is one of them. Asked only where backends have limits.
    fn holds(
        &self,
        _candidates: &[Candidate],
        _free: BackendId,
        _waiting: usize,
        _now: Timestamp,
    ) -> bool {
        false
    }

    /// The exchange that a pick led to is over. `candidates` are as they are afterwards.
    fn settled(&mut self, _candidates: &[Candidate], _settlement: &Settlement, _now: Timestamp) {}

    /// Returns what it has learned of a backend, or (`None`) of the pool, for its like in the other
    /// workers. Asked after [`settled`](Self::settled) and [`cleared`](Self::cleared), where several
    /// workers share the pool.
    fn memory(&self, _of: Option<BackendId>) -> Memory {
        Memory::default()
    }

    /// Takes over what its like in another worker has learned of a backend, or (`None`) of the pool;
    /// that one had taken over what this one knew before. Called before [`settled`](Self::settled)
    /// and, for backends, before a pick.
    fn recall(&mut self, _of: Option<BackendId>, _memory: Memory) {}

    /// A backend passed an active check: failures held against it may be forgotten.
    fn cleared(&mut self, _backend: BackendId) {}

    /// Explains how it would rate each live candidate if it had to pick now. Changes nothing and
    /// need not be fast.
    fn explain(&self, candidates: &[Candidate], _key: u64, _now: Timestamp) -> Vec<Rating> {
        rating::rate_without_cost(candidates)
    }

    /// Other workers have picked these candidates, and settled exchanges there, since the last
    /// call. Some of them, or all; before a pick, where several workers share the backends.
    fn refreshed(&mut self, _candidates: &[Candidate]) {}

    /// Backends were added, removed or given another weight. Called once before the first pick.
    fn changed(&mut self, _candidates: &[Candidate], _now: Timestamp) {}
}

/// Items for the command, the benches and the tests.
pub(crate) mod internal {
    pub use super::hashing::{Hashing, Maglev, Ring};
    pub use super::key::key_of;
    pub use super::registry::ENTRIES;
    pub use super::sticky::Sticky;
}
