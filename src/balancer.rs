//! The balancer as users of the library see it: made from a [`Config`], run, watched, stopped.

use crate::address::Address;
use crate::balance::{Sticky, Strategy, registry};
use crate::clock::Clock;
use crate::config::{AccessLogFormat, Config, Heartbeats, Invalid, StickyCookie};
use crate::heartbeat::Notice;
use crate::http::ForwardPolicy;
use crate::net::{
    self, Command, EventLoop, HeartbeatListener, LoopParts, SystemNetwork, SystemPipes,
};
use crate::observe::{AccessLog, Metrics, Snapshot};
use crate::server::{Order, Parts, RequestIds, Server, Settings};
use crate::upstream::{Policy, StateChange, Upstream};
use mio::{Poll, Waker};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};

/// A balancer whose addresses are bound: clients can connect, and are served as soon as it runs.
///
/// ```
/// use lb::{Balancer, config::Config};
///
/// let mut config = Config::new(["127.0.0.1:5000".parse()?])?;
/// config.set_listeners(["127.0.0.1:0".parse()?])?;
/// let running = Balancer::bind(&config)?.spawn()?;
/// println!("listens on {}", running.addresses()[0]);
/// let ended = running.stop()?;
/// assert_eq!(ended.snapshot.totals.exchanges, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Balancer {
    event_loop: EventLoop,
    addresses: Vec<SocketAddr>,
    heartbeat_address: Option<SocketAddr>,
    handle: Handle,
}

/// Changes that wait for whoever asked to be told of them.
const WAITING_CHANGES: usize = 4096;
/// Notices that do.
const WAITING_NOTICES: usize = 256;

/// What a balancer leaves when it has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// All it has counted.
    pub snapshot: Snapshot,
    /// Lines of the access log that could not be written, because nobody read fast enough.
    pub dropped_log_lines: u64,
}

/// Reaches a balancer from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

/// A balancer on a thread of its own.
#[derive(Debug)]
pub struct Running {
    thread: JoinHandle<io::Result<Ended>>,
    addresses: Vec<SocketAddr>,
    handle: Handle,
}

impl Balancer {
    /// Binds the listeners, resolves the backends and makes sure of file descriptors.
    ///
    /// # Errors
    /// One of these is refused by the system; says which setting, why, and what to do.
    pub fn bind(config: &Config) -> Result<Self, Invalid> {
        let strategy = registry::build(&config.strategy, seed());
        Self::bind_with(config, strategy)
    }

    /// The same with a strategy of your own in place of `config.strategy`.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(config: &Config, strategy: Box<dyn Strategy>) -> Result<Self, Invalid> {
        let heartbeats = config.heartbeats.as_ref();
        let feeds = heartbeats.map_or(0, |_| most_feeds(config));
        net::allow_connections(config.limits().max_connections, feeds)?;
        let backends = config.backends().iter();
        let addresses: Vec<_> = backends
            .map(|backend| net::resolve(&backend.address))
            .collect::<Result<_, _>>()?;
        let listeners: Vec<_> = config
            .listeners()
            .iter()
            .map(|spec| net::bind(&spec.address))
            .collect::<Result<_, _>>()?;
        let bound: Vec<_> = listeners.iter().map(|l| l.address().clone()).collect();
        net::refuse_own_address(config, &addresses, &bound)?;
        let heartbeats = heartbeats
            .map(|settings| HeartbeatListener::bind(settings.address))
            .transpose()?;
        let heartbeat_address = heartbeats.as_ref().map(HeartbeatListener::address);

        let (poll, waker) = events().map_err(|error| no_events(&error))?;
        let (sender, commands) = channel();
        let clock = Clock::start();
        let network = SystemNetwork::new(&poll).map_err(|error| no_events(&error))?;
        let server = server(config, strategy, network, addresses, &bound, clock);
        let event_loop = EventLoop::new(LoopParts {
            poll,
            clock,
            listeners,
            heartbeats,
            server,
            commands,
            max_connections: config.limits().max_connections,
            shutdown_timeout: config.timeouts().shutdown,
            has_log: config.access_log != AccessLogFormat::Off,
        })
        .map_err(|error| no_events(&error))?;
        Ok(Self {
            event_loop,
            addresses: bound.iter().filter_map(Address::tcp).collect(),
            heartbeat_address,
            handle: Handle {
                commands: sender,
                waker: Arc::new(waker),
            },
        })
    }

    /// The TCP addresses clients connect to, with the ports the system chose for port 0. UNIX
    /// sockets are where the [`Config`] says.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address that heartbeats are sent to, if they are listened to, with the port the system
    /// chose for port 0.
    #[must_use]
    pub const fn heartbeat_address(&self) -> Option<SocketAddr> {
        self.heartbeat_address
    }

    /// Reaches this balancer while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves on this thread until told to stop, by [`Handle::stop`].
    ///
    /// # Errors
    /// The system failed to report events. Nothing that clients or backends do leads here.
    pub fn run(self) -> io::Result<Ended> {
        self.event_loop.run()
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(self) -> io::Result<Running> {
        let addresses = self.addresses.clone();
        let handle = self.handle();
        let thread = thread::Builder::new()
            .name("lb".to_owned())
            .spawn(move || self.run())?;
        Ok(Running {
            thread,
            addresses,
            handle,
        })
    }
}

impl Handle {
    /// Tells the balancer to stop: it accepts no more, finishes what is open within the shutdown
    /// timeout, and ends. Returns at once.
    pub fn stop(&self) {
        self.send(Command::Stop);
    }

    /// How the balancer is; `None` if it has ended.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let (sender, reply) = channel();
        self.send(Command::Snapshot(sender));
        reply.recv().ok()
    }

    /// What changes in the lives of backends from now on. Ends when the balancer does. Up to
    /// 4,096 changes wait to be received; when more do, the next that is delivered tells how
    /// many were [missed](StateChange::missed).
    #[must_use]
    pub fn events(&self) -> Receiver<StateChange> {
        let (sender, receiver) = sync_channel(WAITING_CHANGES);
        self.send(Command::Tell(sender));
        receiver
    }

    /// What people should know of heartbeats from now on: whose come, and which are refused and
    /// why. Ends when the balancer does. Up to 256 notices wait to be received, others are missed.
    #[must_use]
    pub fn notices(&self) -> Receiver<Notice> {
        let (sender, receiver) = sync_channel(WAITING_NOTICES);
        self.send(Command::Notify(sender));
        receiver
    }

    /// Gives a backend nothing new and lets it finish what it has; a change to `disabled` tells
    /// when it has. `backend` is its address as it was given. Returns whether there is one.
    pub fn drain(&self, backend: &str) -> bool {
        self.order(backend, Order::Drain)
    }

    /// Takes a drained backend back: one exchange at a time first, then a growing share. Returns
    /// whether there is one.
    pub fn undrain(&self, backend: &str) -> bool {
        self.order(backend, Order::Enable)
    }

    /// Takes a backend out at once; what is in flight there is finished, and it is not checked
    /// any more. Returns whether there is one.
    pub fn disable(&self, backend: &str) -> bool {
        self.order(backend, Order::Disable)
    }

    /// Takes a disabled backend back, as [`undrain`](Self::undrain) does.
    pub fn enable(&self, backend: &str) -> bool {
        self.order(backend, Order::Enable)
    }

    /// Gives a backend another share, 1 to 256. Returns whether there is one.
    pub fn set_weight(&self, backend: &str, weight: u32) -> bool {
        self.order(backend, Order::Weight(weight))
    }

    fn order(&self, backend: &str, order: Order) -> bool {
        let (sender, reply) = channel();
        self.send(Command::Order(backend.to_owned(), order, sender));
        reply.recv().unwrap_or(false)
    }

    fn send(&self, command: Command) {
        // Fails if the balancer has ended: then there is nobody to tell.
        if self.commands.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

impl Running {
    /// The TCP addresses clients connect to.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Reaches the balancer from any thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// How the balancer is; `None` if it has ended.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.handle.snapshot()
    }

    /// What changes in the lives of backends from now on, as [`Handle::events`].
    #[must_use]
    pub fn events(&self) -> Receiver<StateChange> {
        self.handle.events()
    }

    /// Stops the balancer and waits until it has ended.
    ///
    /// # Errors
    /// The balancer ended with an error, or its thread panicked (in a strategy of your own).
    pub fn stop(self) -> io::Result<Ended> {
        self.handle.stop();
        match self.thread.join() {
            Ok(ended) => ended,
            Err(_) => Err(io::Error::other("the balancer's thread panicked")),
        }
    }
}

fn server(
    config: &Config,
    strategy: Box<dyn Strategy>,
    network: SystemNetwork,
    addresses: Vec<Vec<Address>>,
    bound: &[Address],
    clock: Clock,
) -> Server<SystemNetwork> {
    let now = clock.now();
    let settings = Settings {
        mode: config.mode,
        timeouts: *config.timeouts(),
        limits: *config.limits(),
        health: config.health().clone(),
        seed: seed(),
        host: config.host().map(str::to_owned),
        send_proxy: config.send_proxy,
    };
    let backends = config.backends().iter();
    let members = backends.map(|spec| (spec.address.to_string(), spec.weight.get().into()));
    let key_source = strategy.key_source();
    let mut upstream = Upstream::new(members, strategy, seed());
    upstream.set_policy(Policy {
        passive: config.health().passive,
        max_ejected_percent: config.health().max_ejected_percent,
        slow_start: config.health().slow_start,
    });
    limit_backends(&mut upstream, config);
    let sticky = config.sticky().map(|cookie| bindings(cookie, &upstream));
    let policy = |bound: &Address| forward_policy(config, bound);
    let parts = Parts {
        network,
        pipes: SystemPipes::default(),
        forward: bound.iter().map(policy).collect(),
        accepts_proxy: config
            .listeners()
            .iter()
            .map(|spec| spec.accepts_proxy)
            .collect(),
        request_ids: config.request_id.then(|| RequestIds::new(seed())),
        sticky,
        key_source,
        upstream,
        addresses,
        metrics: Metrics::new(now),
        access_log: AccessLog::new(config.access_log),
    };
    let mut server = Server::new(settings, parts, now);
    server.set_wall_clock(clock.wall(), now);
    if let Some(heartbeats) = &config.heartbeats {
        server.hear_heartbeats(heartbeats.key.clone(), most_feeds(config), now);
    }
    server
}

/// Connections that may bring heartbeats at once.
fn most_feeds(config: &Config) -> usize {
    Heartbeats::most_connections(config.backends().len())
}

/// Gives each backend its value of the sticky cookie.
fn bindings(cookie: &StickyCookie, upstream: &Upstream) -> Sticky {
    let ids = upstream.candidates().iter().map(|c| c.id);
    let named = ids.map(|id| (id, upstream.name(id).unwrap_or_default()));
    match cookie.secret() {
        Some(secret) => Sticky::new(cookie.name(), secret, named),
        None => Sticky::new(cookie.name(), &random_secret(), named),
    }
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

fn events() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), net::WAKER)?;
    Ok((poll, waker))
}

fn no_events(error: &io::Error) -> Invalid {
    let problem = format!("the system refuses to report events: {error}");
    Invalid::new(problem, "raise the limit of open files (ulimit -n)")
}

/// Nobody can guess it, and it is forgotten at the end of the process.
fn random_secret() -> Vec<u8> {
    (0..4).flat_map(|_| seed().to_le_bytes()).collect()
}

/// Different in every process, so that several balancers do not move in step.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
