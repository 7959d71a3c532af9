//! A pool's strategy, changed while it serves: in the worker that is told, and in all others.

use super::exchange::key_of_address;
use super::network::Network;
use super::{Message, Proxy};
use crate::config::Mode;
use crate::pool::PoolId;
use crate::strategy::{KeySource, StrategySpec, key_of};
use crate::time::Timestamp;
use std::net::{IpAddr, SocketAddr};

/// Tells the seeds of the workers apart, which would draw alike otherwise: the golden ratio of 64 bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A strategy to pick by from now on.
#[derive(Clone, Debug)]
pub struct NewStrategy {
    /// Which one.
    pub spec: StrategySpec,
    /// Decides the random choices of the first worker, and from it those of the others.
    pub seed: u64,
    /// Whether the pool forgets what it knows of response times, besides the strategy.
    pub forgets: bool,
}

impl<N: Network> Proxy<N> {
    /// Picks by another strategy from now on, in all workers. For the first.
    pub(crate) fn set_strategy(&mut self, pool: PoolId, strategy: NewStrategy, now: Timestamp) {
        self.follow_strategy(pool, &strategy, now);
        self.traffic
            .tell_others(pool, Message::Steered(pool, strategy));
    }

    /// The same in this worker alone.
    pub(super) fn follow_strategy(&mut self, pool: PoolId, new: &NewStrategy, now: Timestamp) {
        let pool = self.traffic.pools.get_mut(pool);
        let worker = pool.backends.worker() as u64;
        let seed = new.seed ^ worker.wrapping_mul(SPREAD);
        pool.set_strategy(new.spec.build(seed), now);
        if new.forgets {
            pool.backends.forget_times();
        }
    }

    /// The name of a pool's strategy, and the part of a request it wants as a key.
    pub(crate) fn strategy_of(&self, pool: PoolId) -> (&'static str, &KeySource) {
        let pool = self.traffic.pools.get(pool);
        (pool.backends.strategy().name(), &pool.key_source)
    }

    /// Whether connections are balanced byte for byte by this pool.
    pub(crate) fn serves_tcp(&self, pool: PoolId) -> bool {
        let mut listeners = self.listeners.iter().flatten();
        listeners.any(|it| it.mode == Mode::Tcp && it.pool == pool)
    }

    /// The key of a request in which `text` stands where the strategy of a pool looks; `None` if there
    /// can be no such request.
    pub(crate) fn key_of(&self, pool: PoolId, text: &str) -> Option<u64> {
        match self.traffic.pools.get(pool).key_source {
            KeySource::ClientAddress => {
                let ip: IpAddr = text.parse().ok()?;
                Some(key_of_address(SocketAddr::new(ip, 0).into()))
            }
            _ => Some(key_of(text.as_bytes())),
        }
    }
}
