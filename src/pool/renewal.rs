//! New settings for a pool that goes on: its backends, what is in flight and what was learned stay.

use super::{Backends, ConnectSpec, EjectionPolicy, Pool, PoolId, PoolLimits, PoolStanding};
use crate::address::Address;
use crate::ids::BackendConnId;
use crate::strategy::{BackendId, RoundRobin, Sticky, Strategy};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// The cookie of a pool, from which each backend gets its value.
#[derive(Clone, Debug)]
pub struct AffinitySpec {
    /// Its name.
    pub cookie: String,
    /// Keys the values.
    pub secret: Vec<u8>,
    /// Its attributes for clients that came by http, and by https.
    pub attributes: [String; 2],
}

impl AffinitySpec {
    /// Gives each backend its value of the cookie.
    #[must_use]
    pub fn bind(self, backends: &Backends) -> Sticky {
        let live = backends.candidates().iter().filter(|c| c.live);
        let named = live.map(|c| (c.id, backends.name(c.id).unwrap_or_default()));
        let sticky = Sticky::new(&self.cookie, &self.secret, named);
        sticky.with_attributes(self.attributes)
    }
}

/// The settings of a pool that goes on.
pub struct PoolRenewal {
    /// The pool.
    pub id: PoolId,
    /// Another strategy; `None`: it keeps its own, with what that has learned.
    pub strategy: Option<Box<dyn Strategy>>,
    /// When backends are ejected.
    pub policy: EjectionPolicy,
    /// Limits on waiting, kept and retried exchanges.
    pub limits: PoolLimits,
    /// Exchanges that each backend with a limit of its own is given at once, by name.
    pub own_limits: HashMap<String, u32>,
    /// True if it learns how many exchanges backends work on at once.
    pub learns_limit: bool,
    /// Another cookie, or none any more; `None`: it stays.
    pub affinity: Option<Option<AffinitySpec>>,
    /// The `Host` sent to backends; `None`: the client's own.
    pub host: Option<String>,
    /// The interval of the health checks that tell hanging backends from busy ones, if they do.
    pub detects_hangs: Option<Duration>,
    /// Backends whose name is at other addresses now.
    pub moved: Vec<(String, Vec<Address>)>,
}

impl Pool {
    /// What is left where a pool was: it has no backends, and nothing comes to it.
    pub(super) fn gone(id: PoolId) -> Self {
        let strategy = Box::new(RoundRobin::default());
        let limits = PoolLimits::default();
        let backends = Backends::of_pool(id, [], strategy, 0);
        let mut pool = Self::new(backends, None, ConnectSpec::default(), limits).named("");
        pool.standing = PoolStanding::Gone;
        pool
    }

    /// Picks by another strategy from now on.
    pub(crate) fn set_strategy(&mut self, strategy: Box<dyn Strategy>, now: Timestamp) {
        self.key_source = strategy.key_source();
        self.backends.set_strategy(strategy, now);
    }

    /// Goes on with other settings. Returns the idle connections to backends that are at other
    /// addresses now, to be closed.
    pub(crate) fn renew(&mut self, new: PoolRenewal, now: Timestamp) -> Vec<BackendConnId> {
        if let Some(strategy) = new.strategy {
            self.set_strategy(strategy, now);
        }
        self.backends.set_policy(new.policy);
        self.connect.host = new.host;
        match new.detects_hangs {
            Some(interval) => self.detect_hangs(interval, now),
            None => self.hangs = super::HangDetector::default(),
        }
        if let Some(affinity) = new.affinity {
            self.affinity = affinity.map(|spec| spec.bind(&self.backends));
        }
        let default = self.limits.backend_max_in_flight;
        self.limits = new.limits;
        self.backends.learn_late_binding_if(new.learns_limit, now);
        if default != self.limits.backend_max_in_flight {
            self.limit_all(default, &new.own_limits);
        }
        let moved = new.moved.into_iter();
        moved
            .flat_map(|(name, addresses)| self.relocate(&name, addresses))
            .collect()
    }

    /// Gives the backends that were held to the pool's limit, not to one of their own, the present
    /// one.
    fn limit_all(&mut self, before: Option<u32>, own: &HashMap<String, u32>) {
        let live = self.backends.candidates().iter().filter(|c| c.live);
        let ids: Vec<BackendId> = live.map(|c| c.id).collect();
        for id in ids {
            let name = self.backends.name(id).unwrap_or_default();
            let is_of_pool = !own.contains_key(name) && self.backends.own_limit(id) == before;
            if is_of_pool {
                self.limit(id, None);
            }
        }
    }

    /// A backend is at other addresses. Returns its idle connections.
    fn relocate(&mut self, name: &str, addresses: Vec<Address>) -> Vec<BackendConnId> {
        let Some(id) = self.backends.find(name) else {
            return Vec::new();
        };
        self.connect.place(id, addresses);
        self.idle.of(id)
    }
}
