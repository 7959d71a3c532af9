//! Binds what a configuration names, and makes a loop for each worker.

use super::blueprint::{Blueprint, BoundListener, Fixed, specs};
use super::discovery::{Discovery, is_followed};
use super::{Balancer, Handle, Latecomer, secured};
use crate::address::Address;
use crate::clock::Clock;
use crate::config::{AccessLogFormat, Admin, Config, Heartbeats, ListenerConfig};
use crate::control::conns::MAX_CONNS;
use crate::control::guard::Guard;
use crate::control::state;
use crate::control::topology::Topology;
use crate::http::LoopToken;
use crate::net::{
    self, BindError, BindErrorKind, HeartbeatListener, Listener, Log, Purpose, Sockets, StateFile,
    SystemNetwork, Verifier, events, no_events, read_state, seed,
};
use crate::pool::{PoolId, Pools};
use crate::proxy::Message;
use crate::shared::{ConnectionLimit, QueueMember, SharedLoad, SharedQueue};
use crate::strategy::Strategy;
use crate::transport::MemoryBudget;
use crate::worker::{
    AddressSpace, AdminParts, EventLoop, Inbox, LoopParts, Mailbox, OtherWorkers, WorkerMessage,
    mailbox,
};
use mio::Poll;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{TrySendError, sync_channel};

/// Reloads that wait for the one under way.
const MAX_RELOAD_REQUESTS: usize = 16;

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
    has_own_strategies: bool,
    sockets: &mut Sockets,
    mut strategies: impl FnMut(usize) -> Vec<Box<dyn Strategy>>,
) -> Result<Balancer, BindError> {
    net::share_heap();
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
    let discovery = Discovery::of(config, &present, &addresses).map_err(no_events)?;
    let declared = config;
    let config = &present;
    for (pool, addresses) in config.pools().iter().zip(&addresses) {
        net::allow_check(pool.health().check, addresses)?;
    }
    let servers = secured::servers(config, None)?;
    let (bound, mut listeners) = bind(config, workers, sockets)?;
    let mut admin = config
        .admin
        .as_ref()
        .map(|it| admin(it, sockets))
        .transpose()?;
    let admin_listeners = admin.iter().flat_map(|admin| &admin.listeners);
    let admin_addresses: Vec<_> = admin_listeners.map(|it| it.address().clone()).collect();
    let plan = Blueprint {
        config: present.clone(),
        declared: declared.clone(),
        workers,
        addresses,
        bound,
        admin: admin_addresses,
        servers,
        pools_before: vec![1; config.pools().len()],
        fixed: Fixed {
            max_connections,
            clock: Clock::start(),
            pool_seed: seed(),
            memory: memory(config),
            loop_token: LoopToken::new(seed()),
            has_own_strategies,
            has_verifier: asks_for_credentials(config),
            secret: (0..4).flat_map(|_| seed().to_le_bytes()).collect(),
        },
    };
    for (pool, addresses) in config.pools().iter().zip(&plan.addresses) {
        net::refuse_own_address(pool, addresses, &plan.own_addresses())?;
    }
    if let Some(admin) = &mut admin {
        admin.topology = plan.topology();
        admin.strategies = config
            .pools()
            .iter()
            .map(|it| it.strategy.clone())
            .collect();
    }
    let heartbeats = config.heartbeats.as_ref();
    let mut heartbeats = heartbeats
        .map(|settings| HeartbeatListener::bind_from(settings.address, sockets))
        .transpose()?;
    let heartbeat_address = heartbeats.as_ref().map(HeartbeatListener::address);
    let has_log = config.access_log != AccessLogFormat::Off;
    let log = has_log
        .then(|| Log::open(&config.access_log_to))
        .transpose()?;

    let ends = (0..workers).map(|_| ends()).collect::<io::Result<Vec<_>>>();
    let (mailboxes, ends): (Vec<_>, Vec<_>) = ends.map_err(no_events)?.into_iter().unzip();
    let mailboxes: Arc<[Mailbox]> = mailboxes.into();
    let verifier = verifier(config, plan.fixed.clock, &mailboxes).map_err(no_events)?;
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
        let event_loop = event_loop(&plan, worker, verifier.as_ref(), log.as_ref());
        loops.push(event_loop.map_err(no_events)?);
    }
    let status = log.as_ref().map(|log| Arc::clone(log.status()));
    let (asks_reload, reload_requests) = sync_channel(MAX_RELOAD_REQUESTS);
    Ok(Balancer {
        first: loops.remove(0),
        others: loops,
        log,
        addresses: tcp(plan.bound.iter().map(|bound| &bound.address)),
        admin_addresses: tcp(plan.admin.iter()),
        heartbeat_address,
        max_connections,
        has_default_connections: config.limits().max_connections.is_none(),
        latecomers,
        refused_latecomers: None,
        handle: Handle {
            discovery: discovery.as_ref().map(|it| Arc::clone(it.link())),
            mailboxes,
            log: status,
            reloads: asks_reload,
        },
        discovery,
        blueprint: plan,
        reload_requests,
        reload_source: None,
    })
}

/// The addresses of TCP among these.
fn tcp<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<SocketAddr> {
    addresses.filter_map(Address::tcp).collect()
}

/// Binds the admin interface, and reads what was kept.
fn admin(settings: &Admin, sockets: &mut Sockets) -> Result<AdminParts, BindError> {
    let mut listeners = Vec::new();
    for (number, address) in (0..).zip(settings.listeners()) {
        let inherited = sockets.take_listening(Purpose::Admin, address);
        let bound = net::bind_by(number, address, 1, None, inherited);
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
    let mut are_followed = false;
    for (pool, of) in (0..).map(PoolId::new).zip(present.pools_mut()) {
        let mut found = Vec::new();
        are_followed |= !of.services.is_empty() || of.backends_file.is_some();
        // Discovery finds them, as soon as the balancer runs.
        let discover = of.discover;
        of.retain_backends(|backend| {
            let is_followed = is_followed(&config.dns, discover, backend);
            are_followed |= is_followed;
            !is_followed
        });
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
    match latecomers.is_empty() || are_followed || addresses.iter().any(|pool| !pool.is_empty()) {
        true => Ok(Resolved {
            present,
            addresses,
            latecomers,
        }),
        false => Err(latecomers.remove(0).error),
    }
}

/// Binds all listeners, and sorts them by the worker they are for.
fn bind(
    config: &Config,
    workers: usize,
    sockets: &mut Sockets,
) -> Result<(Vec<BoundListener>, Vec<Vec<Listener>>), BindError> {
    let mut bound = Vec::new();
    let mut sorted: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, (of, spec)) in (0..).zip(specs(config)) {
        let mode = of.listen_mode;
        let listeners = net::bind_from(number, &spec.address, workers, mode, sockets)?;
        bound.extend(listeners.first().map(|first| BoundListener {
            number,
            spec: spec.clone(),
            address: first.address().clone(),
        }));
        for (count, listener) in listeners.into_iter().enumerate() {
            if let Some(of_worker) = sorted.get_mut(count % workers.max(1)) {
                of_worker.push(listener);
            }
        }
    }
    Ok((bound, sorted))
}

/// Returns whether a route asks for credentials.
pub(super) fn asks_for_credentials(config: &Config) -> bool {
    let mut listeners = config.listeners().iter();
    listeners.any(ListenerConfig::asks_for_credentials)
}

/// The thread that verifies credentials, if a route asks for any.
fn verifier(
    config: &Config,
    clock: Clock,
    mailboxes: &Arc<[Mailbox]>,
) -> io::Result<Option<Verifier>> {
    if !asks_for_credentials(config) {
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
fn parties(plan: &Blueprint, mailboxes: &Arc<[Mailbox]>) -> impl Iterator<Item = Party> + use<> {
    let workers = if plan.workers > 1 { plan.workers } else { 0 };
    let connection_limit = Arc::new(ConnectionLimit::new(plan.fixed.max_connections, workers));
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

/// The loop of a worker.
fn event_loop(
    plan: &Blueprint,
    worker: Worker,
    verifier: Option<&Verifier>,
    log: Option<&Log>,
) -> io::Result<EventLoop> {
    let verifier = verifier.map(|verifier| verifier.of(worker.number));
    let network = SystemNetwork::new(&worker.poll)?.with_verifier(verifier);
    let (other_workers, shared) = match worker.party {
        Some(party) => (Some(party.other_workers), party.pools),
        None => (None, Vec::new()),
    };
    let mut shared = shared.into_iter();
    let mut strategies = worker.strategies.into_iter();
    let mut pools = (0..plan.config.pools().len()).filter_map(|place| {
        let of = plan.pool_plan(place)?;
        Some(of.pool(strategies.next()?, shared.next(), worker.number))
    });
    // There is at least one.
    let first = pools.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut all = Pools::new(first);
    pools.for_each(|pool| all.push(pool));
    let mut proxy = plan.proxy(all, network);
    let clock = plan.fixed.clock;
    if let (Some(_), Some(settings)) = (&worker.heartbeats, &plan.config.heartbeats) {
        let (key, max_conns) = (settings.key.clone(), plan.max_heartbeat_conns());
        proxy.receive_heartbeats(key, max_conns, clock.now());
    }
    EventLoop::new(LoopParts {
        poll: worker.poll,
        clock,
        listeners: worker.listeners,
        heartbeats: worker.heartbeats,
        proxy,
        inbox: worker.inbox,
        admin: worker.admin,
        other_workers,
        log: log.map(Log::writer),
        max_connections: plan.fixed.max_connections,
        address_space: match plan.config.limits().max_memory {
            None => AddressSpace::of_process(&plan.fixed.memory),
            Some(_) => None,
        },
        shutdown_timeout: plan.config.timeouts().shutdown,
    })
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
