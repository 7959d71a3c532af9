//! A proxy goes on with another configuration.
//!
//! What comes here is checked and complete, so that nothing can fail: it is applied at once,
//! between two turns. New pools come first, as listeners lead to them. A pool that leaves keeps
//! its backends, checks and queue until no exchange is in it in any worker, so that what waits in
//! its queue is served as well; only then it is [vacated](Proxy::vacate).

use super::health_checks::see_hangs;
use super::listener::Listener;
use super::listeners::Replaced;
use super::network::Network;
use super::{Proxy, RequestIds};
use crate::address::Address;
use crate::config::Health;
use crate::http::HeadParser;
use crate::pool::{Pool, PoolId, PoolRenewal};
use crate::telemetry::{AccessLog, AccessLogOptions};
use crate::time::Timestamp;
use std::time::Duration;

/// What a proxy goes on with.
pub struct Renewal {
    /// Pools that are new, each with the settings of its health checks.
    pub new_pools: Vec<(PoolId, Pool, Health)>,
    /// The settings of the pools that stay, each with those of its health checks, if these change.
    pub pools: Vec<(PoolRenewal, Option<Health>)>,
    /// Pools that are no more in the configuration.
    pub leaving: Vec<PoolId>,
    /// Every listener, by number: those that stay, with their settings, and those that are new.
    pub listeners: Vec<(u16, Listener)>,
    /// Listeners that are removed, by number.
    pub closing: Vec<u16>,
    /// Reads request and response heads.
    pub parser: HeadParser,
    /// Names requests, if it did not before and now some are to be named.
    pub request_ids: Option<RequestIds>,
    /// Addresses of lb's own listeners.
    pub own_addresses: Vec<Address>,
    /// What is written of the access log.
    pub access_log: AccessLogOptions,
}

/// Which configuration a proxy runs by.
#[derive(Debug)]
pub(super) struct Generation {
    number: u64,
    /// When it was loaded, since the Unix epoch; `None` for the first.
    loaded_at: Option<Duration>,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            number: 1,
            loaded_at: None,
        }
    }
}

impl Generation {
    /// Its number, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// When it was loaded, since the Unix epoch; `None` for the first.
    pub(super) const fn loaded_at(&self) -> Option<Duration> {
        self.loaded_at
    }

    fn next(&mut self, wall: Duration) {
        self.number += 1;
        self.loaded_at = Some(wall);
    }
}

impl<N: Network> Proxy<N> {
    /// Goes on with another configuration.
    pub fn renew(&mut self, new: Renewal, now: Timestamp) {
        self.traffic.codec.parser = new.parser;
        if let Some(ids) = new.request_ids {
            self.traffic.codec.request_ids.get_or_insert(ids);
        }
        self.rules.listeners = new.own_addresses;
        self.traffic
            .log
            .set_access_log(AccessLog::new(new.access_log));
        for (id, pool, health) in new.new_pools {
            self.add_pool(id, pool, health, now);
        }
        for (number, listener) in new.listeners {
            if let Some(Replaced { old, new }) = self.listeners.put(number, listener) {
                self.traffic.supersede(old, &new, now);
            }
        }
        for number in new.closing {
            if let Some(Replaced { old, new }) = self.listeners.close(number) {
                self.traffic.supersede(old, &new, now);
            }
        }
        for (pool, health) in new.pools {
            self.renew_pool(pool, health, now);
        }
        for pool in new.leaving {
            self.traffic.pools.leave(pool);
        }
        self.generation.next(self.traffic.log.wall_clock(now));
    }

    fn add_pool(&mut self, id: PoolId, mut pool: Pool, health: Health, now: Timestamp) {
        if see_hangs(&health, &self.listeners) {
            pool.detect_hangs(health.interval, now);
        }
        let ids: Vec<_> = pool.backends.candidates().iter().map(|c| c.id).collect();
        self.health_checks.set(id, health);
        if self.traffic.pools.place(id, pool) {
            let limits = self.listeners.head_limits();
            for backend in ids {
                self.health_checks
                    .start(backend, &mut self.traffic, limits, now);
            }
        }
    }

    fn renew_pool(&mut self, mut new: PoolRenewal, health: Option<Health>, now: Timestamp) {
        let id = new.id;
        let current = health.as_ref().or_else(|| self.health_checks.of(id));
        new.detects_hangs = current
            .filter(|health| see_hangs(health, &self.listeners))
            .map(|health| health.interval);
        let pool = self.traffic.pools.get_mut(id);
        let moved: Vec<_> = new.moved.iter().map(|(name, _)| name.clone()).collect();
        let host = pool.connect.host.clone();
        let idle = pool.renew(new, now);
        let checks_differ = health.is_some() || host != pool.connect.host;
        let backends = &self.traffic.pools.get(id).backends;
        let live = backends.candidates().iter().filter(|c| c.live);
        let is_moved = |id| {
            backends
                .name(id)
                .is_some_and(|name| moved.iter().any(|it| it == name))
        };
        let recheck: Vec<_> = live
            .map(|c| c.id)
            .filter(|id| checks_differ || is_moved(*id))
            .collect();
        for conn in idle {
            self.traffic.close_backend(conn);
        }
        if let Some(health) = health {
            self.health_checks.set(id, health);
        }
        let limits = self.listeners.head_limits();
        for backend in recheck {
            self.health_checks
                .restart(backend, &mut self.traffic, limits, now);
        }
    }
}

/// The end of what has left.
impl<N: Network> Proxy<N> {
    /// Exchanges of this worker in each of these pools.
    pub(crate) fn exchanges_in(&self, pools: &[PoolId]) -> Vec<usize> {
        let count = |pool: &PoolId| {
            let exchanges = self.traffic.conns.exchanges.iter();
            exchanges.filter(|(_, it)| it.pool == *pool).count()
        };
        pools.iter().map(count).collect()
    }

    /// Nothing comes by these listeners any more.
    pub(crate) fn drop_listeners(&mut self, numbers: &[u16]) {
        for number in numbers {
            if let Some(listener) = self.listeners.take_closed(*number) {
                self.traffic.unlist(listener);
            }
        }
    }

    /// Lets go of pools that have left and in which no exchange is, in any worker.
    pub(crate) fn vacate(&mut self, pools: &[PoolId]) {
        for id in pools {
            let backends = self.traffic.pools.get(*id).backends.candidates().iter();
            for backend in backends.map(|c| c.id).collect::<Vec<_>>() {
                for conn in self.traffic.pools.get_mut(*id).forget(backend) {
                    self.traffic.close_backend(conn);
                }
                self.health_checks.forget(backend);
                self.heartbeats.forget(backend);
                self.traffic.log.metrics.forget(backend);
            }
            self.traffic.log.metrics.forget_pool(*id);
            drop(self.traffic.pools.vacate(*id));
        }
    }
}
