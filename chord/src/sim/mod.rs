//! A deterministic simulator: many hosts of the real core, a virtual clock, and a network that loses,
//! delays, reorders, duplicates and splits.
//!
//! The same seed gives the same run, datagram by datagram. It knows nothing of how a node works: it
//! hands bytes to [`Host`]s, as the shell does, and looks at their snapshots afterwards.

pub mod check;
pub mod figures;
pub mod scenario;
mod svg;
pub mod world;

pub use world::{Answer, Network, World};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[cfg(doc)]
use crate::Host;

/// Choices that a seed decides.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The choices of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u128;
        ((u128::from(self.next_u64()) * bound) >> 64) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time until the next event of a Poisson process, in its mean times.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len());
        from.get(at)
    }

    /// 32 bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}
