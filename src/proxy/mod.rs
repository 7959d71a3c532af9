//! The server: owns every connection and exchange, and turns events into actions.
//!
//! It is the whole balancer but for the system calls: readiness, accepted connections and `now`
//! go in through a few methods, and everything it does to the outside goes through a
//! [`Network`]. So the same code runs on real sockets (see `net`) and in a simulation with
//! scripted ones and a manual clock.
//!
//! A turn of the loop has named phases: events ([`Proxy::accepted`], [`Proxy::ready`]), work that
//! yielded ([`Proxy::resume_next`]), deadlines ([`Proxy::expire_deadlines`]), health
//! ([`Proxy::follow_backends`]), the queue ([`Proxy::serve_queue`]) and closing
//! ([`Proxy::close_all`]). Nothing is freed before the last of them, so an id that is valid at the
//! start of a phase is valid to its end.
//!
//! The path of a request: `request` (read and parse a head, start an exchange), `dispatch` (pick a
//! backend, find or open a link), `drive` (the transition function of an exchange), `response`
//! (read the head of the answer), `finish_exchange` (record, and what becomes of the client).

mod admin_command;
mod arena;
mod backend_conn;
mod client_conn;
mod closing;
mod connections;
mod deadlines;
mod dispatch;
mod drive;
mod exchange;
mod failure;
mod finish;
mod hang_detection;
mod health_checks;
mod heartbeat_conns;
mod heartbeats;
mod idle_conns;
mod log_fields;
mod network;
mod proxy_header;
mod queue;
mod report;
mod request;
mod request_id;
mod response;
mod retry_budget;
mod stopping;
mod timeout;
mod tunnel;
mod turn;
mod worker_message;

#[cfg(test)]
mod tests;

pub use admin_command::AdminCommand;
pub use arena::{BackendConnId, CheckerId, ClientConnId, ExchangeId, HeartbeatConnId};
pub use network::{Network, Token};
pub use report::Report;
pub use request_id::RequestIds;
pub use worker_message::Message;

use crate::address::{Address, ClientAddress};
use crate::config::{Health, Limits, Mode, Timeouts};
use crate::http::{ForwardPolicy, HeadLimits, HeadParser};
use crate::pool::{Pool, StateChange};
use crate::proxy_protocol;
use crate::strategy::{KeySource, Sticky};
use crate::telemetry::{AccessLog, Metrics};
use crate::time::Timestamp;
use crate::timers::Wheel;
use crate::transport::IoContext;
use arena::{Arena, OfChecker};
use client_conn::ClientConn;
use connections::Connections;
use health_checks::Checker;
use heartbeats::Heartbeats;
use idle_conns::IdleLinks;
use queue::Queue;
use retry_budget::RetryBudget;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// What a server is told at its start.
#[derive(Debug)]
pub struct Settings {
    /// What is balanced.
    pub mode: Mode,
    /// How long it waits for what.
    pub timeouts: Timeouts,
    /// How much of what is allowed.
    pub limits: Limits,
    /// How backends are checked.
    pub health: Health,
    /// Spreads the checks in time; different in every process.
    pub seed: u64,
    /// The `Host` that backends are asked for; `None`: the one the client asked.
    pub host: Option<String>,
    /// The form in which backends are told of clients ahead of everything else, if they are.
    /// Their connections then serve one client each.
    pub send_proxy: Option<proxy_protocol::Version>,
}

/// All connections and exchanges of one loop.
pub struct Proxy<N: Network> {
    network: N,
    settings: Settings,
    conns: Connections<N>,
    idle: IdleLinks,
    queue: Queue,
    pool: Pool,
    key_source: KeySource,
    /// Where each backend is, by slot. All addresses of a name are attempted.
    addresses: Vec<Vec<Address>>,
    /// Who checks which backend; none if backends are not checked.
    checkers: Arena<OfChecker, Checker<N::Stream>>,
    /// What backends say of themselves, if that is listened to.
    heartbeats: Option<Heartbeats<N::Stream>>,
    /// When it is next looked for backends that do not answer.
    next_hang_check: Timestamp,
    retry_budget: RetryBudget,
    /// What has changed in the life of backends and nobody has asked for yet.
    changes: Vec<StateChange>,
    /// What the other workers are to be told, if there are any.
    messages: Vec<Message>,
    /// The worker that is to be woken for somebody who waits there.
    call: Option<usize>,
    wheel: Wheel<Token>,
    due: Vec<Token>,
    io: IoContext<N::Pipes>,
    parser: HeadParser,
    forward: Vec<ForwardPolicy>,
    accepts_proxy: Vec<bool>,
    request_ids: Option<RequestIds>,
    sticky: Option<Sticky>,
    /// Where the head of a response is put together.
    head_out: Vec<u8>,
    run_queue: VecDeque<Runnable>,
    closing: Vec<Token>,
    metrics: Metrics,
    access_log: AccessLog,
    log_lines: Vec<u8>,
    /// The wall-clock time at [`Timestamp::ZERO`], since the Unix epoch.
    wall_at_zero: Duration,
    stopping: bool,
}

/// Something that can go on at once, but lets others have their turn first.
#[derive(Clone, Copy, Debug)]
enum Runnable {
    /// Look for the next request.
    ClientConn(ClientConnId),
    /// Go on with an exchange.
    Exchange(ExchangeId),
    /// Throw away more of what a client sends.
    Lingering(ClientConnId),
    /// Read more heartbeats.
    HeartbeatConn(HeartbeatConnId),
}

/// What a server is made of, besides its settings.
pub struct Parts<N: Network> {
    /// The outside.
    pub network: N,
    /// Where pipes come from.
    pub pipes: N::Pipes,
    /// What backends are told of the clients, for each listener.
    pub forward: Vec<ForwardPolicy>,
    /// Whether a PROXY header comes first, for each listener; it does not where nothing is said.
    pub accepts_proxy: Vec<bool>,
    /// Names requests that come without a name, if they are to be named.
    pub request_ids: Option<RequestIds>,
    /// Which cookie binds a client to a backend, if any does.
    pub sticky: Option<Sticky>,
    /// The pool of backends.
    pub pool: Pool,
    /// Which part of a request the strategy wants as a key.
    pub key_source: KeySource,
    /// The addresses of each backend, in the order of the pool.
    pub addresses: Vec<Vec<Address>>,
    /// Where records are counted.
    pub metrics: Metrics,
    /// Where records are written down.
    pub access_log: AccessLog,
}

impl<N: Network> Proxy<N> {
    /// A server without connections.
    pub fn new(settings: Settings, parts: Parts<N>, now: Timestamp) -> Self {
        let mut server = Self {
            parser: HeadParser::new(head_limits(&settings.limits)),
            forward: parts.forward,
            accepts_proxy: parts.accepts_proxy,
            request_ids: parts.request_ids,
            sticky: parts.sticky,
            settings,
            conns: Connections::new(),
            idle: IdleLinks::new(parts.addresses.len()),
            queue: Queue::default(),
            pool: parts.pool,
            key_source: parts.key_source,
            addresses: parts.addresses,
            checkers: Arena::new(),
            heartbeats: None,
            next_hang_check: now,
            retry_budget: RetryBudget::among(1),
            changes: Vec::new(),
            messages: Vec::new(),
            call: None,
            wheel: Wheel::new(now),
            due: Vec::new(),
            io: IoContext::new(parts.pipes),
            head_out: Vec::new(),
            run_queue: VecDeque::new(),
            closing: Vec::new(),
            metrics: parts.metrics,
            access_log: parts.access_log,
            log_lines: Vec::new(),
            wall_at_zero: Duration::ZERO,
            stopping: false,
            network: parts.network,
        };
        if server.pool.decides() {
            server.start_checks(now);
        }
        server
    }

    /// Client connections open now.
    #[must_use]
    pub fn open_clients(&self) -> usize {
        self.conns.clients.len()
    }

    /// Buffers taken and not given back. When nobody is connected there are none.
    #[must_use]
    pub fn buffers_lent(&self) -> usize {
        self.io.buffers.lent()
    }

    /// Takes over a connection that was accepted from `address` by a listener (an index). In TCP mode a backend is picked
    /// at once: the server side may be the one that speaks first.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub fn accepted(
        &mut self,
        io: N::Stream,
        address: impl Into<ClientAddress>,
        listener: u16,
        now: Timestamp,
    ) -> io::Result<()> {
        let address = address.into();
        let client = |left| ClientConn::new(io, address, listener, left);
        let id = self.conns.clients.insert_after(client);
        if let Some(client) = self.conns.clients.get_mut(id) {
            let stream = client.conn.socket.io_mut();
            if let Err(error) = self.network.register(stream, Token::ClientConn(id)) {
                self.conns.remove_client(id);
                return Err(error);
            }
        }
        self.metrics.accepted();
        match self.accepts_proxy.get(usize::from(listener)) {
            Some(true) => self.await_proxy_header(id, now),
            Some(false) | None => self.begin_service(id, now),
        }
        Ok(())
    }

    /// Begins to serve a client whose address is known.
    fn begin_service(&mut self, id: ClientConnId, now: Timestamp) {
        match self.settings.mode {
            Mode::Http => self.await_request(id, now),
            Mode::Tcp => self.begin_tunnel(id, now),
        }
    }
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        max_bytes: limits.max_head_bytes,
        max_fields: limits.max_head_fields,
        max_target_bytes: limits.max_target_bytes,
        ..HeadLimits::default()
    }
}
