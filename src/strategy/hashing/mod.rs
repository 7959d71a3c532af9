//! Hashing: a key always goes to the same backend, while that one has room.
//!
//! *Use it* when a backend keeps something for a client or an object: a session, a cache.
//! *Cost of a pick*: one lookup in a table; when the backend found there may not be picked or is
//! full, one look at every backend.
//!
//! A [`Placement`], [`ring`](Ring) or [`maglev`](Maglev), assigns keys by the names of the backends
//! alone: every balancer with the same backends agrees, and a backend that is removed moves its own
//! keys and (nearly) no others. A bound keeps a popular key from overloading its backend. A request
//! without the key goes to the backend with the fewest exchanges in flight.

mod bound;
mod maglev;
mod ring;
#[cfg(test)]
mod tests;

pub use bound::LoadBound;
pub use maglev::Maglev;
pub use ring::Ring;

use super::least_connections::least;
use super::rating::{rate_in_order, rate_lot};
use super::rng::mix;
use super::{
    BackendId, BuildArgs, Candidate, Entry, KeyKind, KeySource, Rating, Settlement, Strategy,
};
use crate::time::Timestamp;
use bound::Bound;

/// Defines the entry of a hashing strategy.
macro_rules! hashing_entries {
    ($($id:ident = $name:literal, $placement:ident, $key:ident, $help:literal;)*) => {$(
        #[doc = concat!("How the registry lists `", $name, "`.")]
        pub(super) const $id: Entry = Entry {
            name: $name,
            aliases: &[],
            key: KeyKind::$key,
            help: $help,
            cost: <$placement as Placement>::COST,
            nanos: <$placement as Placement>::NANOS,
            build: build::<$placement>,
        };
    )*};
}

hashing_entries! {
    IP_HASH = "ip-hash", Ring, ClientAddress,
        "backends that keep something for a client";
    URI_HASH = "uri-hash", Ring, Target,
        "caches: each object is kept by one backend";
    HEADER_HASH = "header-hash", Ring, Header,
        "a tenant or a user, named by a header field, belongs to a backend";
    COOKIE_HASH = "cookie-hash", Ring, Cookie,
        "a browser session, named by a cookie, belongs to a backend";
    IP_MAGLEV = "ip-maglev", Maglev, ClientAddress,
        "as ip-hash, with evener shares; changes move a few more keys";
    URI_MAGLEV = "uri-maglev", Maglev, Target,
        "as uri-hash, with evener shares; changes move a few more keys";
    HEADER_MAGLEV = "header-maglev", Maglev, Header,
        "as header-hash, with evener shares; changes move a few more keys";
    COOKIE_MAGLEV = "cookie-maglev", Maglev, Cookie,
        "as cookie-hash, with evener shares; changes move a few more keys";
}

/// Steps along the order of a key that are looked at to explain it.
const MAX_STEPS: usize = 16_384;

fn build<P: Placement + 'static>(args: BuildArgs) -> Box<dyn Strategy> {
    Box::new(Hashing::<P>::new(args.name, args.key, args.load_bound))
}

/// Assigns keys to backends.
pub trait Placement: Default + Send {
    /// Cost of a pick from a pool of `n` backends.
    const COST: &'static str;
    /// See [`Entry::nanos`].
    const NANOS: (u32, u32);

    /// Builds the table for the backends that are live.
    fn place(&mut self, candidates: &[Candidate]);

    /// Slots of backends in the order in which to try them for a key; every live backend is among
    /// them, most of them many times. `hash` is the key, already mixed.
    fn walk(&self, hash: u64) -> impl Iterator<Item = usize> + Clone;
}

/// A key always goes to the same backend, while that one has room.
#[derive(Clone, Debug)]
pub struct Hashing<P> {
    name: &'static str,
    key: KeySource,
    placement: P,
    bound: Bound,
}

impl<P: Placement> Hashing<P> {
    /// A strategy called `name` that hashes `key`, with loads bounded by `bound`.
    #[must_use]
    pub fn new(name: &'static str, key: KeySource, bound: LoadBound) -> Self {
        Self {
            name,
            key,
            placement: P::default(),
            bound: Bound::new(bound),
        }
    }
}

impl<P: Placement> Strategy for Hashing<P> {
    fn name(&self) -> &'static str {
        self.name
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

    fn explain(&self, candidates: &[Candidate], key: u64, _: Timestamp) -> Vec<Rating> {
        if key == 0 {
            let chosen: Vec<_> = least(candidates.iter()).map(|c| c.id).into_iter().collect();
            return match chosen.is_empty() {
                true => rate_lot(candidates, |_, _| "passed over".to_owned()),
                false => rate_in_order(candidates, &chosen, |_, candidate| {
                    let count = candidate.in_flight;
                    format!("no key was given, so the least busy is taken: {count} in flight")
                }),
            };
        }
        let walk = self.placement.walk(mix(key));
        let mut order = Vec::new();
        let mut left: Vec<_> = candidates.iter().map(|c| c.live.then_some(c.id)).collect();
        for slot in walk.clone().take(MAX_STEPS) {
            order.extend(left.get_mut(slot).and_then(Option::take));
        }
        let homes = order.clone();
        let chosen = self.bound.first(candidates, walk);
        order.retain(|id| chosen != Some(*id));
        order.splice(0..0, chosen);
        rate_in_order(candidates, &order, |place, candidate| {
            let count = candidate.in_flight;
            match (place, homes.iter().position(|id| *id == candidate.id)) {
                (Some(0), Some(0)) => format!("the key belongs here ({count} in flight)"),
                (Some(0), _) => format!(
                    "those before it in the key's order are out or have more than their share \
                     ({count} in flight here)"
                ),
                (_, Some(0)) => format!(
                    "the key belongs here, but it is out or has more than its share ({count} in \
                     flight)"
                ),
                (_, Some(home)) => format!("would be asked after {home} others of the key's order"),
                (_, None) => "far down the key's order".to_owned(),
            }
        })
    }

    fn settled(&mut self, _: &[Candidate], _: &Settlement, _: Timestamp) {
        self.bound.settled();
    }

    fn changed(&mut self, candidates: &[Candidate], _: Timestamp) {
        self.placement.place(candidates);
        self.bound.weigh(candidates);
    }
}
