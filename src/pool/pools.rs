//! The pools of a proxy, by id, while they come and go.
//!
//! An id is the place of a pool, so that finding one costs an index. A pool that leaves keeps its
//! place until nothing refers to it; then the place is vacant for another. The ids of the backends
//! of the two differ by their generations.

use super::{Pool, PoolId, PoolStanding, State};
use crate::strategy::{BackendId, KeySource};
use std::borrow::Cow;

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

/// The pools of a proxy, by id. There is at least one.
pub struct Pools {
    first: Pool,
    others: Vec<Pool>,
    /// True if there are more than one that are not gone.
    has_several: bool,
}

impl Pools {
    /// One pool, [`PoolId::FIRST`].
    #[must_use]
    pub const fn new(first: Pool) -> Self {
        Self {
            first,
            others: Vec::new(),
            has_several: false,
        }
    }

    /// Adds a pool, with the next id.
    pub fn push(&mut self, pool: Pool) {
        self.others.push(pool);
        self.count();
    }

    /// Puts a pool where its id says: in place of one that is gone, or behind all others. Returns
    /// whether that is its place.
    pub(crate) fn place(&mut self, id: PoolId, pool: Pool) -> bool {
        let last = self.others.len();
        match id.number().checked_sub(1).map(usize::from) {
            None if self.first.standing == PoolStanding::Gone => self.first = pool,
            Some(index) if index == last => self.others.push(pool),
            Some(index) => match self.others.get_mut(index) {
                Some(old) if old.standing == PoolStanding::Gone => *old = pool,
                Some(_) | None => return false,
            },
            None => return false,
        }
        self.count();
        true
    }

    /// A pool is no more in the configuration. It gets a name that no other can have, for what is
    /// told of it while its exchanges finish.
    pub(crate) fn leave(&mut self, id: PoolId) {
        let pool = self.get_mut(id);
        if pool.standing == PoolStanding::Current {
            pool.standing = PoolStanding::Leaving;
            pool.name = format!("{}~{}", pool.name, id.number());
        }
    }

    /// Nothing is left of a pool: returns it.
    pub(crate) fn vacate(&mut self, id: PoolId) -> Pool {
        let gone = std::mem::replace(self.get_mut(id), Pool::gone(id));
        self.count();
        gone
    }

    fn count(&mut self) {
        let several = self.present().nth(1).is_some();
        self.has_several = several;
    }

    /// Returns whether new exchanges may come to a pool.
    pub(crate) fn is_current(&self, id: PoolId) -> bool {
        self.get(id).standing == PoolStanding::Current && self.holds(id)
    }

    /// Returns whether there is a pool of this id, or was.
    pub(crate) fn holds(&self, id: PoolId) -> bool {
        usize::from(id.number()) <= self.others.len()
    }

    /// Returns whether any pool is so. Most have one, and chained iterators test for that at each
    /// step.
    #[inline]
    pub(crate) fn any(&self, is_so: impl Fn(&Pool) -> bool) -> bool {
        is_so(&self.first) || self.others.iter().any(is_so)
    }

    /// All places, in the order of their ids: those included where a pool is gone, which has no
    /// backends.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pool> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The pools that are not gone, with their ids.
    pub(crate) fn present(&self) -> impl Iterator<Item = (PoolId, &Pool)> {
        let all = (0..).map(PoolId::new).zip(self.iter());
        all.filter(|(_, pool)| pool.standing != PoolStanding::Gone)
    }

    /// The name of a backend behind that of its pool, where there are several pools.
    pub(crate) fn qualified<'a>(&self, pool: PoolId, backend: &'a str) -> Cow<'a, str> {
        match self.has_several {
            false => backend.into(),
            true => format!("{}/{backend}", self.get(pool).name).into(),
        }
    }

    /// The name of a pool, where there are several.
    pub(crate) fn name(&self, pool: PoolId) -> Option<&str> {
        self.has_several.then(|| self.get(pool).name.as_str())
    }

    /// The backend of this name, or of this name behind that of its pool, as in `web/10.0.0.1:80`.
    /// `None` if there is none, or one in several pools.
    pub(crate) fn find(&self, name: &str) -> Option<BackendId> {
        if let Some((pool, backend)) = name.split_once('/')
            && let Some(pool) = self.iter().find(|one| one.name == pool)
        {
            return pool.backends.find(backend);
        }
        let mut found = self.iter().filter_map(|pool| pool.backends.find(name));
        found.next().filter(|_| found.next().is_none())
    }

    /// The ids of all places.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PoolId> + use<> {
        (0..self.others.len() as u16 + 1).map(PoolId::new)
    }

    /// The first pool.
    #[cfg(test)]
    pub(crate) const fn first(&self) -> &Pool {
        &self.first
    }

    /// The pool with this id. Ids are given by the same configuration as the pools, so there is
    /// one; if there were none, the first would serve.
    #[inline]
    pub(crate) fn get(&self, id: PoolId) -> &Pool {
        match id.number().checked_sub(1) {
            None => &self.first,
            Some(index) => self.others.get(usize::from(index)).unwrap_or(&self.first),
        }
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: PoolId) -> &mut Pool {
        let other = id.number().checked_sub(1).map(usize::from);
        match other.and_then(|index| self.others.get_mut(index)) {
            None => &mut self.first,
            Some(other) => other,
        }
    }
}

/// What is asked about pools and their backends. Nothing here changes them.
impl Pools {
    /// The id of the pool with this name.
    pub(crate) fn pool_id(&self, name: &str) -> Option<PoolId> {
        let mut ids = self.ids();
        ids.find(|id| self.get(*id).name == name && self.is_current(*id))
    }

    /// All pools, by id.
    pub(crate) fn pool_names(&self) -> impl Iterator<Item = (PoolId, &str)> {
        self.ids().map(|id| (id, self.get(id).name.as_str()))
    }

    /// The name of a pool's strategy, and the part of a request it wants as a key.
    pub(crate) fn strategy_of(&self, pool: PoolId) -> (&'static str, &KeySource) {
        let pool = self.get(pool);
        (pool.backends.strategy().name(), &pool.key_source)
    }

    /// The id of the backend with this name.
    pub(crate) fn backend_id(&self, pool: PoolId, name: &str) -> Option<BackendId> {
        self.get(pool).backends.find(name)
    }

    /// Returns whether a backend drains to be removed.
    pub(crate) fn is_departing(&self, pool: PoolId, name: &str) -> bool {
        let backends = &self.get(pool).backends;
        let id = backends.find(name);
        id.is_some_and(|id| backends.is_departing(id))
    }

    /// The name of a backend within its pool.
    pub(crate) fn backend_name(&self, id: BackendId) -> Option<&str> {
        self.get(id.pool()).backends.name(id)
    }

    /// The weight of a backend.
    pub(crate) fn weight(&self, id: BackendId) -> u32 {
        let candidates = self.get(id.pool()).backends.candidates();
        candidates.get(id.slot()).map_or(0, |it| it.weight)
    }

    /// The backends of all pools, in the order of a snapshot.
    pub(crate) fn backend_ids(&self) -> Vec<BackendId> {
        let candidates = self.iter().flat_map(|pool| pool.backends.candidates());
        let live = candidates.filter(|candidate| candidate.live);
        live.map(|candidate| candidate.id).collect()
    }

    /// Where in its life a backend is.
    pub(crate) fn backend_state(&self, id: BackendId) -> Option<State> {
        self.get(id.pool()).backends.state(id)
    }

    /// The name of a backend within its pool, as a change of its state has it.
    pub(crate) fn plain_name<'a>(&self, id: BackendId, name: &'a str) -> &'a str {
        let pool = self.name(id.pool());
        let plain = pool.and_then(|pool| name.strip_prefix(pool)?.strip_prefix('/'));
        plain.unwrap_or(name)
    }

    /// Backends that can be added now.
    pub(crate) fn free_slots(&self, pool: PoolId) -> usize {
        self.get(pool).backends.free_slots()
    }

    /// The backends of a pool as its roster sees them.
    pub(crate) fn known(&self, pool: PoolId) -> Vec<Known> {
        let backends = &self.get(pool).backends;
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
        let backends = &self.get(pool).backends;
        let live = backends.candidates().iter().filter(|c| c.live);
        let state = |id| backends.state(id).map_or("removed", State::word);
        let name = |id| backends.name(id).unwrap_or_default().to_owned();
        live.map(|c| (name(c.id), state(c.id))).collect()
    }
}
