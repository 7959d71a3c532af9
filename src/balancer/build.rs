//! From a [`Config`] to the parts of a balancer.
//!
//! Owns which setting goes where. It opens nothing but what events need.

use super::{Balancer, Handle, Latecomer};
use crate::address::Address;
use crate::clock::Clock;
use crate::config::{
    AccessLogFormat, Admin, BackendLimit, Config, Heartbeats, ListenerConfig, ListenerSpec, Mode,
    PoolConfig, StickyCookie, Timeouts,
};
use crate::control::conns::MAX_CONNS;
use crate::control::guard::Guard;
use crate::control::state;
use crate::control::topology::Topology;
use crate::http::{ForwardOptions, ForwardPolicy, HeadParser, LoopToken};
use crate::net::{
    self, BindError, BindErrorKind, HeartbeatListener, Listener, Log, StateFile, SystemNetwork,
    SystemPipes, Verifier, events, no_events, read_state, seed,
};
use crate::pool::{Backends, ConnectSpec, EjectionPolicy, Pool, PoolId, PoolLimits, Pools};
use crate::proxy::{self, Destination, MemberRules, Message, Parts, Proxy, RequestIds, Routes};
use crate::route::RouteTable;
use crate::shared::{ConnectionLimit, QueueMember, SharedLoad, SharedQueue};
use crate::strategy::{Sticky, Strategy};
use crate::telemetry::{AccessLog, Metrics};
use crate::transport::MemoryBudget;
use crate::worker::{
    AddressSpace, AdminParts, EventLoop, Inbox, LoopParts, Mailbox, OtherWorkers, WorkerMessage,
    mailbox,
};
use mio::Poll;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;

/// The parts that all workers share.
struct Plan<'a> {
    config: &'a Config,
    /// Of clients, over all workers.
    max_connections: usize,
    workers: usize,
    /// Of each backend of each pool.
    addresses: Vec<Vec<Vec<Address>>>,
    /// Of each listener.
    bound: Vec<Address>,
    clock: Clock,
    /// Seed of the first picks of a large pool.
    pool_seed: u64,
    /// Signs the sticky cookie unless the configuration has a secret. Random, and forgotten at the
    /// end of the process.
    secret: Vec<u8>,
    /// For the buffers of all workers.
    memory: MemoryBudget,
    /// Marks the requests of this process: the same in all workers.
    loop_token: LoopToken,
    /// Verifies credentials; `None`: no route asks for any.
    verifier: Option<Verifier>,
}

/// The parts of one worker, besides the plan.
struct Worker {
    number: usize,
    poll: Poll,
    inbox: Inbox,
    listeners: Vec<Listener>,
    /// Of the first alone.
    heartbeats: Option<HeartbeatListener>,
    /// Of the first alone.
    admin: Option<AdminParts>,
    /// Of each pool.
    strategies: Vec<Box<dyn Strategy>>,
    /// `None` if it is alone.
    party: Option<Party>,
}

/// The parts that a worker shares with the others.
struct Party {
    other_workers: OtherWorkers,
    /// Of each pool.
    pools: Vec<(QueueMember, Arc<SharedLoad>)>,
}

/// Binds, resolves, and makes a loop for each worker.
pub(super) fn build(
    config: &Config,
    mut strategies: impl FnMut(usize) -> Vec<Box<dyn Strategy>>,
) -> Result<Balancer, BindError> {
    let workers = config.workers.get();
    let heartbeat_conns = config.heartbeats.as_ref().map_or(0, |_| max_conns(config));
    let admin_conns = config.admin.as_ref().map_or(0, |_| MAX_CONNS);
    let max_connections = net::allow_connections(
        config.limits().max_connections,
        heartbeat_conns + admin_conns,
        workers,
    )?;
    let Resolved {
        present,
        addresses,
        latecomers,
    } = resolve(config)?;
    let config = &present;
    for (pool, addresses) in config.pools().iter().zip(&addresses) {
        net::allow_check(pool.health().check, addresses)?;
    }
    let (mut bound, mut listeners) = bind(config, workers)?;
    let clients = bound.len();
    let mut admin = config.admin.as_ref().map(admin).transpose()?;
    let admin_listeners = admin.iter().flat_map(|admin| &admin.listeners);
    bound.extend(admin_listeners.map(|listener| listener.address().clone()));
    for (pool, addresses) in config.pools().iter().zip(&addresses) {
        net::refuse_own_address(pool, addresses, &bound)?;
    }
    if let Some(admin) = &mut admin {
        admin.topology = Topology::of(config, &bound);
        admin.strategies = config
            .pools()
            .iter()
            .map(|it| it.strategy.clone())
            .collect();
    }
    let heartbeats = config.heartbeats.as_ref();
    let mut heartbeats = heartbeats
        .map(|settings| HeartbeatListener::bind(settings.address))
        .transpose()?;
    let heartbeat_address = heartbeats.as_ref().map(HeartbeatListener::address);
    let mut plan = Plan {
        config,
        max_connections,
        workers,
        addresses,
        bound,
        clock: Clock::start(),
        pool_seed: seed(),
        memory: memory(config),
        loop_token: LoopToken::new(seed()),
        verifier: None,
        secret: (0..4).flat_map(|_| seed().to_le_bytes()).collect(),
    };
    let has_log = config.access_log != AccessLogFormat::Off;
    let log = has_log.then(Log::to_stdout).transpose();
    let log = log.map_err(no_events)?;

    let ends = (0..workers).map(|_| ends()).collect::<io::Result<Vec<_>>>();
    let (mailboxes, ends): (Vec<_>, Vec<_>) = ends.map_err(no_events)?.into_iter().unzip();
    let mailboxes: Arc<[Mailbox]> = mailboxes.into();
    plan.verifier = verifier(config, plan.clock, &mailboxes).map_err(no_events)?;
    let mut parties = parties(&plan, &mailboxes);
    let mut loops = Vec::new();
    for (number, (poll, inbox)) in ends.into_iter().enumerate() {
        let worker = Worker {
            number,
            poll,
            inbox,
            listeners: listeners
                .get_mut(number)
                .map(std::mem::take)
                .unwrap_or_default(),
            heartbeats: heartbeats.take(),
            admin: admin.take(),
            strategies: strategies(number),
            party: parties.next(),
        };
        let event_loop = plan.event_loop(worker, log.as_ref());
        loops.push(event_loop.map_err(no_events)?);
    }
    let status = log.as_ref().map(|log| Arc::clone(log.status()));
    Ok(Balancer {
        first: loops.remove(0),
        others: loops,
        log,
        addresses: tcp(plan.bound.iter().take(clients)),
        admin_addresses: tcp(plan.bound.iter().skip(clients)),
        heartbeat_address,
        max_connections,
        has_default_connections: config.limits().max_connections.is_none(),
        latecomers,
        refused_latecomers: None,
        handle: Handle {
            mailboxes,
            log: status,
        },
    })
}

/// The addresses of TCP among these.
fn tcp<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<SocketAddr> {
    addresses.filter_map(Address::tcp).collect()
}

/// Binds the admin interface, and reads what was kept.
fn admin(settings: &Admin) -> Result<AdminParts, BindError> {
    let mut listeners = Vec::new();
    for (number, address) in (0..).zip(settings.listeners()) {
        let bound = net::bind(number, address, 1, None);
        listeners.extend(bound.map_err(|error| error.with_flag("--admin"))?);
    }
    let (kept, state_file) = match &settings.state {
        None => (state::Pools::new(), None),
        Some(path) => {
            let unreadable = |problem: String| {
                let remedy = "mend the file, move it away, or name another";
                BindError::new(BindErrorKind::StateFile, problem, remedy)
                    .with_flag("--state")
                    .with_value(path.display())
            };
            let text =
                read_state(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
            let kept = state::read(&text);
            let kept = kept.map_err(|why| unreadable(format!("is no state of lb: {why}")))?;
            let file = StateFile::at(path.clone()).map_err(no_events)?;
            (kept, Some(file))
        }
    };
    let boot_id = format!("{:016x}{:016x}", seed(), seed());
    Ok(AdminParts {
        listeners,
        guard: Guard {
            tokens: settings.tokens().cloned(),
        },
        boot_id,
        kept,
        state_file,
        strategies: Vec::new(),
        topology: Topology::default(),
    })
}

/// The backends, as far as their names can be resolved.
struct Resolved {
    /// The configuration with those that can be.
    present: Config,
    /// Of each backend of each pool.
    addresses: Vec<Vec<Vec<Address>>>,
    /// Those that cannot be, yet.
    latecomers: Vec<Latecomer>,
}

/// Resolves the names of all backends.
///
/// # Errors
/// None can be. A mistake in the only name shows at once that way, as users know it from other
/// balancers; one among several must not keep the rest down.
fn resolve(config: &Config) -> Result<Resolved, BindError> {
    let mut present = config.clone();
    let (mut addresses, mut latecomers) = (Vec::new(), Vec::new());
    for (pool, of) in (0..).map(PoolId::new).zip(present.pools_mut()) {
        let mut found = Vec::new();
        of.retain_backends(|backend| match net::resolve(&backend.address) {
            Ok(all) => {
                found.push(all);
                true
            }
            Err(error) => {
                let backend = backend.clone();
                latecomers.push(Latecomer {
                    pool,
                    backend,
                    error,
                });
                false
            }
        });
        addresses.push(found);
    }
    match latecomers.is_empty() || addresses.iter().any(|pool| !pool.is_empty()) {
        true => Ok(Resolved {
            present,
            addresses,
            latecomers,
        }),
        false => Err(latecomers.remove(0).error),
    }
}

/// Binds all listeners, and sorts them by the worker they are for.
fn bind(config: &Config, workers: usize) -> Result<(Vec<Address>, Vec<Vec<Listener>>), BindError> {
    let mut bound = Vec::new();
    let mut sorted: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    let specs = config.listeners().iter();
    let specs = specs.flat_map(|of| {
        of.addresses()
            .iter()
            .map(move |spec| (spec, of.listen_mode))
    });
    for (number, (spec, mode)) in (0..).zip(specs) {
        let listeners = net::bind(number, &spec.address, workers, mode)?;
        bound.extend(listeners.first().map(|first| first.address().clone()));
        for (listener, of_worker) in listeners.into_iter().zip(&mut sorted) {
            of_worker.push(listener);
        }
    }
    Ok((bound, sorted))
}

/// The thread that verifies credentials, if a route asks for any.
fn verifier(
    config: &Config,
    clock: Clock,
    mailboxes: &Arc<[Mailbox]>,
) -> io::Result<Option<Verifier>> {
    let mut listeners = config.listeners().iter();
    if !listeners.any(ListenerConfig::asks_for_credentials) {
        return Ok(None);
    }
    let mailboxes = Arc::clone(mailboxes);
    let tell = move |worker: usize, client| {
        let Some(mailbox) = mailboxes.get(worker) else {
            return true;
        };
        let message = WorkerMessage::Backend(Box::new(Message::Verified(client)));
        let sent = mailbox.try_send(message);
        mailbox.wake();
        // A loop that has ended has no room either, but needs none.
        !matches!(sent, Err(TrySendError::Full(_)))
    };
    Verifier::start(clock, tell).map(Some)
}

/// Both ends of the mailbox of a loop, the receiving one with the events that announce it.
fn ends() -> io::Result<(Mailbox, (Poll, Inbox))> {
    let (poll, waker) = events()?;
    let (mailbox, inbox) = mailbox(waker);
    Ok((mailbox, (poll, inbox)))
}

/// Returns the parts that several workers share, for each of them; nothing if there is but one.
fn parties(plan: &Plan, mailboxes: &Arc<[Mailbox]>) -> impl Iterator<Item = Party> + use<> {
    let workers = if plan.workers > 1 { plan.workers } else { 0 };
    let connection_limit = Arc::new(ConnectionLimit::new(plan.max_connections, workers));
    let mailboxes = Arc::clone(mailboxes);
    let mut pools: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    // Nothing is shared by a worker that is alone.
    let shared = plan.config.pools().iter().take_while(|_| workers > 0);
    for load in shared.map(|_| Arc::new(SharedLoad::new())) {
        for (of_worker, member) in pools.iter_mut().zip(SharedQueue::of(workers)) {
            of_worker.push((member, Arc::clone(&load)));
        }
    }
    pools.into_iter().enumerate().map(move |(number, pools)| {
        let (mailboxes, limit) = (Arc::clone(&mailboxes), Arc::clone(&connection_limit));
        let other_workers = OtherWorkers::of(number, mailboxes, limit);
        Party {
            other_workers,
            pools,
        }
    })
}

impl Plan<'_> {
    fn event_loop(&self, worker: Worker, log: Option<&Log>) -> io::Result<EventLoop> {
        let verifier = self.verifier.as_ref();
        let verifier = verifier.map(|verifier| verifier.of(worker.number));
        let network = SystemNetwork::new(&worker.poll)?.with_verifier(verifier);
        let (other_workers, shared) = match worker.party {
            Some(party) => (Some(party.other_workers), party.pools),
            None => (None, Vec::new()),
        };
        let mut shared = shared.into_iter();
        let mut strategies = worker.strategies.into_iter();
        let specs = self.config.pool_ids().zip(&self.addresses);
        let mut pools = specs.filter_map(|((id, config), addresses)| {
            let of = PoolPlan {
                plan: self,
                id,
                config,
                addresses,
            };
            Some(of.pool(strategies.next()?, shared.next(), worker.number))
        });
        // There is at least one.
        let first = pools.next().ok_or(io::ErrorKind::InvalidInput)?;
        let mut all = Pools::new(first);
        pools.for_each(|pool| all.push(pool));
        let mut proxy = self.proxy(all, network);
        if let (Some(_), Some(settings)) = (&worker.heartbeats, &self.config.heartbeats) {
            let (key, max_conns) = (settings.key.clone(), max_conns(self.config));
            proxy.receive_heartbeats(key, max_conns, self.clock.now());
        }
        EventLoop::new(LoopParts {
            poll: worker.poll,
            clock: self.clock,
            listeners: worker.listeners,
            heartbeats: worker.heartbeats,
            proxy,
            inbox: worker.inbox,
            admin: worker.admin,
            other_workers,
            log: log.map(Log::writer),
            max_connections: self.max_connections,
            address_space: match self.config.limits().max_memory {
                None => AddressSpace::of_process(&self.memory),
                Some(_) => None,
            },
            shutdown_timeout: self.config.timeouts().shutdown,
        })
    }

    fn proxy(&self, pools: Pools, network: SystemNetwork) -> Proxy<SystemNetwork> {
        let config = self.config;
        let now = self.clock.now();
        let specs = config.listeners().iter();
        let specs = specs.flat_map(|of| of.addresses().iter().map(move |spec| (of, spec)));
        let listeners = specs.zip(&self.bound);
        let gives_ids = config
            .listeners()
            .iter()
            .any(|listener| listener.request_id);
        let parts = Parts {
            network,
            pipes: SystemPipes::among(self.workers),
            listeners: listeners
                .map(|((of, spec), bound)| self.listener(of, spec, bound))
                .collect(),
            pools,
            parser: HeadParser::new(config.limits().head()),
            request_ids: gives_ids.then(|| RequestIds::new(seed())),
            rules: MemberRules {
                listeners: self.bound.clone(),
            },
            health: config
                .pools()
                .iter()
                .map(|pool| pool.health().clone())
                .collect(),
            seed: seed(),
            metrics: Metrics::new(now),
            access_log: AccessLog::new(config.access_log),
        };
        let mut proxy = Proxy::new(parts, now);
        proxy.set_wall_clock(self.clock.wall(), now);
        proxy.limit_memory(self.memory.clone());
        proxy
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
            trusted_proxies: config.trusted_proxies.clone(),
            forward: self.forward_policy(config.forward, bound),
            timeouts: self.timeouts(config, config.pool),
            limits: config
                .limits()
                .with_min_body_rate(self.is_limited(config.pool)),
            abort_on_close: config.abort_on_close,
            gives_request_ids: config.request_id,
            pool: config.pool,
            routes: self.routes(config),
        }
    }

    /// Returns whether backends of a pool have limits.
    fn is_limited(&self, pool: PoolId) -> bool {
        let pool = self.config.pools().get(usize::from(pool.number()));
        pool.is_some_and(|pool| {
            let mut own = pool.backends().iter().map(|spec| spec.max_connections);
            pool.limits().backend_max_connections.is_some() || own.any(|max| max.is_some())
        })
    }

    /// The timeouts of a listener's exchanges: each of the scope that it belongs to.
    fn timeouts(&self, listener: &ListenerConfig, pool: PoolId) -> Timeouts {
        let pool = self.config.pools().get(usize::from(pool.number()));
        let pool = pool.map_or(*self.config.timeouts(), |pool| *pool.timeouts());
        let process = self.config.timeouts();
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
        let pools = self.config.pool_ids();
        Some(Arc::new(Routes {
            table,
            otherwise: Some(listener.pool).filter(|_| !listener.routes_only),
            timeouts: pools
                .map(|(pool, _)| self.timeouts(listener, pool))
                .collect(),
        }))
    }

    /// The forwarding policy of a listener. A UNIX socket has no port to pass on.
    fn forward_policy(&self, mut options: ForwardOptions, bound: &Address) -> ForwardPolicy {
        options.x_forwarded_port &= bound.tcp().is_some();
        let port = bound.tcp().map_or(0, |address| address.port());
        let policy = ForwardPolicy::new(options, "http", port);
        match options.loop_token {
            true => policy.with_loop_token(self.loop_token),
            false => policy,
        }
    }
}

/// One pool of the plan.
struct PoolPlan<'a> {
    plan: &'a Plan<'a>,
    id: PoolId,
    config: &'a PoolConfig,
    /// Of each backend.
    addresses: &'a [Vec<Address>],
}

impl PoolPlan<'_> {
    /// The pool of a worker; `shared` with the others, if there are any.
    fn pool(
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
        let mut limits = PoolLimits::new(config.limits(), config.timeouts());
        // All workers together keep what one would; rounded up, so that none keeps nothing.
        limits.max_idle_per_backend = limits.max_idle_per_backend.div_ceil(self.plan.workers);
        let affinity = config
            .sticky()
            .map(|cookie| self.affinity(cookie, &backends));
        let connect = ConnectSpec {
            addresses: self.addresses.to_vec(),
            host: config.host().map(str::to_owned),
            send_proxy: config.send_proxy,
            ..ConnectSpec::default()
        };
        let mut pool = Pool::new(backends, affinity, connect, limits).named(config.name());
        if let Some(member) = member {
            pool.share_queue(member);
        }
        pool
    }

    fn backends(&self, strategy: Box<dyn Strategy>) -> Backends {
        let specs = self.config.backends().iter();
        let members = specs.map(|spec| (spec.address.to_string(), spec.weight.get().into()));
        let mut backends = Backends::of_pool(self.id, members, strategy, self.plan.pool_seed);
        let ejection = *self.config.ejection();
        let mut listeners = self.plan.config.listeners().iter();
        let has_tcp = listeners.any(|it| it.pool == self.id && it.mode == Mode::Tcp);
        backends.set_policy(EjectionPolicy {
            // In TCP mode the duration of an exchange is the client's doing.
            slow_outlier: ejection.slow_outlier.filter(|_| !has_tcp),
            ..ejection
        });
        limit_backends(&mut backends, self.config);
        backends
    }

    /// Gives each backend its value of the sticky cookie.
    fn affinity(&self, cookie: &StickyCookie, pool: &Backends) -> Sticky {
        let ids = pool.candidates().iter().map(|c| c.id);
        let named = ids.map(|id| (id, pool.name(id).unwrap_or_default()));
        let secret = cookie.secret().unwrap_or(&self.plan.secret);
        let attributes = [false, true].map(|is_https| cookie.attributes().text(is_https));
        Sticky::new(cookie.name(), secret, named).with_attributes(attributes)
    }
}

/// The budget of all buffers: by default half of what the process may use.
fn memory(config: &Config) -> MemoryBudget {
    let available = || net::available_memory() / 2;
    MemoryBudget::of(config.limits().max_memory.unwrap_or_else(available))
}

/// Connections that may bring heartbeats at once.
fn max_conns(config: &Config) -> usize {
    let backends = config.pools().iter().map(|pool| pool.backends().len());
    Heartbeats::max_connections(backends.sum())
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
