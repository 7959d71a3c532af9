//! Backends that come and go: what the proxy does when the membership of a pool changes.
//!
//! The pool decides about its members and vacant slots. Here follow the consequences for
//! connections, exchanges, health checks and heartbeats, and the messages to the other workers. The
//! order matters: a slot is reclaimed only after the idle connections of its last backend are
//! closed and its exchanges are cut off.

use super::network::Network;
use super::{Message, Proxy};
use crate::address::Address;
use crate::error::Fault;
use crate::pool::{Admitted, Moved, NewBackend, NotAdded, PoolId, Relocated, State};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::sync::Arc;

/// Backends that may not be added to any pool.
#[derive(Clone, Debug, Default)]
pub struct MemberRules {
    /// Addresses of lb's own listeners: a backend there would send requests round in circles.
    pub listeners: Vec<Address>,
}

/// A backend as the roster of its pool sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Whether it may be picked.
    pub(crate) is_pickable: bool,
    /// Whether it drains to be removed.
    pub(crate) is_departing: bool,
}

impl<N: Network> Proxy<N> {
    /// Adds a backend, and says under which id. For the first worker.
    ///
    /// # Errors
    /// It may not be added, its name is taken, or there are too many backends.
    pub fn add_backend(
        &mut self,
        pool: PoolId,
        backend: NewBackend,
        now: Timestamp,
    ) -> Result<BackendId, NotAdded> {
        if !self.traffic.pools.is_current(pool) {
            return Err(NotAdded::PoolLeaves);
        }
        self.check_rules(pool, &backend.address, &backend.addresses)?;
        let id = self.traffic.pools.get_mut(pool).admit(&backend, now)?;
        self.start_health_check(id, now);
        let backend = Arc::new(backend);
        self.traffic
            .tell_others(pool, Message::Added(pool, Admitted { id, backend }));
        Ok(id)
    }

    /// Checks whether a backend may be added, but for its name and the room for it.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check_rules(
        &self,
        pool: PoolId,
        address: &str,
        addresses: &[Address],
    ) -> Result<(), NotAdded> {
        let address = || address.to_owned();
        let is_own = |to: &Address| {
            let mut listeners = self.rules.listeners.iter();
            listeners.any(|listener| self.traffic.network.reaches(to, listener))
        };
        if addresses.iter().any(is_own) {
            return Err(NotAdded::OwnAddress(address()));
        }
        let is_unix = |to: &Address| matches!(to, Address::Unix(_));
        if self.health_checks.pings(pool) && addresses.iter().any(is_unix) {
            return Err(NotAdded::CannotBePinged(address()));
        }
        Ok(())
    }

    /// Tells where a backend is now. Its exchanges finish where they are, and no connection to an
    /// address that it has left is used again. Returns whether there is such a backend. For the
    /// first worker.
    ///
    /// # Errors
    /// It may not be there.
    pub(crate) fn move_backend(&mut self, moved: Moved, now: Timestamp) -> Result<bool, NotAdded> {
        let (pool, backend) = (moved.backend.pool(), moved.backend);
        if !self.traffic.pools.is_current(pool) {
            return Ok(false);
        }
        self.check_rules(pool, &moved.address, &moved.addresses)?;
        if !self.moved(pool, &moved) {
            return Ok(false);
        }
        self.health_checks.forget(backend);
        self.start_health_check(backend, now);
        self.traffic
            .tell_others(pool, Message::Moved(pool, Arc::new(moved)));
        Ok(true)
    }

    /// Does what follows in every worker from the move of a backend. Returns whether there is such
    /// a backend.
    pub(super) fn moved(&mut self, pool: PoolId, moved: &Moved) -> bool {
        let left = match self.traffic.pools.get_mut(pool).move_backend(moved) {
            Relocated::Unknown => return false,
            Relocated::Stays => return true,
            Relocated::Left(idle) => idle,
        };
        for conn in left {
            self.traffic.close_backend(conn);
        }
        for conn in self.traffic.conns.backends.ids() {
            let conn = self.traffic.conns.backends.get_mut(conn);
            if let Some(conn) = conn.filter(|conn| conn.backend == moved.backend) {
                conn.disown();
            }
        }
        true
    }

    /// Does what follows in every worker from the removal of a backend.
    pub(super) fn removed(&mut self, pool: PoolId, backend: BackendId, now: Timestamp) {
        for conn in self.traffic.pools.get_mut(pool).forget(backend) {
            self.traffic.close_backend(conn);
        }
        self.cut_off(pool, backend, now);
        self.health_checks.forget(backend);
        self.heartbeats.forget(backend);
    }

    /// Ends the exchanges at a backend that was removed before they were over. Those that may be
    /// repeated go elsewhere.
    fn cut_off(&mut self, pool: PoolId, backend: BackendId, now: Timestamp) {
        if !self.traffic.pools.get(pool).backends.has_in_flight(backend) {
            return;
        }
        for id in self.traffic.conns.exchanges.ids() {
            let exchange = self.traffic.conns.exchanges.get(id);
            if exchange.is_some_and(|it| it.pool == pool && it.backend() == Some(backend)) {
                self.traffic.fail(id, Fault::BackendGone, now);
            }
        }
    }

    /// Vacates the slots of removed backends, or tells the first worker that this one has let go
    /// of them.
    pub(super) fn reclaim(&mut self, pool: PoolId) {
        let backends = &mut self.traffic.pools.get_mut(pool).backends;
        let is_first = backends.decides();
        for backend in backends.reclaim() {
            self.traffic.log.metrics.forget(backend);
            if !is_first {
                self.traffic
                    .tell_others(pool, Message::LetGo(pool, backend));
            }
        }
    }
}

/// For the admin interface.
impl<N: Network> Proxy<N> {
    /// The id of the pool with this name.
    pub(crate) fn pool_id(&self, name: &str) -> Option<PoolId> {
        let mut ids = self.traffic.pools.ids();
        ids.find(|id| {
            self.traffic.pools.get(*id).name == name && self.traffic.pools.is_current(*id)
        })
    }

    /// All pools, by id.
    pub(crate) fn pool_names(&self) -> impl Iterator<Item = (PoolId, &str)> {
        let ids = self.traffic.pools.ids();
        ids.map(|id| (id, self.traffic.pools.get(id).name.as_str()))
    }

    /// The id of the backend with this name.
    pub(crate) fn backend_id(&self, pool: PoolId, name: &str) -> Option<BackendId> {
        self.traffic.pools.get(pool).backends.find(name)
    }

    /// Returns whether a backend drains to be removed.
    pub(crate) fn is_departing(&self, pool: PoolId, name: &str) -> bool {
        let backends = &self.traffic.pools.get(pool).backends;
        let id = backends.find(name);
        id.is_some_and(|id| backends.is_departing(id))
    }

    /// The name of a backend within its pool.
    pub(crate) fn backend_name(&self, id: BackendId) -> Option<&str> {
        self.traffic.pools.get(id.pool()).backends.name(id)
    }

    /// The weight of a backend.
    pub(crate) fn weight(&self, id: BackendId) -> u32 {
        let candidates = self.traffic.pools.get(id.pool()).backends.candidates();
        candidates.get(id.slot()).map_or(0, |it| it.weight)
    }

    /// Where in its life a backend is.
    pub(crate) fn backend_state(&self, id: BackendId) -> Option<State> {
        self.traffic.pools.get(id.pool()).backends.state(id)
    }

    /// The name of a backend within its pool, as a change of its state has it.
    pub(crate) fn plain_name<'a>(&self, id: BackendId, name: &'a str) -> &'a str {
        let pool = self.traffic.pools.name(id.pool());
        let plain = pool.and_then(|pool| name.strip_prefix(pool)?.strip_prefix('/'));
        plain.unwrap_or(name)
    }

    /// Backends that can be added now.
    pub(crate) fn free_slots(&self, pool: PoolId) -> usize {
        self.traffic.pools.get(pool).backends.free_slots()
    }

    /// The backends of a pool as its roster sees them.
    pub(crate) fn known(&self, pool: PoolId) -> Vec<Known> {
        let backends = &self.traffic.pools.get(pool).backends;
        let live = backends.candidates().iter().filter(|c| c.live);
        let known = |id| Known {
            name: backends.name(id).unwrap_or_default().to_owned(),
            address: backends.address(id).unwrap_or_default().to_owned(),
            is_pickable: backends.is_open(id),
            is_departing: backends.is_departing(id),
        };
        live.map(|candidate| known(candidate.id)).collect()
    }

    /// The state of each backend of a pool, in one word, by name.
    pub(crate) fn states(&self, pool: PoolId) -> Vec<(String, &'static str)> {
        let backends = &self.traffic.pools.get(pool).backends;
        let live = backends.candidates().iter().filter(|c| c.live);
        let state = |id| backends.state(id).map_or("removed", State::word);
        let name = |id| backends.name(id).unwrap_or_default().to_owned();
        live.map(|c| (name(c.id), state(c.id))).collect()
    }
}
