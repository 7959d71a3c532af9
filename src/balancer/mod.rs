//! The balancer as users of the library see it: made from a [`Config`], run, watched, stopped.

mod build;
mod handle;
mod running;

pub use handle::Handle;
pub use running::Running;

use crate::address::Address;
use crate::balance::{Strategy, registry};
use crate::clock::Clock;
use crate::config::{AccessLogFormat, Config, Invalid};
use crate::net::{self, EventLoop, LoopParts, SystemNetwork};
use crate::observe::Snapshot;
use build::{events, no_events, seed, server};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

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
    handle: Handle,
}

/// What a balancer leaves when it has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// All it has counted.
    pub snapshot: Snapshot,
    /// Lines of the access log that could not be written, because nobody read fast enough.
    pub dropped_log_lines: u64,
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
        net::allow_connections(config.limits().max_connections)?;
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

        let (poll, waker) = events().map_err(|error| no_events(&error))?;
        let (sender, commands) = channel();
        let clock = Clock::start();
        let network = SystemNetwork::new(&poll).map_err(|error| no_events(&error))?;
        let server = server(config, strategy, network, addresses, &bound, clock);
        let event_loop = EventLoop::new(LoopParts {
            poll,
            clock,
            listeners,
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
