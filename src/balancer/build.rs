//! From a [`Config`] to the parts of a balancer.
//!
//! Owns which setting goes where. It opens nothing but what events need.

use super::{Balancer, Handle};
use crate::address::Address;
use crate::balance::{Sticky, Strategy};
use crate::clock::Clock;
use crate::config::{AccessLogFormat, Config, Heartbeats, Invalid, Mode, StickyCookie};
use crate::http::ForwardPolicy;
use crate::net::{
    self, Allotment, Colleagues, Command, EventLoop, HeartbeatListener, Listener, Log, LoopParts,
    Mailbox, SystemNetwork, SystemPipes, events, no_events, seed,
};
use crate::observe::{AccessLog, Metrics};
use crate::server::{Line, Lines, Parts, RequestIds, Server, Settings};
use crate::upstream::{Board, Policy, Upstream};
use mio::Poll;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// What all workers go by.
struct Plan<'a> {
    config: &'a Config,
    workers: usize,
    /// Of each backend.
    addresses: Vec<Vec<Address>>,
    /// Of each listener.
    bound: Vec<Address>,
    clock: Clock,
    /// Where a large pool starts.
    pool_seed: u64,
    /// Signs the sticky cookie unless the configuration has a secret. Nobody can guess it, and it
    /// is forgotten at the end of the process.
    secret: Vec<u8>,
}

/// What one worker is made of, besides the plan.
struct Worker {
    number: usize,
    poll: Poll,
    commands: Receiver<Command>,
    listeners: Vec<Listener>,
    /// Of the first alone.
    heartbeats: Option<HeartbeatListener>,
    strategy: Box<dyn Strategy>,
    /// `None` if it is alone.
    colleagues: Option<(Colleagues, Line, Arc<Board>)>,
}

/// Binds, resolves, and makes a loop for each worker.
pub(super) fn build(
    config: &Config,
    mut strategy: impl FnMut(usize) -> Box<dyn Strategy>,
) -> Result<Balancer, Invalid> {
    let workers = config.workers.get();
    let feeds = config.heartbeats.as_ref().map_or(0, |_| most_feeds(config));
    net::allow_connections(config.limits().max_connections, feeds, workers)?;
    let addresses = config.backends().iter();
    let addresses = addresses
        .map(|backend| net::resolve(&backend.address))
        .collect::<Result<Vec<_>, _>>()?;
    net::allow_check(config.health().check, &addresses)?;
    let (bound, mut listeners) = bind(config, workers)?;
    net::refuse_own_address(config, &addresses, &bound)?;
    let heartbeats = config.heartbeats.as_ref();
    let mut heartbeats = heartbeats
        .map(|settings| HeartbeatListener::bind(settings.address))
        .transpose()?;
    let heartbeat_address = heartbeats.as_ref().map(HeartbeatListener::address);
    let plan = Plan {
        config,
        workers,
        addresses,
        bound,
        clock: Clock::start(),
        pool_seed: seed(),
        secret: (0..4).flat_map(|_| seed().to_le_bytes()).collect(),
    };
    let has_log = config.access_log != AccessLogFormat::Off;
    let log = has_log.then(Log::to_stdout).transpose();
    let log = log.map_err(|error| no_events(&error))?;

    let ends = (0..workers).map(|_| ends()).collect::<io::Result<Vec<_>>>();
    let (mailboxes, ends): (Vec<_>, Vec<_>) =
        ends.map_err(|error| no_events(&error))?.into_iter().unzip();
    let mailboxes: Arc<[Mailbox]> = mailboxes.into();
    let mut parties = parties(&plan, &mailboxes);
    let mut loops = Vec::new();
    for (number, (poll, commands)) in ends.into_iter().enumerate() {
        let worker = Worker {
            number,
            poll,
            commands,
            listeners: listeners
                .get_mut(number)
                .map(std::mem::take)
                .unwrap_or_default(),
            heartbeats: heartbeats.take(),
            strategy: strategy(number),
            colleagues: parties.next(),
        };
        let event_loop = plan.event_loop(worker, log.as_ref());
        loops.push(event_loop.map_err(|error| no_events(&error))?);
    }
    Ok(Balancer {
        first: loops.remove(0),
        others: loops,
        log,
        addresses: plan.bound.iter().filter_map(Address::tcp).collect(),
        heartbeat_address,
        handle: Handle { mailboxes },
    })
}

/// Binds all listeners, and sorts them by the worker they are for.
fn bind(config: &Config, workers: usize) -> Result<(Vec<Address>, Vec<Vec<Listener>>), Invalid> {
    let mut bound = Vec::new();
    let mut sorted: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, spec) in (0..).zip(config.listeners()) {
        let listeners = net::bind(number, &spec.address, workers)?;
        bound.extend(listeners.first().map(|first| first.address().clone()));
        for (listener, of_worker) in listeners.into_iter().zip(&mut sorted) {
            of_worker.push(listener);
        }
    }
    Ok((bound, sorted))
}

/// Both ends of a way to tell a loop something.
fn ends() -> io::Result<(Mailbox, (Poll, Receiver<Command>))> {
    let (poll, waker) = events()?;
    let (sender, commands) = channel();
    Ok((Mailbox::new(sender, waker), (poll, commands)))
}

/// What several workers have in common, for each of them; nothing if there is but one.
fn parties(
    plan: &Plan,
    mailboxes: &Arc<[Mailbox]>,
) -> impl Iterator<Item = (Colleagues, Line, Arc<Board>)> + use<> {
    let workers = if plan.workers > 1 { plan.workers } else { 0 };
    let max_connections = plan.config.limits().max_connections;
    let allotment = Arc::new(Allotment::new(max_connections, workers));
    let board = Arc::new(Board::new(plan.config.backends().len()));
    let mailboxes = Arc::clone(mailboxes);
    Lines::of(workers).enumerate().map(move |(number, line)| {
        let colleagues = Colleagues::of(number, Arc::clone(&mailboxes), Arc::clone(&allotment));
        (colleagues, line, Arc::clone(&board))
    })
}

impl Plan<'_> {
    fn event_loop(&self, worker: Worker, log: Option<&Log>) -> io::Result<EventLoop> {
        let network = SystemNetwork::new(&worker.poll)?;
        let (colleagues, common) = match worker.colleagues {
            Some((colleagues, line, board)) => (Some(colleagues), Some((line, board))),
            None => (None, None),
        };
        let mut upstream = self.upstream(worker.strategy);
        let line = common.map(|(line, board)| {
            upstream.share(board, worker.number);
            line
        });
        let mut server = self.server(upstream, network);
        if let Some(line) = line {
            server.share_queue(line);
        }
        if let (Some(_), Some(settings)) = (&worker.heartbeats, &self.config.heartbeats) {
            let (key, most_feeds) = (settings.key.clone(), most_feeds(self.config));
            server.hear_heartbeats(key, most_feeds, self.clock.now());
        }
        EventLoop::new(LoopParts {
            poll: worker.poll,
            clock: self.clock,
            listeners: worker.listeners,
            heartbeats: worker.heartbeats,
            server,
            commands: worker.commands,
            colleagues,
            log: log.map(Log::writer),
            max_connections: self.config.limits().max_connections,
            shutdown_timeout: self.config.timeouts().shutdown,
        })
    }

    fn upstream(&self, strategy: Box<dyn Strategy>) -> Upstream {
        let backends = self.config.backends().iter();
        let members = backends.map(|spec| (spec.address.to_string(), spec.weight.get().into()));
        let mut upstream = Upstream::new(members, strategy, self.pool_seed);
        let health = self.config.health();
        upstream.set_policy(Policy {
            passive: health.passive,
            max_ejected_percent: health.max_ejected_percent,
            // In TCP mode what takes long is the client's affair.
            slow_outlier: health
                .slow_outlier
                .filter(|_| self.config.mode == Mode::Http),
            slow_start: health.slow_start,
        });
        limit_backends(&mut upstream, self.config);
        upstream
    }

    fn server(&self, upstream: Upstream, network: SystemNetwork) -> Server<SystemNetwork> {
        let config = self.config;
        let now = self.clock.now();
        let mut limits = *config.limits();
        // All workers together keep what one would; rounded up, so that none keeps nothing.
        limits.max_idle_per_backend = limits.max_idle_per_backend.div_ceil(self.workers);
        let settings = Settings {
            mode: config.mode,
            timeouts: *config.timeouts(),
            limits,
            health: config.health().clone(),
            seed: seed(),
            host: config.host().map(str::to_owned),
            send_proxy: config.send_proxy,
        };
        let listeners = config.listeners().iter();
        let policy = |bound: &Address| forward_policy(config, bound);
        let parts = Parts {
            network,
            pipes: SystemPipes::among(self.workers),
            forward: self.bound.iter().map(policy).collect(),
            accepts_proxy: listeners.map(|spec| spec.accepts_proxy).collect(),
            request_ids: config.request_id.then(|| RequestIds::new(seed())),
            sticky: config
                .sticky()
                .map(|cookie| self.bindings(cookie, &upstream)),
            key_source: upstream.strategy().key_source(),
            upstream,
            addresses: self.addresses.clone(),
            metrics: Metrics::new(now),
            access_log: AccessLog::new(config.access_log),
        };
        let mut server = Server::new(settings, parts, now);
        server.set_wall_clock(self.clock.wall(), now);
        server
    }

    /// Gives each backend its value of the sticky cookie.
    fn bindings(&self, cookie: &StickyCookie, upstream: &Upstream) -> Sticky {
        let ids = upstream.candidates().iter().map(|c| c.id);
        let named = ids.map(|id| (id, upstream.name(id).unwrap_or_default()));
        let secret = cookie.secret().unwrap_or(&self.secret);
        Sticky::new(cookie.name(), secret, named)
    }
}

/// Connections that may bring heartbeats at once.
fn most_feeds(config: &Config) -> usize {
    Heartbeats::most_connections(config.backends().len())
}

/// Tells the upstream how many exchanges each backend is given at once.
fn limit_backends(upstream: &mut Upstream, config: &Config) {
    let ids: Vec<_> = upstream.candidates().iter().map(|c| c.id).collect();
    for (id, spec) in ids.into_iter().zip(config.backends()) {
        let own = spec.max_connections.map(NonZeroU32::get);
        if let Some(most) = own.or(config.limits().backend_max_connections) {
            upstream.set_max_in_flight(id, most);
        }
    }
}

/// A UNIX socket has no port to tell of.
fn forward_policy(config: &Config, bound: &Address) -> ForwardPolicy {
    let mut options = config.forward;
    options.x_forwarded_port &= bound.tcp().is_some();
    let port = bound.tcp().map_or(0, |address| address.port());
    ForwardPolicy::new(options, "http", port)
}
