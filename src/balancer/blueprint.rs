//! From a [`Config`] to the parts of a proxy: which setting goes where.
//!
//! Holds what a balancer runs by, and what stays when that changes: the secret of its cookies, its
//! clock, its memory. Opens nothing.

use super::secured::Servers;
use crate::address::Address;
use crate::clock::Clock;
use crate::config::{
    BackendLimit, Config, ForwardOptions, Heartbeats, ListenerConfig, ListenerSpec, Mode,
    PoolConfig, StickyCookie, Timeouts,
};
use crate::control::topology::Topology;
use crate::http::{ForwardPolicy, HeadParser, LoopToken};
use crate::net::{SystemNetwork, SystemPipes, seed};
use crate::pool::{
    AffinitySpec, Backends, ConnectSpec, EjectionPolicy, Pool, PoolId, PoolLimits, Pools,
};
use crate::proxy::{self, Destination, ListenerTls, MemberRules, Parts, Proxy, RequestIds, Routes};
use crate::route::RouteTable;
use crate::shared::{QueueMember, SharedLoad};
use crate::strategy::Strategy;
use crate::telemetry::{AccessLog, Metrics};
use crate::transport::MemoryBudget;
use std::num::NonZeroU32;
use std::sync::Arc;

/// What a balancer runs by.
#[derive(Clone)]
pub(super) struct Blueprint {
    /// The configuration, without backends whose names could not be resolved yet.
    pub(super) config: Config,
    /// The same with them.
    pub(super) declared: Config,
    pub(super) workers: usize,
    /// Of each backend of each pool of `config`.
    pub(super) addresses: Vec<Vec<Vec<Address>>>,
    /// Of each address of each listener, in the order of the configuration.
    pub(super) bound: Vec<BoundListener>,
    /// Of the admin interface.
    pub(super) admin: Vec<Address>,
    /// Of each listener of `config`.
    pub(super) servers: Servers,
    /// How many pools had each number, the present one included.
    pub(super) pools_before: Vec<u16>,
    pub(super) fixed: Fixed,
}

/// What stays as long as the process.
#[derive(Clone)]
pub(super) struct Fixed {
    /// Of clients, over all workers.
    pub(super) max_connections: usize,
    pub(super) clock: Clock,
    /// Seed of the first picks of a large pool.
    pub(super) pool_seed: u64,
    /// Signs the sticky cookie unless the configuration has a secret. Random, and forgotten at the
    /// end of the process.
    pub(super) secret: Vec<u8>,
    /// For the buffers of all workers.
    pub(super) memory: MemoryBudget,
    /// Marks the requests of this process: the same in all workers.
    pub(super) loop_token: LoopToken,
    /// True if the strategies are the library's user's own, not those of the configuration.
    pub(super) has_own_strategies: bool,
    /// True if credentials can be verified: a route asked for some at the start.
    pub(super) has_verifier: bool,
}

/// A listener that is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoundListener {
    /// Names it, in all workers.
    pub(super) number: u16,
    pub(super) spec: ListenerSpec,
    /// With the port that the system chose for port 0.
    pub(super) address: Address,
}

/// Generations of backends that each pool of a number has to itself.
const GENERATIONS: u32 = 1 << 16;

impl Blueprint {
    /// The proxy of a worker.
    pub(super) fn proxy(&self, pools: Pools, network: SystemNetwork) -> Proxy<SystemNetwork> {
        let config = &self.config;
        let now = self.fixed.clock.now();
        let listeners = self.listeners();
        let parts = Parts {
            network,
            pipes: SystemPipes::among(self.workers),
            listeners: listeners
                .into_iter()
                .map(|(_, listener)| listener)
                .collect(),
            pools,
            parser: self.parser(),
            request_ids: self.request_ids(),
            rules: MemberRules {
                listeners: self.own_addresses(),
            },
            health: config
                .pools()
                .iter()
                .map(|pool| pool.health().clone())
                .collect(),
            seed: seed(),
            metrics: Metrics::new(now),
            access_log: AccessLog::new(config.access_log_options()),
        };
        let mut proxy = Proxy::new(parts, now);
        proxy.set_wall_clock(self.fixed.clock.wall(), now);
        proxy.limit_memory(self.fixed.memory.clone());
        proxy
    }

    /// Reads request and response heads.
    pub(super) fn parser(&self) -> HeadParser {
        HeadParser::new(self.config.limits().head())
    }

    /// Names requests, if any are to be named.
    pub(super) fn request_ids(&self) -> Option<RequestIds> {
        let mut listeners = self.config.listeners().iter();
        let gives_ids = listeners.any(|listener| listener.request_id);
        gives_ids.then(|| RequestIds::new(seed()))
    }

    /// The addresses that lb itself listens on.
    pub(super) fn own_addresses(&self) -> Vec<Address> {
        let clients = self.bound.iter().map(|bound| &bound.address);
        clients.chain(&self.admin).cloned().collect()
    }

    /// Connections that may bring heartbeats at once.
    pub(super) fn max_heartbeat_conns(&self) -> usize {
        let backends = self.config.pools().iter().map(|pool| pool.backends().len());
        Heartbeats::max_connections(backends.sum())
    }

    /// Listeners and routes, for the admin interface.
    pub(super) fn topology(&self) -> Topology {
        let bound: Vec<_> = self.bound.iter().map(|it| it.address.clone()).collect();
        Topology::of(&self.config, &bound)
    }

    /// Every listener with its number.
    pub(super) fn listeners(&self) -> Vec<(u16, proxy::Listener)> {
        let listeners = self.config.listeners().iter().zip(&self.servers);
        let specs = listeners.flat_map(|(of, server)| {
            let addresses = of.addresses().iter();
            addresses.map(move |spec| (of, spec, server.as_ref().filter(|_| spec.is_tls)))
        });
        specs
            .zip(&self.bound)
            .map(|((of, spec, server), bound)| {
                let tls = of
                    .tls
                    .as_ref()
                    .zip(server)
                    .map(|(tls, server)| ListenerTls {
                        server: Arc::clone(server),
                        handshake_timeout: tls.handshake_timeout,
                    });
                let listener = proxy::Listener {
                    tls,
                    ..self.listener(of, spec, &bound.address)
                };
                (bound.number, listener)
            })
            .collect()
    }

    fn listener(
        &self,
        config: &ListenerConfig,
        spec: &ListenerSpec,
        bound: &Address,
    ) -> proxy::Listener {
        proxy::Listener {
            mode: config.mode,
            accepts_proxy: spec.accepts_proxy,
            tls: None,
            forward: self
                .forward_policy(config.forward, bound, spec.is_tls)
                .with_trusted_proxies(config.trusted_proxies.clone()),
            timeouts: self.timeouts(config, config.pool),
            limits: config
                .limits()
                .with_min_body_rate(self.is_limited(config.pool)),
            abort_on_close: config.abort_on_close,
            gives_request_ids: config.request_id,
            pool: config.pool,
            routes: self.routes(config),
            is_closing: false,
        }
    }

    /// Returns whether backends of a pool have limits.
    fn is_limited(&self, pool: PoolId) -> bool {
        let pool = self.config.pool(pool);
        pool.is_some_and(|pool| {
            let mut own = pool.backends().iter().map(|spec| spec.max_connections);
            pool.limits().backend_max_connections.is_some() || own.any(|max| max.is_some())
        })
    }

    /// The timeouts of a listener's exchanges: each of the scope that it belongs to.
    fn timeouts(&self, listener: &ListenerConfig, pool: PoolId) -> Timeouts {
        let process = self.config.timeouts();
        let pool = self.config.pool(pool).map_or(process, PoolConfig::timeouts);
        Timeouts {
            server: pool.server,
            first_byte: pool.first_byte,
            queue: pool.queue,
            tunnel: process.tunnel,
            ..*listener.timeouts()
        }
    }

    /// The routes of a listener; `None` if it has none.
    fn routes(&self, listener: &ListenerConfig) -> Option<Arc<Routes>> {
        if listener.routes.is_empty() {
            return None;
        }
        let mut table = RouteTable::default();
        for route in &listener.routes {
            for pattern in &route.patterns {
                let destination = Destination {
                    target: route.target.clone(),
                    policy: route.policy.clone(),
                };
                table.add(pattern.clone(), destination);
            }
        }
        let last = self.config.pool_ids().map(|(id, _)| id.number()).max();
        let pools = (0..=last.unwrap_or(0)).map(PoolId::new);
        Some(Arc::new(Routes {
            table,
            otherwise: Some(listener.pool).filter(|_| !listener.routes_only),
            timeouts: pools.map(|pool| self.timeouts(listener, pool)).collect(),
        }))
    }

    /// The forwarding policy of a listener. A UNIX socket has no port to pass on.
    fn forward_policy(
        &self,
        mut options: ForwardOptions,
        bound: &Address,
        is_tls: bool,
    ) -> ForwardPolicy {
        options.x_forwarded_port &= bound.tcp().is_some();
        let port = bound.tcp().map_or(0, |address| address.port());
        let policy = ForwardPolicy::new(options, if is_tls { "https" } else { "http" }, port);
        match options.loop_token {
            true => policy.with_loop_token(self.fixed.loop_token),
            false => policy,
        }
    }

    /// The pool in this place of the configuration.
    pub(super) fn pool_plan(&self, place: usize) -> Option<PoolPlan<'_>> {
        let (id, config) = self.config.pool_ids().nth(place)?;
        Some(PoolPlan {
            plan: self,
            id,
            config,
            addresses: self.addresses.get(place)?,
        })
    }
}

/// Each address of each listener of a configuration, with its settings.
pub(super) fn specs(config: &Config) -> impl Iterator<Item = (&ListenerConfig, &ListenerSpec)> {
    let listeners = config.listeners().iter();
    listeners.flat_map(|of| of.addresses().iter().map(move |spec| (of, spec)))
}

/// One pool of a blueprint.
pub(super) struct PoolPlan<'a> {
    plan: &'a Blueprint,
    pub(super) id: PoolId,
    pub(super) config: &'a PoolConfig,
    /// Of each backend.
    pub(super) addresses: &'a [Vec<Address>],
}

impl PoolPlan<'_> {
    /// The pool of a worker; `shared` with the others, if there are any.
    pub(super) fn pool(
        &self,
        strategy: Box<dyn Strategy>,
        shared: Option<(QueueMember, Arc<SharedLoad>)>,
        worker: usize,
    ) -> Pool {
        let mut backends = self.backends(strategy);
        let member = shared.map(|(member, load)| {
            backends.share(load, worker);
            member
        });
        let config = self.config;
        let affinity = self.affinity().map(|cookie| cookie.bind(&backends));
        let connect = ConnectSpec {
            addresses: self.addresses.to_vec(),
            host: config.host().map(str::to_owned),
            send_proxy: config.send_proxy,
            ..ConnectSpec::default()
        };
        let pool = Pool::new(backends, affinity, connect, self.limits());
        let mut pool = pool.named(config.name());
        if let Some(member) = member {
            pool.share_queue(member);
        }
        pool
    }

    /// The limits of a worker's pool. All workers together keep what one would; rounded up, so that
    /// none keeps nothing.
    pub(super) fn limits(&self) -> PoolLimits {
        let mut limits = PoolLimits::new(self.config.limits(), self.config.timeouts());
        limits.max_idle_per_backend = limits.max_idle_per_backend.div_ceil(self.plan.workers);
        limits
    }

    fn backends(&self, strategy: Box<dyn Strategy>) -> Backends {
        let specs = self.config.backends().iter();
        let members = specs.map(|spec| (spec.address.to_string(), spec.weight.get().into()));
        let seed = self.plan.fixed.pool_seed;
        let generation = self.first_generation();
        let mut backends = Backends::succeeding(self.id, generation, members, strategy, seed);
        backends.set_policy(self.ejection());
        limit_backends(&mut backends, self.config);
        backends
    }

    /// The generation of its first backends.
    fn first_generation(&self) -> u32 {
        let number = usize::from(self.id.number());
        let pools = self.plan.pools_before.get(number).copied().unwrap_or(1);
        u32::from(pools.saturating_sub(1)).wrapping_mul(GENERATIONS)
    }

    /// When its backends are ejected.
    pub(super) fn ejection(&self) -> EjectionPolicy {
        let ejection = *self.config.ejection();
        let mut listeners = self.plan.config.listeners().iter();
        let has_tcp = listeners.any(|it| it.pool == self.id && it.mode == Mode::Tcp);
        EjectionPolicy {
            // In TCP mode the duration of an exchange is the client's doing.
            slow_outlier: ejection.slow_outlier.filter(|_| !has_tcp),
            ..ejection
        }
    }

    /// Returns whether it learns how many exchanges backends work on at once.
    pub(super) fn learns_limit(&self) -> bool {
        self.config.limits().backend_max_connections == Some(BackendLimit::Auto)
    }

    /// The sticky cookie, if it has one.
    pub(super) fn affinity(&self) -> Option<AffinitySpec> {
        self.config.sticky().map(|cookie| self.cookie(cookie))
    }

    fn cookie(&self, cookie: &StickyCookie) -> AffinitySpec {
        let secret = cookie.secret().unwrap_or(&self.plan.fixed.secret);
        AffinitySpec {
            cookie: cookie.name().to_owned(),
            secret: secret.to_vec(),
            attributes: [false, true].map(|is_https| cookie.attributes().text(is_https)),
        }
    }
}

/// Tells the pool how many exchanges each backend is given at once.
fn limit_backends(pool: &mut Backends, config: &PoolConfig) {
    let of_all = config.limits().backend_max_connections;
    if of_all == Some(BackendLimit::Auto) {
        pool.learn_late_binding();
    }
    let ids: Vec<_> = pool.candidates().iter().map(|c| c.id).collect();
    for (id, spec) in ids.into_iter().zip(config.backends()) {
        let own = spec.max_connections.map(NonZeroU32::get);
        if let Some(most) = own.or(of_all.and_then(BackendLimit::max)) {
            pool.set_max_in_flight(id, most);
        }
    }
}
