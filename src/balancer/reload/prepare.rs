//! Makes everything that a reload needs before anything changes: addresses are resolved and bound,
//! and the parts of each worker made.

use super::Reloader;
use super::plan::{ListenerPlan, Plan, PoolChange, PoolDifference};
use crate::address::Address;
use crate::balancer::blueprint::{Blueprint, BoundListener, PoolPlan, specs};
use crate::balancer::secured;
use crate::config::{BackendSpec, Config};
use crate::ids::PoolId;
use crate::net::{self, BindError, Listener, seed};
use crate::pool::{Entrance, NewBackend, PoolRenewal};
use crate::proxy::Renewal;
use crate::shared::{SharedLoad, SharedQueue};
use crate::worker::{BackendChange, FirstReload, WorkerReload};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Everything that is needed to go on with another configuration.
pub(super) struct Prepared {
    pub(super) blueprint: Blueprint,
    /// Of each worker.
    pub(super) workers: Vec<WorkerReload>,
}

/// Returns whether a backend is wanted, but not part of the configuration in effect: its name could
/// not be resolved then.
pub(super) fn is_absent(blueprint: &Blueprint, pool: PoolId, backend: &BackendSpec) -> bool {
    let has = |config: &Config| {
        let pool = config.pool(pool);
        pool.is_some_and(|pool| {
            pool.backends()
                .iter()
                .any(|it| it.address == backend.address)
        })
    };
    has(&blueprint.declared) && !has(&blueprint.config)
}

impl Reloader {
    /// # Errors
    /// What is wrong with `config`, one line each.
    pub(super) fn prepare(&self, config: Config, plan: &Plan) -> Result<Prepared, Vec<String>> {
        let mut errors: Vec<BindError> = Vec::new();
        let (present, addresses) = self.resolve(&config, &mut errors);
        let (bound, mut sockets) = self.bind(&config, plan, &mut errors);
        let before = Some((&self.blueprint.config, &self.blueprint.servers));
        let servers = secured::servers(&config, before).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        let mut pools_before = self.blueprint.pools_before.clone();
        for ((id, _), change) in present.pool_ids().zip(&plan.pools) {
            let number = usize::from(id.number());
            if number >= pools_before.len() {
                pools_before.resize(number + 1, 0);
            }
            if let (PoolChange::New, Some(before)) = (change, pools_before.get_mut(number)) {
                *before = before.wrapping_add(1);
            }
        }
        let blueprint = Blueprint {
            config: present,
            declared: config,
            workers: self.blueprint.workers,
            addresses,
            bound,
            admin: self.blueprint.admin.clone(),
            servers,
            pools_before,
            fixed: self.blueprint.fixed.clone(),
        };
        let own = blueprint.own_addresses();
        for (pool, addresses) in blueprint.config.pools().iter().zip(&blueprint.addresses) {
            let allowed = net::allow_check(pool.health().check, addresses);
            let others = net::refuse_own_address(pool, addresses, &own);
            errors.extend(allowed.err().into_iter().chain(others.err()));
        }
        if !errors.is_empty() {
            return Err(errors.iter().map(ToString::to_string).collect());
        }
        let workers = self.workers(&blueprint, plan, &mut sockets);
        Ok(Prepared { blueprint, workers })
    }

    /// Resolves all names anew. A backend that is in effect keeps its addresses if its name cannot
    /// be resolved now, and one that waits to be resolved waits on; a new name must be resolved.
    fn resolve(
        &self,
        config: &Config,
        errors: &mut Vec<BindError>,
    ) -> (Config, Vec<Vec<Vec<Address>>>) {
        let mut present = config.clone();
        let ids: Vec<PoolId> = config.pool_ids().map(|(id, _)| id).collect();
        let mut addresses = Vec::new();
        for (id, pool) in ids.into_iter().zip(present.pools_mut()) {
            let mut found = Vec::new();
            pool.retain_backends(|backend| match net::resolve(&backend.address) {
                Ok(all) => {
                    let is_waiting = self.is_late(id, backend);
                    if !is_waiting {
                        found.push(all);
                    }
                    !is_waiting
                }
                Err(error) => match self.known_addresses(id, backend) {
                    Some(all) => {
                        found.push(all);
                        true
                    }
                    None => {
                        if !self.is_late(id, backend) {
                            errors.push(error);
                        }
                        false
                    }
                },
            });
            addresses.push(found);
        }
        (present, addresses)
    }

    /// Returns whether a backend of the file still waits for its name to be resolved.
    fn is_late(&self, pool: PoolId, backend: &BackendSpec) -> bool {
        is_absent(&self.blueprint, pool, backend) && self.waiting.addresses(pool, backend).is_none()
    }

    /// The addresses of a backend that is in effect.
    fn known_addresses(&self, pool: PoolId, backend: &BackendSpec) -> Option<Vec<Address>> {
        self.configured_addresses(pool, backend)
            .or_else(|| self.waiting.addresses(pool, backend))
    }

    /// The same of one that did not join later.
    fn configured_addresses(&self, pool: PoolId, backend: &BackendSpec) -> Option<Vec<Address>> {
        let pools = self
            .blueprint
            .config
            .pool_ids()
            .zip(&self.blueprint.addresses);
        let mut of_pool = pools.filter(|((id, _), _)| *id == pool);
        let ((_, known), addresses) = of_pool.next()?;
        let mut backends = known.backends().iter().zip(addresses);
        let found = backends.find(|(it, _)| it.address == backend.address);
        found.map(|(_, addresses)| addresses.clone())
    }

    /// Binds what is new, and sorts the sockets by the worker they are for.
    fn bind(
        &self,
        config: &Config,
        plan: &Plan,
        errors: &mut Vec<BindError>,
    ) -> (Vec<BoundListener>, Vec<Vec<Listener>>) {
        let workers = self.blueprint.workers;
        let mut bound = Vec::new();
        let mut sockets: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
        for ((of, spec), plan) in specs(config).zip(&plan.listeners) {
            let number = match plan {
                ListenerPlan::Stays(listener) => {
                    bound.push(listener.clone());
                    continue;
                }
                ListenerPlan::New(number) => *number,
            };
            match net::bind(number, &spec.address, workers, of.listen_mode) {
                Err(error) => errors.push(error),
                Ok(listeners) => {
                    bound.extend(listeners.first().map(|first| BoundListener {
                        number,
                        spec: spec.clone(),
                        address: first.address().clone(),
                    }));
                    for (listener, of_worker) in listeners.into_iter().zip(&mut sockets) {
                        of_worker.push(listener);
                    }
                }
            }
        }
        (bound, sockets)
    }

    /// The parts of each worker.
    fn workers(
        &self,
        blueprint: &Blueprint,
        plan: &Plan,
        sockets: &mut [Vec<Listener>],
    ) -> Vec<WorkerReload> {
        let mut all: Vec<WorkerReload> = sockets
            .iter_mut()
            .map(|sockets| WorkerReload {
                renewal: renewal(blueprint, plan),
                listeners: std::mem::take(sockets),
                shutdown_timeout: blueprint.config.timeouts().shutdown,
                first: None,
            })
            .collect();
        let mut backends = Vec::new();
        let (mut new_pools, mut strategies) = (Vec::new(), Vec::new());
        for (place, change) in plan.pools.iter().enumerate() {
            let Some(pool) = blueprint.pool_plan(place) else {
                continue;
            };
            let is_steered = match change {
                PoolChange::New => true,
                PoolChange::Stays(difference) => difference.strategy,
            };
            if is_steered {
                strategies.push((pool.id, pool.config.strategy.clone()));
            }
            match change {
                PoolChange::New => {
                    new_pools.push((pool.id, pool.config.name().to_owned()));
                    add_pool(&pool, blueprint.workers, &mut all);
                }
                PoolChange::Stays(difference) => {
                    for worker in &mut all {
                        let health = difference.health.then(|| pool.config.health().clone());
                        let renewal = self.pool_renewal(&pool, difference);
                        worker.renewal.pools.push((renewal, health));
                    }
                    let changes = backend_changes(&pool, difference).into_iter();
                    backends.extend(changes.map(|change| (pool.id, change)));
                }
            }
        }
        if let Some(first) = all.first_mut() {
            let config = &blueprint.config;
            let admin = config.admin.as_ref();
            let heartbeats = config.heartbeats.as_ref();
            first.first = Some(FirstReload {
                backends,
                tokens: admin.and_then(|admin| admin.tokens().cloned()),
                heartbeat_key: heartbeats.and_then(|it| it.key.clone()),
                new_pools,
                strategies,
                topology: blueprint.topology(),
            });
        }
        all
    }

    /// The settings of a pool that stays.
    fn pool_renewal(&self, pool: &PoolPlan<'_>, difference: &PoolDifference) -> PoolRenewal {
        let backends = pool.config.backends().iter();
        let own_limits = backends.clone().filter_map(|it| {
            let max = it.max_connections?;
            Some((it.address.to_string(), max.get()))
        });
        let moved = backends.zip(pool.addresses).filter(|(it, addresses)| {
            let known = self.known_addresses(pool.id, it);
            known.is_some_and(|known| known != **addresses)
        });
        PoolRenewal {
            id: pool.id,
            strategy: (difference.strategy && !self.blueprint.fixed.has_own_strategies)
                .then(|| pool.config.strategy.build(seed())),
            policy: pool.ejection(),
            limits: pool.limits(),
            own_limits: own_limits.collect::<HashMap<_, _>>(),
            learns_limit: pool.learns_limit(),
            affinity: difference.sticky.then(|| pool.affinity()),
            host: pool.config.host().map(str::to_owned),
            detects_hangs: None,
            moved: moved
                .map(|(it, addresses)| (it.address.to_string(), addresses.clone()))
                .collect(),
        }
    }
}

/// What is the same for each worker.
fn renewal(blueprint: &Blueprint, plan: &Plan) -> Renewal {
    Renewal {
        new_pools: Vec::new(),
        pools: Vec::new(),
        leaving: plan.leaving.clone(),
        listeners: blueprint.listeners(),
        closing: plan.closing.clone(),
        parser: blueprint.parser(),
        request_ids: blueprint.request_ids(),
        own_addresses: blueprint.own_addresses(),
        access_log: blueprint.config.access_log_options(),
    }
}

/// Adds a pool to each worker, with what they share of it.
fn add_pool(pool: &PoolPlan<'_>, workers: usize, all: &mut [WorkerReload]) {
    let load = (workers > 1).then(|| Arc::new(SharedLoad::new()));
    let mut members = SharedQueue::of(workers);
    for (number, worker) in all.iter_mut().enumerate() {
        let shared = members.next().zip(load.clone());
        let strategy = pool.config.strategy.build(seed());
        let made = pool.pool(strategy, shared, number);
        let health = pool.config.health().clone();
        worker.renewal.new_pools.push((pool.id, made, health));
    }
}

/// The changes to the backends of a pool that stays.
fn backend_changes(pool: &PoolPlan<'_>, difference: &PoolDifference) -> Vec<BackendChange> {
    let mut changes = Vec::new();
    for backend in &difference.added {
        let known = pool.config.backends().iter().zip(pool.addresses);
        let mut found = known.filter(|(it, _)| it.address == backend.address);
        let Some((_, addresses)) = found.next() else {
            continue;
        };
        let address = backend.address.to_string();
        changes.push(BackendChange::Add(NewBackend {
            name: address.clone(),
            address,
            addresses: addresses.clone(),
            weight: backend.weight.get().into(),
            max_in_flight: backend.max_connections.map(NonZeroU32::get),
            entrance: Entrance::Trial,
        }));
    }
    let removed = difference.removed.iter().cloned();
    changes.extend(removed.map(BackendChange::Remove));
    let weights = difference.weights.iter().cloned();
    changes.extend(weights.map(|(name, weight)| BackendChange::Weight(name, weight)));
    let limits = difference.limits.iter().cloned();
    changes.extend(limits.map(|(name, max)| BackendChange::MaxConnections(name, max)));
    changes
}
