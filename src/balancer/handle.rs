//! Reaches a balancer from other threads: observes it, commands it, stops it.
//!
//! Everything is a command that a loop executes between its turns. Of several workers the first
//! knows the states of the backends and executes the admin commands; the others follow.

use super::discovery::DiscoveryLink;
use super::{AdminError, ReloadError, Reloaded};
use crate::address::Address;
use crate::config::{BackendSpec, Config};
use crate::discovery::{Change, DiscoveryEvent, Outcome};
use crate::heartbeat::HeartbeatEvent;
use crate::ids::PoolId;
use crate::net::{LogStatus, Sockets, resolve};
use crate::pool::{Entrance, Hold, LimitChange, NewBackend, StateChange};
use crate::proxy::{AdminCommand, BackendRef};
use crate::strategy::BackendId;
use crate::telemetry::{AccessLogEvent, Snapshot, Stall};
use crate::worker::{
    Command, Mailbox, PoolRef, ReloadAnswer, ReloadRequest, ReloadSender, Untaken,
};
use std::io;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// Changes of state that wait for a subscriber.
const WAITING_CHANGES: usize = 4096;
/// Events of heartbeats that wait for a subscriber.
const WAITING_NOTICES: usize = 256;
/// Changes of learned limits that wait for a subscriber.
const WAITING_LIMIT_CHANGES: usize = 64;
/// Stalls that wait for a subscriber.
const WAITING_STALLS: usize = 64;
/// Weights of a backend.
const WEIGHTS: RangeInclusive<u32> = 1..=256;
/// Events of the access log that wait for a subscriber.
const WAITING_LOG_EVENTS: usize = 64;

/// Events of discovery that wait for a subscriber.
const WAITING_DISCOVERIES: usize = 256;

/// Reaches a balancer from any thread.
///
/// Methods that return what the balancer replies wait until it runs, and for as long as one turn of
/// its loop takes.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Of the workers.
    pub(super) mailboxes: Arc<[Mailbox]>,
    /// `None` without an access log.
    pub(super) log: Option<Arc<LogStatus>>,
    pub(super) reloads: ReloadSender,
    /// `None` if nothing is to be discovered.
    pub(super) discovery: Option<Arc<DiscoveryLink>>,
}

impl Handle {
    /// Tells the balancer to stop: it accepts no more, finishes what is open within the shutdown
    /// timeout, and ends. Returns at once.
    pub fn stop(&self) {
        for worker in self.mailboxes.iter() {
            worker.stop();
        }
    }

    /// Counters, response times and states as of now; `None` if the balancer has ended.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let others = self.mailboxes.get(1..).unwrap_or_default();
        // All requests are sent before the first reply is waited for.
        let replies: Vec<_> = others
            .iter()
            .map(|worker| request(worker, Command::Report))
            .collect();
        let reports = replies.into_iter().flatten();
        let reports = reports.filter_map(|reply| reply.recv().ok()).collect();
        let first = self.mailboxes.first()?;
        let reply = request(first, |reply| Command::Snapshot(reports, reply));
        reply.ok()?.recv().ok()
    }

    /// Subscribes to changes of state of the backends. The channel ends when the balancer does, or
    /// at once if it has too much to do to take the subscription. Up to 4,096 changes wait to be
    /// received; when more do, the next that is delivered tells how many were
    /// [missed](StateChange::missed).
    #[must_use]
    pub fn events(&self) -> Receiver<StateChange> {
        let first = self.mailboxes.get(..1).unwrap_or_default();
        subscribe(first, WAITING_CHANGES, Command::SubscribeChanges)
    }

    /// Subscribes to heartbeats: which backends send them, and which are refused and why. The
    /// channel ends when the balancer does. Up to 256 events wait to be received, others are
    /// missed.
    #[must_use]
    pub fn heartbeat_events(&self) -> Receiver<HeartbeatEvent> {
        let first = self.mailboxes.get(..1).unwrap_or_default();
        subscribe(first, WAITING_NOTICES, Command::SubscribeHeartbeats)
    }

    /// Subscribes to changes of the limits that pools learn (`--backend-max-connections auto`). The
    /// channel ends when the balancer does. Up to 64 wait to be received; further ones are lost.
    #[must_use]
    pub fn limit_changes(&self) -> Receiver<LimitChange> {
        let first = self.mailboxes.get(..1).unwrap_or_default();
        subscribe(first, WAITING_LIMIT_CHANGES, Command::SubscribeLimits)
    }

    /// Subscribes to the turns of the loops that take too long (50 ms or more), and the phase they
    /// spent it in. The channel ends when the balancer does. Up to 64 wait to be received; what
    /// comes then is only counted, in [`TurnTimes::stalls`](crate::telemetry::TurnTimes::stalls).
    #[must_use]
    pub fn stalls(&self) -> Receiver<Stall> {
        subscribe(&self.mailboxes, WAITING_STALLS, Command::SubscribeStalls)
    }

    /// Subscribes to the access log: its writer stops working, or works again. The channel ends
    /// when the balancer does, at once without an access log. Up to 64 events wait to be received.
    #[must_use]
    pub fn access_log_events(&self) -> Receiver<AccessLogEvent> {
        let (sender, receiver) = sync_channel(WAITING_LOG_EVENTS);
        if let Some(log) = &self.log {
            log.subscribe(sender);
        }
        receiver
    }

    /// Drains a backend: it gets nothing new and finishes what is in flight, at which it changes to
    /// `disabled`. Clients bound to it by a cookie get `Connection: close` with its last response,
    /// and are bound to another backend when they return. Returns the id of the backend.
    ///
    /// # Errors
    /// There is no such backend, or the balancer has ended.
    pub fn drain(&self, backend: impl Into<BackendRef>) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::Drain)
    }

    /// Takes a drained backend back: one exchange at a time first, then a growing share. Returns
    /// the id of the backend.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn undrain(&self, backend: impl Into<BackendRef>) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::Enable)
    }

    /// Disables a backend at once; what is in flight there is finished, and it is not checked any
    /// more. Returns the id of the backend.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn disable(&self, backend: impl Into<BackendRef>) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::Disable)
    }

    /// Takes a disabled backend back, as [`undrain`](Self::undrain) does.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn enable(&self, backend: impl Into<BackendRef>) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::Enable)
    }

    /// Sets the weight of a backend, 1 to 256. Returns the id of the backend.
    ///
    /// # Errors
    /// The weight is out of range; otherwise as [`drain`](Self::drain).
    pub fn set_weight(
        &self,
        backend: impl Into<BackendRef>,
        weight: u32,
    ) -> Result<BackendId, AdminError> {
        if !WEIGHTS.contains(&weight) {
            return Err(AdminError::WeightOutOfRange(weight));
        }
        self.admin(backend.into(), AdminCommand::Weight(weight))
    }

    /// Limits the exchanges that a backend is given at once; `None`: as all backends are limited.
    /// Returns the id of the backend.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn set_max_connections(
        &self,
        backend: impl Into<BackendRef>,
        max: Option<NonZeroU32>,
    ) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::MaxConnections(max))
    }

    /// Says how well a backend is, whatever checks and responses say: [`Hold::Up`] keeps it in,
    /// [`Hold::Down`] keeps it ejected, `None` leaves it to them again. Returns the id of the backend.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn hold(
        &self,
        backend: impl Into<BackendRef>,
        hold: Option<Hold>,
    ) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::Hold(hold))
    }

    /// Adds a backend. It gets one exchange at a time first, then a growing share; one that is
    /// added [warm](Entrance::Warm) gets its whole share at once. Without a `name` it is called by
    /// its address. A name to resolve is resolved here, which may take a while. Returns the id of
    /// the backend.
    ///
    /// # Errors
    /// Another backend has the name, there are too many, lb listens at the address itself, or the
    /// address cannot be resolved; otherwise as [`drain`](Self::drain).
    pub fn add(
        &self,
        backend: &BackendSpec,
        name: Option<&str>,
        entrance: Entrance,
    ) -> Result<BackendId, AdminError> {
        let addresses =
            resolve(&backend.address).map_err(|error| AdminError::Unresolved(error.to_string()))?;
        let pool = PoolRef::Id(PoolId::FIRST);
        self.add_at(pool, backend, addresses, name, entrance)
    }

    /// As [`add`](Self::add), to the pool of this name.
    ///
    /// # Errors
    /// There is no such pool; otherwise as [`add`](Self::add).
    pub fn add_to(
        &self,
        pool: &str,
        backend: &BackendSpec,
        name: Option<&str>,
        entrance: Entrance,
    ) -> Result<BackendId, AdminError> {
        let addresses =
            resolve(&backend.address).map_err(|error| AdminError::Unresolved(error.to_string()))?;
        let pool = PoolRef::Name(pool.to_owned());
        self.add_at(pool, backend, addresses, name, entrance)
    }

    /// Has a change made that discovery has planned. Returns where the outcome will come.
    pub(super) fn discovered(
        &self,
        pool: PoolId,
        change: Change,
    ) -> Result<Receiver<Outcome>, Untaken> {
        let first = self.mailboxes.first().ok_or(Untaken::Ended)?;
        let change = Box::new(change);
        request(first, |reply| Command::Discovered(pool, change, reply))
    }

    /// Subscribes to discovery: backends that files and names bring, and those that do not. The
    /// channel ends when the balancer does, at once if nothing is to be discovered. Up to 256
    /// events wait to be received, others are missed.
    #[must_use]
    pub fn discovery_events(&self) -> Receiver<DiscoveryEvent> {
        let (sender, receiver) = sync_channel(WAITING_DISCOVERIES);
        if let Some(discovery) = &self.discovery {
            discovery.subscribe(sender);
        }
        receiver
    }

    /// Adds a backend at addresses that are known.
    pub(super) fn add_at(
        &self,
        pool: PoolRef,
        backend: &BackendSpec,
        addresses: Vec<Address>,
        name: Option<&str>,
        entrance: Entrance,
    ) -> Result<BackendId, AdminError> {
        let address = backend.address.to_string();
        let backend = NewBackend {
            name: name.unwrap_or(&address).to_owned(),
            addresses,
            address,
            weight: backend.weight.get().into(),
            max_in_flight: backend.max_connections.map(NonZeroU32::get),
            entrance,
        };
        let first = self.mailboxes.first().ok_or(AdminError::Ended)?;
        let named = pool.clone();
        let reply = request(first, |reply| Command::Add(pool, Box::new(backend), reply))?;
        let added = reply.recv().map_err(|_| AdminError::Ended)?;
        match (added, named) {
            (Some(added), _) => added.map_err(AdminError::NotAdded),
            (None, PoolRef::Name(pool)) => Err(AdminError::UnknownPool(pool)),
            (None, PoolRef::Id(_)) => Err(AdminError::Ended),
        }
    }

    /// Removes a backend: it gets nothing new, and is removed when it has finished what is in
    /// flight, or after `drain`. What is in flight then is repeated elsewhere where that is
    /// allowed, and cut off where it is not. [`undrain`](Self::undrain) keeps it, as long as it
    /// drains. Returns its id at once; [`events`](Self::events) tells when it is gone.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn remove(
        &self,
        backend: impl Into<BackendRef>,
        drain: Duration,
    ) -> Result<BackendId, AdminError> {
        self.admin(backend.into(), AdminCommand::Remove(drain))
    }

    /// Reads the configuration anew from the
    /// [source](crate::Balancer::reload_from) of the balancer, and goes on with it: all of it, or,
    /// if anything is wrong, with the one before. No connection is closed for it but idle ones of
    /// listeners that are gone. Waits until that is done; names are resolved, which may take a
    /// while.
    ///
    /// # Errors
    /// The configuration is wrong, or there is no source; otherwise as for
    /// [`reload_with`](Self::reload_with).
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.ask_reload(None)
    }

    /// Goes on with this configuration, as [`reload`](Self::reload) does.
    ///
    /// ```
    /// use lb::{Balancer, config::Config};
    ///
    /// let mut config = Config::new(["127.0.0.1:5000".parse()?])?;
    /// config.set_listeners(["127.0.0.1:0".parse()?])?;
    /// let running = Balancer::bind(&config)?.spawn()?;
    /// let mut other = Config::new(["127.0.0.1:5000".parse()?, "127.0.0.1:5001".parse()?])?;
    /// other.set_listeners(["127.0.0.1:0".parse()?])?;
    /// let reloaded = running.handle().reload_with(other)?;
    /// assert_eq!(reloaded.changes, ["pool default: backend 127.0.0.1:5001 added"]);
    /// running.stop()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// It changes what cannot change while the balancer runs, a name cannot be resolved or an
    /// address not be bound; too many reloads wait already, or the balancer has ended.
    pub fn reload_with(&self, config: Config) -> Result<Reloaded, ReloadError> {
        self.ask_reload(Some(Box::new(config)))
    }

    /// Returns whether every loop turns: waits until each has answered; `false` if one has ended.
    #[must_use]
    pub fn is_turning(&self) -> bool {
        self.mailboxes.iter().all(|worker| {
            let count = |reply| Command::CountExchanges(Vec::new(), reply);
            request(worker, count).is_ok_and(|reply| reply.recv().is_ok())
        })
    }

    /// Shares the listening sockets, for a process that is to take the place of this one. Both
    /// accept what comes, until one of them stops.
    ///
    /// # Errors
    /// No descriptor is left, or the balancer has ended.
    pub fn share_sockets(&self) -> io::Result<Sockets> {
        let mut all = Vec::new();
        for worker in self.mailboxes.iter() {
            let ended = || io::Error::other("the balancer has ended or is busy");
            let reply = request(worker, Command::ShareSockets).map_err(|_| ended())?;
            all.extend(reply.recv().map_err(|_| ended())??);
        }
        Ok(Sockets::of(all))
    }

    /// Asks for what [`reload`](Self::reload) does, and does not wait: its source is told how it
    /// ended.
    ///
    /// # Errors
    /// Too many reloads wait already, or the balancer has ended.
    pub fn request_reload(&self) -> Result<(), ReloadError> {
        self.send_reload(None).map(drop)
    }

    fn ask_reload(&self, config: Option<Box<Config>>) -> Result<Reloaded, ReloadError> {
        let answer = self.send_reload(config)?.recv();
        Reloaded::from_answer(answer.map_err(|_| ReloadError::Ended)?)
    }

    fn send_reload(
        &self,
        config: Option<Box<Config>>,
    ) -> Result<Receiver<ReloadAnswer>, ReloadError> {
        let (reply, answer) = channel();
        let request = ReloadRequest::Handle(config, reply);
        self.reloads
            .try_send(request)
            .map_err(|error| match error {
                TrySendError::Full(_) => ReloadError::Busy,
                TrySendError::Disconnected(_) => ReloadError::Ended,
            })?;
        Ok(answer)
    }

    fn admin(&self, backend: BackendRef, command: AdminCommand) -> Result<BackendId, AdminError> {
        let first = self.mailboxes.first().ok_or(AdminError::Ended)?;
        let reply = request(first, |reply| {
            Command::Admin(backend.clone(), command, reply)
        })?;
        let id = reply.recv().map_err(|_| AdminError::Ended)?;
        id.ok_or(AdminError::UnknownBackend(backend))
    }
}

/// Sends a command. Returns where its reply will come.
fn request<T>(
    to: &Mailbox,
    command: impl FnOnce(Sender<T>) -> Command,
) -> Result<Receiver<T>, Untaken> {
    let (sender, reply) = channel();
    to.command(command(sender))?;
    Ok(reply)
}

/// Subscribes at all of `workers`. At one that does not take it, nothing will come.
fn subscribe<T>(
    workers: &[Mailbox],
    waiting: usize,
    command: impl Fn(SyncSender<T>) -> Command,
) -> Receiver<T> {
    let (sender, receiver) = sync_channel(waiting);
    for worker in workers {
        let _ = worker.command(command(sender.clone()));
    }
    receiver
}
