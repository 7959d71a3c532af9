//! A pool's strategy, changed while it serves.

use super::exchange::key_of_address;
use crate::pool::Pool;
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

impl NewStrategy {
    /// Has a pool of this worker pick by it.
    pub(super) fn apply(&self, pool: &mut Pool, now: Timestamp) {
        let worker = pool.backends.worker() as u64;
        let seed = self.seed ^ worker.wrapping_mul(SPREAD);
        pool.set_strategy(self.spec.build(seed), now);
        if self.forgets {
            pool.backends.forget_times();
        }
    }
}

/// The key of a request in which `text` stands where a strategy looks; `None` if there can be no such
/// request.
pub(crate) fn key_of_text(source: &KeySource, text: &str) -> Option<u64> {
    match source {
        KeySource::ClientAddress => {
            let ip: IpAddr = text.parse().ok()?;
            Some(key_of_address(SocketAddr::new(ip, 0).into()))
        }
        _ => Some(key_of(text.as_bytes())),
    }
}
