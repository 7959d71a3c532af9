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
//! | `turn` | the phases that end a turn, and stopping |
//! | `backends` | commands, backends that come and go, and what follows from their changes |
//! | `membership`, `steering` | which backends may come, and other strategies |
//! | `renewal`, `continuity` | other settings, and connections under the settings before |
//! | `health_checks`, `heartbeats` | what tells of backends besides exchanges |
//! | `view`, `activity`, `report` | snapshots for people, and what other workers add to them |

mod activity;
mod admin_command;
mod backend_conn;
mod backends;
mod client_conn;
mod clients;
mod codec;
mod connections;
mod continuity;
mod dispatch;
mod eviction;
mod exchange;
mod exchange_log;
mod handshakes;
mod health_checks;
mod heartbeats;
mod listener;
mod listeners;
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
mod turn;
mod view;
mod worker_message;

#[cfg(test)]
mod tests;

pub use admin_command::{AdminCommand, BackendRef};
pub use backends::BackendControl;
pub use listener::{Listener, ListenerTls};
pub use membership::MemberRules;
pub use network::{Network, Token};
use renewal::Generation;
pub use renewal::Renewal;
pub use report::Report;
pub use request_id::RequestIds;
pub use routes::{Destination, Routes};
pub use steering::NewStrategy;
pub(crate) use steering::key_of_text;
pub use turn::Progress;
pub use view::View;
pub use worker_message::Message;

use crate::address::ClientAddress;
use crate::config::Health;
use crate::health::CheckId;
use crate::heartbeat::{HeartbeatConnId, HeartbeatEvent, HeartbeatKey};
use crate::http::{DateLine, HeadParser};
use crate::ids::BackendConnId;
use crate::pool::{LimitChange, Pool, PoolId, Pools, StateChange};
use crate::telemetry::{AccessLog, Metrics, Sample};
use crate::time::Timestamp;
use crate::tls::Vault;
use crate::transport::{IoContext, MemoryBudget, Readiness};
use codec::Codec;
use connections::Connections;
use continuity::{Continuity, Superseded};
use eviction::Evictions;
use exchange_log::ExchangeLog;
use handshakes::Handshakes;
use health_checks::{HealthChecks, see_hangs};
use heartbeats::Heartbeats;
use listeners::Listeners;
use outbox::Outbox;
use run_queue::RunQueue;
use std::io;
use std::time::Duration;
use timers::Timers;
use traffic::Traffic;

/// How long a client that was served a moment ago may begin its last request when the proxy stops.
const LAST_REQUEST_TIME: Duration = Duration::from_millis(500);

/// All connections and exchanges of one loop.
pub struct Proxy<N: Network> {
    traffic: Traffic<N>,
    listeners: Listeners,
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
        let listeners = Listeners::new(parts.listeners);
        let mut pools = parts.pools;
        for (pool, health) in pools.ids().zip(&parts.health) {
            if see_hangs(health, &listeners) {
                pools.get_mut(pool).detect_hangs(health.interval, now);
            }
        }
        let decides = pools.get(PoolId::FIRST).backends.decides();
        let mut proxy = Self {
            rules: parts.rules,
            generation: Generation::default(),
            health_checks: HealthChecks::new(parts.health, parts.seed, decides, now),
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
                handshakes: Handshakes::default(),
                vault: Vault::default(),
            },
        };
        let limits = proxy.listeners.head_limits();
        proxy
            .health_checks
            .start_all(&mut proxy.traffic, limits, now);
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
        let Some(listener) = self.listeners.get(listener) else {
            return Ok(());
        };
        if listener.is_closing {
            self.traffic.note_closing(listener);
        }
        self.traffic.accepted(stream, address.into(), listener, now)
    }

    /// Closes one client connection that serves no exchange, at the end of this turn or of the next,
    /// for one that waits to be accepted. Returns whether there was one.
    pub fn make_room(&mut self, now: Timestamp) -> bool {
        let traffic = &mut self.traffic;
        let Some(id) = self
            .evictions
            .next(&mut traffic.conns, &traffic.timers, now)
        else {
            return false;
        };
        traffic.evict(id, now);
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

    #[inline(never)]
    fn check_ready(&mut self, id: CheckId, ready: Readiness, now: Timestamp) {
        let (traffic, heartbeats) = (&mut self.traffic, &self.heartbeats);
        self.health_checks
            .ready((id, ready), traffic, heartbeats, now);
    }

    #[inline(never)]
    fn heartbeat_conn_ready(&mut self, id: HeartbeatConnId, ready: Readiness, now: Timestamp) {
        let (traffic, checks) = (&mut self.traffic, &mut self.health_checks);
        self.heartbeats.ready((id, ready), traffic, checks, now);
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
        self.traffic.vault.count_in(memory.clone());
        self.traffic.io.buffers.count_in(memory);
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
        self.traffic.io.buffers.lent() + self.traffic.vault.buffers_lent()
    }

    /// The exchanges that have ended since the last look.
    pub(crate) fn look(&mut self, now: Timestamp) -> Vec<Sample> {
        self.traffic.log.look(now)
    }
}

/// What others ask.
impl<N: Network> Proxy<N> {
    /// A look at all of it, for people.
    #[must_use]
    pub const fn view(&self) -> View<'_, N> {
        View {
            traffic: &self.traffic,
            heartbeats: &self.heartbeats,
            generation: &self.generation,
        }
    }

    /// The same with candidates that show what the other workers have done up to now.
    #[must_use]
    pub fn fresh_view(&mut self) -> View<'_, N> {
        for pool in self.traffic.pools.ids() {
            self.traffic.pools.get_mut(pool).backends.refresh_all();
        }
        self.view()
    }

    /// Its pools.
    #[must_use]
    pub const fn pools(&self) -> &Pools {
        &self.traffic.pools
    }

    /// The number of its worker, from 0.
    pub(crate) fn worker(&self) -> usize {
        self.traffic.pools.get(PoolId::FIRST).backends.worker()
    }

    /// Whether connections are balanced byte for byte by this pool.
    pub(crate) fn serves_tcp(&self, pool: PoolId) -> bool {
        self.listeners.serve_tcp(pool)
    }
}

/// Backends and what tells of them.
impl<N: Network> Proxy<N> {
    /// Control of the backends, of all pools.
    #[must_use]
    pub fn backends(&mut self) -> BackendControl<'_, N> {
        BackendControl {
            traffic: &mut self.traffic,
            health_checks: &mut self.health_checks,
            heartbeats: &mut self.heartbeats,
            rules: &self.rules,
            limits: self.listeners.head_limits(),
        }
    }

    /// Accepts heartbeats from now on, on up to `max_conns` connections too. With a `key`, all
    /// that are not signed with it are rejected.
    pub fn receive_heartbeats(
        &mut self,
        key: Option<HeartbeatKey>,
        max_conns: usize,
        now: Timestamp,
    ) {
        self.heartbeats.receive(key, max_conns, now);
    }

    /// Accepts heartbeats signed with this key from now on, or unsigned ones without one.
    pub(crate) fn set_heartbeat_key(&mut self, key: Option<HeartbeatKey>) {
        self.heartbeats.set_key(key);
    }

    /// Takes a datagram. The wall clock must have been [set](Self::set_wall_clock) lately.
    pub fn heartbeat_datagram(&mut self, datagram: &[u8], from: ClientAddress, now: Timestamp) {
        let (traffic, checks) = (&mut self.traffic, &mut self.health_checks);
        self.heartbeats
            .datagram((datagram, from), traffic, checks, now);
    }

    /// Takes over a connection that was accepted for heartbeats.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub fn heartbeat_conn_accepted(
        &mut self,
        io: N::Stream,
        from: ClientAddress,
        now: Timestamp,
    ) -> io::Result<()> {
        self.heartbeats.accepted(io, from, &mut self.traffic, now)
    }

    /// Takes the events of heartbeats since the last time.
    pub fn take_heartbeat_events(&mut self) -> Vec<HeartbeatEvent> {
        self.heartbeats.take_events()
    }
}
