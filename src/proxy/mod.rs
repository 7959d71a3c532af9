//! The proxy: owns every connection and exchange of a loop, and turns events into actions.
//!
//! It is the whole balancer but for the system calls: readiness, accepted connections and `now` go
//! in through a few methods, and every effect goes through a [`Network`]. The same code runs on
//! real sockets (see `net`) and in a simulation with scripted ones and a manual clock.
//!
//! A turn of the loop has named phases: events ([`Proxy::accepted`], [`Proxy::ready`]), work that
//! yielded ([`Proxy::resume_yielded`]), deadlines ([`Proxy::expire_deadlines`]), health
//! ([`Proxy::follow_backends`]), the queues ([`Proxy::serve_queue`]) and closing
//! ([`Proxy::close_all`]). Nothing is freed before the last, so an id that is valid at the start of
//! a phase is valid to its end.
//!
//! | file | owns |
//! |---|---|
//! | `traffic` | connections and exchanges: what makes an exchange step, and how it ends |
//! | `clients` | client connections between exchanges: PROXY header, reading requests, lingering |
//! | `dispatch` | from a request to a connection: picking, the queue, backend connections |
//! | `exchange/` | the automaton of one exchange |
//! | `connections` | the tables of connections and exchanges, and closing |
//! | `timers`, `run_queue`, `outbox`, `exchange_log`, `codec` | one concern each, lent for a call |
//! | `activity` | what is under way, for a snapshot |
//! | `steering` | a pool's strategy, changed while it serves |
//! | `membership` | backends that come and go |
//! | `renewal`, `continuity` | other settings, and connections under the settings before |
//! | `health_checks`, `heartbeats` | what tells of backends besides exchanges |

mod activity;
mod admin_command;
mod backend_conn;
mod client_conn;
mod clients;
mod codec;
mod connections;
mod continuity;
mod dispatch;
mod eviction;
mod exchange;
mod exchange_log;
mod health_checks;
mod heartbeats;
mod listener;
mod membership;
mod network;
mod outbox;
mod renewal;
mod report;
mod request_id;
mod routes;
mod run_queue;
mod steering;
mod timers;
mod traffic;
mod worker_message;

#[cfg(test)]
mod tests;

pub use admin_command::{AdminCommand, BackendRef};
pub use listener::Listener;
pub(crate) use membership::Known;
pub use membership::MemberRules;
pub use network::{Network, Token};
use renewal::Generation;
pub use renewal::Renewal;
pub use report::Report;
pub use request_id::RequestIds;
pub use routes::{Destination, Routes};
pub use steering::NewStrategy;
pub use worker_message::Message;

use crate::address::ClientAddress;
use crate::config::Health;
use crate::http::{DateLine, HeadParser};
use crate::ids::BackendConnId;
use crate::pool::{LimitChange, Pool, PoolId, Pools, State, StateChange};
use crate::strategy::{BackendId, Candidate};
use crate::telemetry::{AccessLog, BackendView, Metrics, Snapshot};
use crate::time::Timestamp;
use crate::transport::{IoContext, MemoryBudget, Readiness};
use activity::UnderWay;
use codec::Codec;
use connections::Connections;
use continuity::{Continuity, Superseded};
use eviction::Evictions;
use exchange_log::ExchangeLog;
use health_checks::HealthChecks;
use heartbeats::Heartbeats;
use outbox::Outbox;
use run_queue::{RunQueue, Runnable};
use std::borrow::Cow;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use timers::{Timer, Timers};
use traffic::Traffic;

/// Deadlines, queued exchanges or closed connections dealt with in one call, after which the loop
/// looks at its clock.
const STEPS_AT_ONCE: usize = 16;

/// How long a client that was served a moment ago may begin its last request when the proxy stops.
const LAST_REQUEST_TIME: Duration = Duration::from_millis(500);

/// Progress of a phase. A phase with more to do is called again: in this turn if there is time,
/// else in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// There was nothing to do.
    Idle,
    /// All is done.
    Done,
    /// There may be more to do at once.
    More,
}

impl Progress {
    /// All is done; `was_busy`: there was anything to do.
    const fn all(was_busy: bool) -> Self {
        match was_busy {
            true => Self::Done,
            false => Self::Idle,
        }
    }
}

/// All connections and exchanges of one loop.
pub struct Proxy<N: Network> {
    traffic: Traffic<N>,
    /// By number; `None` where one was removed.
    listeners: Vec<Option<Arc<Listener>>>,
    /// True if it decides about backends: it is the first or only one.
    decides: bool,
    /// The number of the worker, from 0.
    worker: usize,
    rules: MemberRules,
    generation: Generation,
    health_checks: HealthChecks<N::Stream>,
    heartbeats: Heartbeats<N::Stream>,
    /// Connections to close for newcomers.
    evictions: Evictions,
}

/// The parts of a proxy.
pub struct Parts<N: Network> {
    /// The outside.
    pub network: N,
    /// Source of pipes.
    pub pipes: N::Pipes,
    /// The listeners, in the order of the worker's.
    pub listeners: Vec<Listener>,
    /// The pools, of which there is at least one: each in the place that its id says.
    pub pools: Pools,
    /// Reads request and response heads.
    pub parser: HeadParser,
    /// Names requests that come without an id, if they are to be named.
    pub request_ids: Option<RequestIds>,
    /// Which backends may not be added.
    pub rules: MemberRules,
    /// Settings of the health checks of each pool.
    pub health: Vec<Health>,
    /// Spreads the checks in time; different in every process.
    pub seed: u64,
    /// Counters of records.
    pub metrics: Metrics,
    /// Writer of records.
    pub access_log: AccessLog,
}

impl<N: Network> Proxy<N> {
    /// A proxy without connections.
    pub fn new(parts: Parts<N>, now: Timestamp) -> Self {
        let listeners: Vec<_> = parts
            .listeners
            .into_iter()
            .map(Arc::new)
            .map(Some)
            .collect();
        let mut pools = parts.pools;
        for (pool, health) in pools.ids().zip(&parts.health) {
            if health_checks::see_hangs(health, &listeners) {
                pools.get_mut(pool).detect_hangs(health.interval, now);
            }
        }
        let first = &pools.get(PoolId::FIRST).backends;
        let (decides, worker) = (first.decides(), first.worker());
        let mut proxy = Self {
            decides,
            worker,
            rules: parts.rules,
            generation: Generation::default(),
            health_checks: HealthChecks::new(parts.health, parts.seed, now),
            listeners,
            heartbeats: Heartbeats::new(),
            evictions: Evictions::default(),
            traffic: Traffic {
                network: parts.network,
                pools,
                conns: Connections::new(),
                codec: Codec {
                    parser: parts.parser,
                    request_ids: parts.request_ids,
                    head_out: Vec::new(),
                    unverified: None,
                    is_again: false,
                    date: DateLine::default(),
                },
                io: IoContext::new(parts.pipes),
                timers: Timers::new(now),
                run_queue: RunQueue::default(),
                log: ExchangeLog::new(parts.metrics, parts.access_log),
                outbox: Outbox::default(),
                continuity: Continuity::Unchanged,
                superseded: Superseded::default(),
            },
        };
        if decides {
            proxy.start_health_checks(now);
        }
        proxy
    }

    /// Takes over a connection that was accepted from `address` by `listener` (an index).
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub fn accepted(
        &mut self,
        stream: N::Stream,
        address: impl Into<ClientAddress>,
        listener: u16,
        now: Timestamp,
    ) -> io::Result<()> {
        let Some(Some(listener)) = self.listeners.get(usize::from(listener)) else {
            return Ok(());
        };
        if listener.is_closing {
            self.traffic.note_closing(listener);
        }
        self.traffic.accepted(stream, address.into(), listener, now)
    }

    /// Closes one client connection that serves no exchange, at the end of this turn, for one that
    /// waits to be accepted. Returns whether there was one.
    pub fn make_room(&mut self, now: Timestamp) -> bool {
        let traffic = &mut self.traffic;
        let Some(id) = self
            .evictions
            .next(&mut traffic.conns, &traffic.timers, now)
        else {
            return false;
        };
        traffic.conns.close_client(id, &mut traffic.io.buffers);
        true
    }

    /// Passes on what an event says of a socket. Late events for a socket that is gone, or about
    /// to be, are ignored.
    pub fn ready(&mut self, token: Token, ready: Readiness, now: Timestamp) {
        match token {
            Token::ClientConn(id) => self.traffic.client_ready(id, ready, now),
            Token::BackendConn(id) => self.backend_ready(id, ready, now),
            Token::Check(id) => self.check_ready(id, ready, now),
            Token::HeartbeatConn(id) => self.heartbeat_conn_ready(id, ready, now),
        }
    }

    /// The same for a backend connection.
    pub fn backend_ready(&mut self, id: BackendConnId, ready: Readiness, now: Timestamp) {
        self.traffic.backend_ready(id, ready, now);
    }

    /// As [`ready`](Self::ready) when there is no time left for events in this turn: notes what the
    /// event says, and has the work done in its turn. What costs little is done at once, so that a
    /// connection whose end is known is not used for a request.
    #[cold]
    pub fn ready_later(&mut self, token: Token, ready: Readiness, now: Timestamp) {
        match token {
            Token::ClientConn(id) => self.traffic.client_ready_later(id, ready),
            Token::BackendConn(id) => self.backend_ready_later(id, ready, now),
            Token::Check(id) => self.check_ready(id, ready, now),
            Token::HeartbeatConn(id) => self.heartbeat_conn_ready(id, ready, now),
        }
    }

    /// The same for a backend connection.
    #[cold]
    pub fn backend_ready_later(&mut self, id: BackendConnId, ready: Readiness, now: Timestamp) {
        self.traffic.backend_ready_later(id, ready, now);
    }

    /// Returns when the proxy must be called again at the latest, event or not.
    #[must_use]
    pub fn next_wakeup(&self) -> Timestamp {
        if !self.traffic.run_queue.is_empty() {
            return Timestamp::ZERO;
        }
        let pools = self.traffic.pools.iter().map(Pool::next_wakeup);
        pools.fold(self.traffic.timers.next_wakeup(), Timestamp::min)
    }
}

/// Memory.
impl<N: Network> Proxy<N> {
    /// Counts the memory of its buffers in `memory` from now on, and sheds requests while that is
    /// exceeded. Before the first connection.
    pub fn limit_memory(&mut self, memory: MemoryBudget) {
        self.traffic.io.buffers.count_in(memory);
    }
}

/// The phases that end a turn.
impl<N: Network> Proxy<N> {
    /// Runs all phases that follow the events to their ends, at one instant: for a driver without a
    /// clock of its own, as in a simulation. The event loop calls each phase itself, to time and
    /// bound it.
    pub fn finish_turn(&mut self, now: Timestamp) {
        for _ in 0..self.runnable() {
            if !self.resume_new(now) {
                self.resume_yielded(now);
            }
        }
        while self.expire_deadlines(now) == Progress::More {}
        self.follow_backends(now);
        while self.serve_queue(now) == Progress::More {}
        self.close_all();
    }

    /// Entries of the run queue. Work that yields again joins its end.
    #[must_use]
    pub fn runnable(&self) -> usize {
        self.traffic.run_queue.len()
    }

    /// Takes up what has waited longest since an event for which there was no time. Returns whether
    /// there was anything.
    pub fn resume_new(&mut self, now: Timestamp) -> bool {
        let runnable = self.traffic.run_queue.pop_new();
        self.resume(runnable, now)
    }

    /// Goes on with what yielded first. Returns whether there was anything.
    pub fn resume_yielded(&mut self, now: Timestamp) -> bool {
        let runnable = self.traffic.run_queue.pop_yielded();
        self.resume(runnable, now)
    }

    fn resume(&mut self, runnable: Option<Runnable>, now: Timestamp) -> bool {
        match runnable {
            None => return false,
            Some(Runnable::Client(id)) => self.traffic.resume_client(id, now),
            Some(Runnable::Exchange(id)) => self.traffic.resume_exchange(id, now),
            Some(Runnable::Redispatch(id, pool, backend)) => {
                self.traffic.redispatch(id, pool, backend, now);
            }
            Some(Runnable::Heartbeats) => self.run_heartbeats(now),
        }
        true
    }

    /// The deadline phase: ends some of the waits that are over.
    pub fn expire_deadlines(&mut self, now: Timestamp) -> Progress {
        match self.traffic.timers.is_any_due(now) {
            true => self.expire_some(now),
            false => Progress::Idle,
        }
    }

    #[inline(never)]
    fn expire_some(&mut self, now: Timestamp) -> Progress {
        self.traffic.timers.expire(now);
        for count in 0..STEPS_AT_ONCE {
            let Some(timer) = self.traffic.timers.next_fired() else {
                return Progress::all(count > 0);
            };
            if self.traffic.timers.is_due(timer, now) {
                self.timer_due(timer, now);
            }
        }
        Progress::More
    }

    /// The loop did not run for `pause` (the process was stopped, the machine frozen, a strategy
    /// slept): moves all deadlines later by that. Nothing that arrived meanwhile was read, so no
    /// peer is late for it.
    pub fn postpone_deadlines(&mut self, pause: Duration) {
        self.traffic.timers.postpone(pause);
        for id in self.traffic.conns.exchanges.ids() {
            let exchange = self.traffic.conns.exchanges.get_mut(id);
            if let Some(timeout) = exchange.and_then(|exchange| exchange.timeout.as_mut()) {
                timeout.postpone(pause);
            }
        }
        self.health_checks.postpone(pause);
        self.heartbeats.postpone(pause);
    }

    fn timer_due(&mut self, timer: Timer, now: Timestamp) {
        match timer {
            Timer::Client(slot) => {
                if let Some(id) = self.traffic.conns.clients.occupant(slot as usize) {
                    self.traffic.client_due(id, now);
                }
            }
            Timer::Backend(slot) => {
                if let Some(id) = self.traffic.conns.backends.occupant(slot as usize) {
                    self.traffic.backend_due(id, now);
                }
            }
            Timer::Exchange(slot) => {
                if let Some(id) = self.traffic.conns.exchanges.occupant(slot as usize) {
                    self.traffic.exchange_due(id, now);
                }
            }
            Timer::HealthChecks => self.health_checks_due(now),
            Timer::Heartbeats => self.heartbeats_due(now),
        }
    }

    /// The health phase: looks for hanging backends, and follows changes of state. Returns whether
    /// there was anything to do.
    pub fn follow_backends(&mut self, now: Timestamp) -> bool {
        self.traffic.pools.any(|pool| pool.is_due(now)) && self.follow_due(now)
    }

    #[inline(never)]
    fn follow_due(&mut self, now: Timestamp) -> bool {
        let mut has_looked = false;
        for pool in self.traffic.pools.ids() {
            if let Some(suspects) = self.traffic.pools.get_mut(pool).suspects(now) {
                has_looked = true;
                for (backend, waited) in suspects {
                    if self.traffic.is_blamed(pool, backend) {
                        self.suspect(pool, backend, waited, now);
                    }
                }
            }
            let backends = &mut self.traffic.pools.get_mut(pool).backends;
            backends.pass_time(now);
            if let Some(change) = backends.take_limit_change() {
                self.traffic.outbox.limit_change(change);
            }
            has_looked |= self.follow_changes(pool, now);
        }
        has_looked
    }

    /// The queue phase: serves the queues as far as there is room, some of each. Comes after all
    /// that releases a backend: nothing else would call those that wait for it.
    pub fn serve_queue(&mut self, now: Timestamp) -> Progress {
        match self.traffic.pools.any(|pool| !pool.queue.is_unused()) {
            true => self.serve_some(now),
            false => Progress::Idle,
        }
    }

    #[inline(never)]
    fn serve_some(&mut self, now: Timestamp) -> Progress {
        let mut progress = Progress::Idle;
        for pool in self.traffic.pools.ids() {
            progress = progress.max(self.traffic.serve_queue_of(pool, STEPS_AT_ONCE, now));
        }
        progress
    }

    /// The closing phase: frees some of what was closed.
    pub fn close_some(&mut self) -> Progress {
        let traffic = &mut self.traffic;
        match traffic.conns.has_closed() {
            true => traffic.conns.close_some(STEPS_AT_ONCE, &mut traffic.timers),
            false => Progress::Idle,
        }
    }

    /// Frees all that was closed.
    fn close_all(&mut self) {
        while self.close_some() == Progress::More {}
    }
}

/// Backends: commands, and what follows from changes.
impl<N: Network> Proxy<N> {
    /// Executes an admin command. Returns the id of the backend; `None` if there is no such
    /// backend.
    pub fn execute(
        &mut self,
        backend: &BackendRef,
        command: AdminCommand,
        now: Timestamp,
    ) -> Option<BackendId> {
        let backend = match backend {
            BackendRef::Id(id) => *id,
            BackendRef::Name(name) => self.traffic.pools.find(name)?,
        };
        let pool = backend.pool();
        let backends = &mut self.traffic.pools.get_mut(pool).backends;
        let is_here = match command {
            AdminCommand::Drain => backends.drain(backend, now),
            AdminCommand::Disable => backends.disable(backend, now),
            AdminCommand::Enable => backends.undrain(backend, now),
            AdminCommand::Weight(weight) => {
                let is_here = backends.set_weight(backend, weight);
                self.traffic
                    .tell_others(pool, Message::Weighed(pool, backend, weight));
                is_here
            }
            AdminCommand::MaxConnections(max) => {
                let max = max.map(NonZeroU32::get);
                let is_here = self.traffic.pools.get_mut(pool).limit(backend, max);
                self.traffic
                    .tell_others(pool, Message::Limited(pool, backend, max));
                is_here
            }
            AdminCommand::Hold(hold) => backends.hold(backend, hold, now),
            AdminCommand::Remove(drain) => backends.depart(backend, now + drain, now),
        };
        is_here.then_some(backend)
    }

    /// Follows the changes of a pool's backends. Returns whether there were any.
    fn follow_changes(&mut self, pool: PoolId, now: Timestamp) -> bool {
        let mut changes = self.traffic.pools.get_mut(pool).backends.take_changes();
        if changes.is_empty() {
            self.reclaim(pool);
            return false;
        }
        for change in &changes {
            self.follow(pool, change, now);
            self.traffic
                .tell_others(pool, Message::Changed(pool, change.clone()));
        }
        for change in &mut changes {
            change.name = self
                .traffic
                .pools
                .qualified(pool, &change.name)
                .into_owned();
        }
        self.traffic.outbox.state_changes(changes);
        self.reclaim(pool);
        true
    }

    /// Does what follows from one change: a backend that is out loses its idle connections, and one
    /// that is silent the exchanges that wait for it.
    fn follow(&mut self, pool: PoolId, change: &StateChange, now: Timestamp) {
        if change.cause.is_silence() {
            self.traffic.redispatch_waiting(pool, change.backend, now);
        }
        match change.to {
            State::Removed => self.removed(pool, change.backend, now),
            State::Ejected { .. } | State::Draining | State::Disabled => {
                for conn in self.traffic.pools.get(pool).idle.of(change.backend) {
                    self.traffic.close_backend(conn);
                }
            }
            State::Initial | State::Healthy => {}
            State::Probation { .. } | State::SlowStart { .. } => {}
        }
    }

    /// Takes a message of another worker.
    pub fn receive(&mut self, message: Message, now: Timestamp) {
        match message {
            Message::Noticed(pool, signal) => {
                self.traffic
                    .pools
                    .get_mut(pool)
                    .backends
                    .notice(signal, now);
            }
            Message::Verified(client) => self.traffic.verified(client, now),
            Message::Suspected(pool, backend, waited) => self.suspect(pool, backend, waited, now),
            Message::Silent(pool, backend) => self.traffic.redispatch_waiting(pool, backend, now),
            Message::Changed(pool, change) => {
                self.traffic
                    .pools
                    .get_mut(pool)
                    .backends
                    .adopt(&change, now);
                self.follow(pool, &change, now);
            }
            Message::Weighed(pool, backend, weight) => {
                let backends = &mut self.traffic.pools.get_mut(pool).backends;
                backends.set_weight(backend, weight);
            }
            Message::Steered(pool, strategy) => self.follow_strategy(pool, &strategy, now),
            Message::Limited(pool, backend, max) => {
                self.traffic.pools.get_mut(pool).limit(backend, max);
            }
            Message::Added(pool, admitted) => {
                if self.traffic.pools.holds(pool) {
                    let pool = self.traffic.pools.get_mut(pool);
                    pool.follow_admission(&admitted, now);
                }
            }
            Message::Moved(pool, moved) => {
                if self.traffic.pools.holds(pool) {
                    self.moved(pool, &moved);
                }
            }
            Message::LetGo(pool, backend) => {
                self.traffic
                    .pools
                    .get_mut(pool)
                    .backends
                    .let_go_elsewhere(backend);
            }
        }
    }
}

/// Events that the loop takes and reports once a turn.
impl<N: Network> Proxy<N> {
    /// Returns whether backends or heartbeats have events to report.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.traffic.outbox.has_state_changes()
            || self.traffic.outbox.has_limit_changes()
            || self.heartbeats.has_events()
    }

    /// Takes the changes of learned limits since the last time.
    pub fn take_limit_changes(&mut self) -> Vec<LimitChange> {
        self.traffic.outbox.take_limit_changes()
    }

    /// Takes the state changes since the last time.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        self.traffic.outbox.take_state_changes()
    }

    /// Takes the messages for other workers: from the first to all others, from another to the
    /// first.
    pub fn take_messages(&mut self) -> Vec<Message> {
        for pool in self.traffic.pools.ids() {
            for signal in self.traffic.pools.get_mut(pool).backends.take_signals() {
                self.traffic.outbox.message(Message::Noticed(pool, signal));
            }
        }
        self.traffic.outbox.take_messages()
    }

    /// The worker to wake, because there is room for an exchange that waits there.
    pub fn take_call(&mut self) -> Option<usize> {
        self.traffic.outbox.take_worker_to_wake()
    }

    /// Takes the log lines written since the last time; empty if there is no access log.
    pub fn take_log_lines(&mut self) -> Vec<u8> {
        self.traffic.log.take_lines()
    }

    /// Tells the proxy what the wall clock showed at `now`, for its log lines.
    pub fn set_wall_clock(&mut self, wall: Duration, now: Timestamp) {
        self.traffic.log.set_wall_clock(wall, now);
        self.traffic.codec.date.set_wall_clock(wall, now);
    }

    /// Client connections open now.
    #[must_use]
    pub fn open_clients(&self) -> usize {
        self.traffic.conns.clients.len()
    }

    /// Buffers taken and not given back. Without connections there are none.
    #[must_use]
    pub fn buffers_lent(&self) -> usize {
        self.traffic.io.buffers.lent()
    }

    /// Returns its counters, for the first worker to add up.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> Report {
        Report {
            under_way: self.under_way(now),
            metrics: self.traffic.log.metrics.clone(),
            connections_open: self.open_clients() as u64,
        }
    }

    /// A snapshot as of `now`.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let under_way = self.under_way(now);
        self.show(
            &self.traffic.log.metrics,
            self.open_clients() as u64,
            &under_way,
            now,
        )
    }

    fn show(&self, metrics: &Metrics, open: u64, under_way: &UnderWay, now: Timestamp) -> Snapshot {
        let named: Vec<_> = self.live_backends().collect();
        let views = named.iter().map(|(candidate, name)| {
            let backends = &self.traffic.pools.get(candidate.id.pool()).backends;
            BackendView {
                id: candidate.id,
                name,
                state: backends.state(candidate.id).map_or("removed", |s| s.word()),
                in_flight: candidate.in_flight,
            }
        });
        let mut snapshot = metrics.snapshot(now, open, views);
        self.show_standing(&mut snapshot, metrics, under_way, now);
        self.report_heartbeats(&mut snapshot, now);
        self.show_generation(&mut snapshot);
        let pools = self.traffic.pools.iter().map(|pool| &pool.backends);
        let learning: Vec<_> = pools.filter(|pool| pool.learns_limit()).collect();
        if !learning.is_empty() {
            let serial = learning.iter().filter(|pool| pool.is_serial()).count();
            snapshot.serial_pools = Some(serial as u64);
        }
        snapshot
    }

    /// The backends of all pools, with the names by which people tell them apart.
    fn live_backends(&self) -> impl Iterator<Item = (&Candidate, Cow<'_, str>)> {
        self.traffic.pools.iter().flat_map(|pool| {
            let candidates = pool.backends.candidates().iter().filter(|c| c.live);
            candidates.map(|candidate| {
                let name = pool.backends.name(candidate.id).unwrap_or("?");
                (
                    candidate,
                    self.traffic.pools.qualified(candidate.id.pool(), name),
                )
            })
        })
    }
}

/// Stopping.
impl<N: Network> Proxy<N> {
    /// Begins to stop: idle connections are closed now, the others after the exchange they serve.
    /// Clients that were served a moment ago are given a moment for their next request, which may be on
    /// its way: its response says that the connection closes, where closing at once would lose a
    /// request that may not be repeated. No connection may be handed over from now on.
    pub fn stop(&mut self, now: Timestamp) {
        self.traffic.continuity = Continuity::Stopping;
        self.health_checks.stop();
        self.heartbeats.stop();
        for id in self.traffic.conns.idle_clients() {
            self.traffic.close_soon(id, now);
        }
        for id in self.traffic.conns.idle_backends() {
            self.traffic.close_backend(id);
        }
    }

    /// Cuts off what is still open. Every exchange gets its record.
    pub fn abandon(&mut self, now: Timestamp) {
        self.traffic.continuity = Continuity::Stopping;
        for id in self.traffic.conns.exchanges.ids() {
            if let Some(exchange) = self.traffic.conns.exchanges.get_mut(id) {
                exchange.is_runnable = false;
            }
            // This tries once to deliver the reply that it makes.
            self.traffic
                .fail(id, crate::error::Fault::ShuttingDown, now);
            self.traffic.finish(id, now);
        }
        for id in self.traffic.conns.clients.ids() {
            self.traffic
                .conns
                .close_client(id, &mut self.traffic.io.buffers);
        }
        self.close_all();
    }

    /// Returns whether a stopped proxy has nothing left to finish.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.traffic.conns.clients.len() == 0
    }
}
