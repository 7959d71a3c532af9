//! Hashing: a key always goes to the same backend, while that one has room.
//!
//! *Use it* when a backend keeps something for a client or an object: a session, a cache.
//! *Cost of a pick*: one lookup in a table; when the backend found there may not be picked or is
//! full, one look at every backend.
//!
//! Where a key belongs is decided by a [`Placement`], [`ring`](Ring) or [`maglev`](Maglev), from
//! the names of the backends alone: every balancer with the same backends agrees, and a backend
//! that is removed moves its own keys and (nearly) no others. A bound keeps a popular key from
//! drowning its backend. A request without the key goes where the fewest are in flight.

mod bound;
mod maglev;
mod ring;
#[cfg(test)]
mod tests;

pub use bound::LoadBound;
pub use maglev::Maglev;
pub use ring::Ring;

use super::kind::{Table, hashing_name};
use super::least_connections::least;
use super::rng::mix;
use super::{BackendId, Candidate, KeySource, Settlement, Strategy};
use crate::time::Timestamp;
use bound::Bound;

/// Where keys belong.
pub trait Placement: Default + Send {
    /// What it is called.
    const TABLE: Table;

    /// Builds the table for the backends that are live.
    fn place(&mut self, candidates: &[Candidate]);

    /// Slots of backends in the order in which they are to be tried for a key, over and over;
    /// every live backend is among them. `hash` is the key, already mixed.
    fn walk(&self, hash: u64) -> impl Iterator<Item = usize> + Clone;
}

/// A key always goes to the same backend, while that one has room.
#[derive(Clone, Debug)]
pub struct Hashing<P> {
    key: KeySource,
    placement: P,
    bound: Bound,
}

impl<P: Placement> Hashing<P> {
    /// Hashes `key`, with loads bounded by `bound`.
    #[must_use]
    pub fn new(key: KeySource, bound: LoadBound) -> Self {
        Self {
            key,
            placement: P::default(),
            bound: Bound::new(bound),
        }
    }
}

impl<P: Placement> Strategy for Hashing<P> {
    fn name(&self) -> &'static str {
        hashing_name(P::TABLE, &self.key)
    }

    fn key_source(&self) -> KeySource {
        self.key.clone()
    }

    fn pick(&mut self, candidates: &[Candidate], key: u64, _: Timestamp) -> Option<BackendId> {
        let chosen = match key {
            0 => least(candidates.iter()).map(|candidate| candidate.id),
            _ => self.bound.first(candidates, self.placement.walk(mix(key))),
        };
        self.bound.dispatched(chosen.is_some());
        chosen
    }

    fn settled(&mut self, _: &[Candidate], _: &Settlement, _: Timestamp) {
        self.bound.settled();
    }

    fn changed(&mut self, candidates: &[Candidate], _: Timestamp) {
        self.placement.place(candidates);
        self.bound.weigh(candidates);
    }
}
