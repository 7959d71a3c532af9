//! The balancer as users of the library see it: made from a [`Config`], run, watched, stopped.
//!
//! With several [workers](Config::workers) it is several loops, each on a thread of its own with
//! listeners, connections and pools of its own. To its user, they are one.

mod admin_error;
mod blueprint;
mod build;
mod discovery;
mod handle;
mod latecomers;
mod reload;
mod running;
mod secured;

pub use admin_error::AdminError;
pub use handle::Handle;
pub use latecomers::{Latecomer, RefusedLatecomer};
pub use reload::{ReloadError, ReloadSource, Reloaded};
pub use running::Running;

use crate::config::Config;
use crate::net::{BindError, DEFAULT_CONNECTIONS, Log, Sockets, seed};
use crate::strategy::{Guarded, Strategy};
use crate::telemetry::{AccessLogStats, Snapshot};
use crate::worker::{EventLoop, Finished, ReloadRequest, ReloadSender, WorkerReport, snapshot};
use blueprint::Blueprint;
use build::build;
use discovery::Discovery;
use latecomers::{Waiting, admit_resolved};
use reload::{Reloader, Seen};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    first: EventLoop,
    /// The other workers, if there are any.
    others: Vec<EventLoop>,
    log: Option<Log>,
    addresses: Vec<SocketAddr>,
    admin_addresses: Vec<SocketAddr>,
    heartbeat_address: Option<SocketAddr>,
    max_connections: usize,
    has_default_connections: bool,
    latecomers: Vec<Latecomer>,
    discovery: Option<Discovery>,
    refused_latecomers: Option<Sender<RefusedLatecomer>>,
    handle: Handle,
    blueprint: Blueprint,
    reload_requests: Receiver<ReloadRequest>,
    reload_source: Option<Box<dyn ReloadSource>>,
}

/// The figures of a balancer that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// All it has counted.
    pub snapshot: Snapshot,
    /// Lines of the access log that could not be written, or that came faster than they were read.
    pub dropped_log_lines: u64,
}

impl Balancer {
    /// Binds the listeners, resolves the backends and makes sure of file descriptors. A backend whose
    /// name cannot be resolved keeps none of the others down: it is one of the
    /// [`latecomers`](Self::latecomers).
    ///
    /// # Errors
    /// One of these is refused by the system, or no name at all can be resolved; says which setting,
    /// why, and what to do.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        Self::bind_from(config, &mut Sockets::none())
    }

    /// As [`bind`](Self::bind), with the listening sockets of another process, as far as it has those
    /// that are needed. What is left of them was not.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_from(config: &Config, sockets: &mut Sockets) -> Result<Self, BindError> {
        build(config, false, sockets, |_| {
            let pools = config.pools().iter();
            pools.map(|pool| pool.strategy.build(seed())).collect()
        })
    }

    /// As [`bind`](Self::bind), with a strategy of your own in place of that of each pool.
    /// `strategy` makes one for each pool in each worker, whose number is its argument, from 0 up.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(
        config: &Config,
        mut strategy: impl FnMut(usize) -> Box<dyn Strategy>,
    ) -> Result<Self, BindError> {
        build(config, true, &mut Sockets::none(), |worker| {
            let pools = config.pools().iter();
            let guarded = |_| -> Box<dyn Strategy> { Box::new(Guarded::new(strategy(worker))) };
            pools.map(guarded).collect()
        })
    }

    /// The TCP addresses clients connect to, with the ports the system chose for port 0. UNIX
    /// sockets are where the [`Config`] says.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The TCP addresses of the admin interface, with the ports the system chose for port 0.
    #[must_use]
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin_addresses
    }

    /// The address that heartbeats are sent to, if they are listened to, with the port the system
    /// chose for port 0.
    #[must_use]
    pub const fn heartbeat_address(&self) -> Option<SocketAddr> {
        self.heartbeat_address
    }

    /// Client connections that may be open at once; fewer than 8,000 where no number is configured
    /// and the limit of file descriptors allows no more.
    #[must_use]
    pub const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Returns whether the limit of file descriptors lowered the default of client connections.
    #[must_use]
    pub const fn is_short_of_descriptors(&self) -> bool {
        self.max_connections < DEFAULT_CONNECTIONS && self.has_default_connections
    }

    /// The backends whose names could not be resolved. They join as soon as they can be, while the
    /// balancer runs.
    #[must_use]
    pub fn latecomers(&self) -> &[Latecomer] {
        &self.latecomers
    }

    /// Tells while it runs which of the [`latecomers`](Self::latecomers) may not join. Ends with the
    /// balancer, or when none is waited for any more.
    pub fn refused_latecomers(&mut self) -> Receiver<RefusedLatecomer> {
        let (sender, receiver) = channel();
        self.refused_latecomers = Some(sender);
        receiver
    }

    /// Reads the configuration from `source` when a reload is asked for: by
    /// [`Handle::reload`] or the admin interface.
    pub fn reload_from(&mut self, source: impl ReloadSource + 'static) {
        self.reload_source = Some(Box::new(source));
        self.first.reload_by(self.handle.reloads.clone());
    }

    /// Reaches this balancer while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves on this thread until stopped by [`Handle::stop`]. Further workers are on threads of
    /// their own; when one of them fails, all stop.
    ///
    /// # Errors
    /// The system failed to report events, or to start a thread. Nothing that clients or backends
    /// do leads here.
    pub fn run(self) -> io::Result<Ended> {
        let mut threads = Vec::new();
        for (number, worker) in (1..).zip(self.others) {
            let stop = StopAll(self.handle.clone());
            threads.push(start(number, move || {
                let _stop = stop;
                worker.run()
            }));
        }
        let (end, has_ended) = channel::<()>();
        let waiting = self.latecomers.into_iter();
        let waiting = Waiting::new(waiting.map(|it| (it.pool, it.backend)).collect());
        let reloader = Reloader {
            blueprint: self.blueprint,
            mailboxes: Arc::clone(&self.handle.mailboxes),
            requests: self.reload_requests,
            source: self.reload_source,
            waiting: waiting.clone(),
            generation: 1,
            leaving: Vec::new(),
            seen: Seen::default(),
        };
        // Nothing waits for these two: a look-up may block for long.
        let reloading = start_named("lb-reload", move || reloader.run());
        let resolving = match waiting.is_empty() {
            true => Ok(()),
            false => {
                let (handle, refused) = (self.handle.clone(), self.refused_latecomers);
                let admit = move || admit_resolved(&handle, &waiting, &has_ended, refused.as_ref());
                start_named("lb-resolve", admit)
            }
        };
        let reloads = EndReloads(self.handle.reloads.clone());
        let discovery = self.discovery;
        let discovery = discovery.map(|it| it.start(self.handle.clone()));
        let (discovery, discovering) = match discovery.transpose() {
            Ok(discovery) => (discovery, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let stop = StopAll(self.handle);
        let workers = match threads.iter().any(Result::is_err) {
            true => Err(io::Error::other("a worker's thread cannot be started")),
            false => Ok(()),
        };
        // What was started is to end before an error is returned.
        let started = reloading.and(resolving).and(discovering).and(workers);
        let first = started.and_then(|()| self.first.run());
        drop((stop, end, reloads, discovery));
        let others: Vec<_> = threads
            .into_iter()
            .map(|thread| finished(thread?))
            .collect();
        let log = self.log.map(Log::finish);
        let others = others.into_iter().collect::<io::Result<Vec<_>>>();
        first.and_then(|first| Ok(ended(first, &others?, log)))
    }

    /// Serves on threads of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(self) -> io::Result<Running> {
        let addresses = self.addresses.clone();
        let handle = self.handle();
        Ok(Running {
            thread: start(0, move || self.run())?,
            addresses,
            handle,
        })
    }
}

/// Stops all workers when one ends, for any reason.
struct StopAll(Handle);

impl Drop for StopAll {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Ends the thread that reloads.
struct EndReloads(ReloadSender);

impl Drop for EndReloads {
    fn drop(&mut self) {
        // If others wait, the thread finds out by them that the loops have ended.
        let _ = self.0.try_send(ReloadRequest::End);
    }
}

/// Starts the thread of a worker.
fn start<T: Send + 'static>(
    worker: usize,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new()
        .name(format!("lb-{worker}"))
        .spawn(run)
}

/// Starts a thread that ends by itself.
fn start_named(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

/// Waits for a thread.
fn finished<T>(thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    let panicked = |_| Err(io::Error::other("a worker's thread panicked"));
    thread.join().unwrap_or_else(panicked)
}

/// Returns the figures of all workers together.
fn ended(mut first: Finished, others: &[Finished], log: Option<AccessLogStats>) -> Ended {
    let report = |other: &Finished| WorkerReport {
        worker: other.proxy.worker(),
        proxy: other.proxy.view().report(other.at),
        loop_stats: other.stats.clone(),
        samples: Vec::new(),
        explained: Vec::new(),
    };
    let reports: Vec<_> = others.iter().map(report).collect();
    Ended {
        snapshot: snapshot(&mut first.proxy, &first.stats, log, &reports, first.at),
        dropped_log_lines: log.map_or(0, |log| log.lines_dropped),
    }
}
