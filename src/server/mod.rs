//! The server: owns every connection and exchange, and turns events into actions.
//!
//! It is the whole balancer but for the system calls: readiness, accepted connections and `now`
//! go in through a few methods, and everything it does to the outside goes through a
//! [`Network`]. So the same code runs on real sockets (see `net`) and in a simulation with
//! scripted ones and a manual clock.
//!
//! A turn of the loop has named phases: events ([`Server::accepted`], [`Server::ready`]), then
//! [`Server::finish_turn`]: work that had to yield, deadlines, the queue, closing. Nothing is freed
//! before the last of them, so an id that is good at the start of a phase is good to its end.
//!
//! The path of a request: `request` (read and parse a head, start an exchange), `dispatch` (pick a
//! backend, find or open a link), `drive` (the transition function of an exchange), `response`
//! (read the head of the answer), `conclude` (record, and what becomes of the client).

mod arena;
mod awaited;
mod client;
mod closing;
mod conclude;
mod deadlines;
mod dispatch;
mod drive;
mod exchange;
mod failure;
mod feeds;
mod heartbeats;
mod idle;
mod introduction;
mod label;
mod line;
mod link;
mod message;
mod network;
mod orders;
mod probes;
mod queue;
mod report;
mod request;
mod request_id;
mod response;
mod retry_budget;
mod silence;
mod slots;
mod stopping;
mod tunnel;
mod turn;

#[cfg(test)]
mod tests;

pub use arena::{ClientId, ExchangeId, FeedId, LinkId, ProberId};
pub use line::{Line, Lines};
pub use message::Message;
pub use network::{Network, Token};
pub use orders::Order;
pub use report::Report;
pub use request_id::RequestIds;

use crate::address::{Address, ClientAddress};
use crate::balance::{KeySource, Sticky};
use crate::config::{Health, Limits, Mode, Timeouts};
use crate::http::{ForwardPolicy, HeadLimits, HeadParser};
use crate::observe::{AccessLog, Metrics};
use crate::proxy_protocol;
use crate::relay::Workspace;
use crate::time::Timestamp;
use crate::timers::Wheel;
use crate::upstream::{StateChange, Upstream};
use arena::{Arena, OfProber};
use client::Client;
use heartbeats::Heartbeats;
use idle::IdleLinks;
use probes::Prober;
use queue::Queue;
use retry_budget::RetryBudget;
use slots::Slots;
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
pub struct Server<N: Network> {
    network: N,
    settings: Settings,
    slots: Slots<N>,
    idle: IdleLinks,
    queue: Queue,
    upstream: Upstream,
    key_source: KeySource,
    /// Where each backend is, by slot. All addresses of a name are tried.
    addresses: Vec<Vec<Address>>,
    /// Who checks which backend; none if backends are not checked.
    probers: Arena<OfProber, Prober<N::Stream>>,
    /// What backends say of themselves, if that is listened to.
    heartbeats: Option<Heartbeats<N::Stream>>,
    /// When it is next looked for backends that do not answer.
    next_silence_look: Timestamp,
    retry_budget: RetryBudget,
    /// What has changed in the life of backends and nobody has asked for yet.
    changes: Vec<StateChange>,
    /// What the other workers are to be told, if there are any.
    messages: Vec<Message>,
    /// The worker that is to be woken for somebody who waits there.
    call: Option<usize>,
    wheel: Wheel<Token>,
    due: Vec<Token>,
    work: Workspace<N::Pipes>,
    parser: HeadParser,
    forward: Vec<ForwardPolicy>,
    accepts_proxy: Vec<bool>,
    request_ids: Option<RequestIds>,
    sticky: Option<Sticky>,
    /// Where the head of a response is put together.
    head_out: Vec<u8>,
    again: Vec<Again>,
    again_spare: Vec<Again>,
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
enum Again {
    /// Look for the next request.
    Client(ClientId),
    /// Go on with an exchange.
    Exchange(ExchangeId),
    /// Throw away more of what a client sends.
    Lingering(ClientId),
    /// Read more heartbeats.
    Feed(FeedId),
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
    pub upstream: Upstream,
    /// Which part of a request the strategy wants as a key.
    pub key_source: KeySource,
    /// The addresses of each backend, in the order of the pool.
    pub addresses: Vec<Vec<Address>>,
    /// Where records are counted.
    pub metrics: Metrics,
    /// Where records are written down.
    pub access_log: AccessLog,
}

impl<N: Network> Server<N> {
    /// A server without connections.
    pub fn new(settings: Settings, parts: Parts<N>, now: Timestamp) -> Self {
        let mut server = Self {
            parser: HeadParser::new(head_limits(&settings.limits)),
            forward: parts.forward,
            accepts_proxy: parts.accepts_proxy,
            request_ids: parts.request_ids,
            sticky: parts.sticky,
            settings,
            slots: Slots::new(),
            idle: IdleLinks::new(parts.addresses.len()),
            queue: Queue::default(),
            upstream: parts.upstream,
            key_source: parts.key_source,
            addresses: parts.addresses,
            probers: Arena::new(),
            heartbeats: None,
            next_silence_look: now,
            retry_budget: RetryBudget::among(1),
            changes: Vec::new(),
            messages: Vec::new(),
            call: None,
            wheel: Wheel::new(now),
            due: Vec::new(),
            work: Workspace::new(parts.pipes),
            head_out: Vec::new(),
            again: Vec::new(),
            again_spare: Vec::new(),
            closing: Vec::new(),
            metrics: parts.metrics,
            access_log: parts.access_log,
            log_lines: Vec::new(),
            wall_at_zero: Duration::ZERO,
            stopping: false,
            network: parts.network,
        };
        if server.upstream.decides() {
            server.watch_all(now);
        }
        server
    }

    /// Client connections open now.
    #[must_use]
    pub fn open_clients(&self) -> usize {
        self.slots.clients.len()
    }

    /// Buffers taken and not given back. When nobody is connected there are none.
    #[must_use]
    pub fn buffers_lent(&self) -> usize {
        self.work.buffers.lent()
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
        let client = |left| Client::new(io, address, listener, left);
        let id = self.slots.clients.insert_after(client);
        if let Some(client) = self.slots.clients.get_mut(id) {
            let stream = client.peer.socket.io_mut();
            if let Err(error) = self.network.register(stream, Token::Client(id)) {
                self.slots.remove_client(id);
                return Err(error);
            }
        }
        self.metrics.accepted();
        match self.accepts_proxy.get(usize::from(listener)) {
            Some(true) => self.await_introduction(id, now),
            Some(false) | None => self.welcome(id, now),
        }
        Ok(())
    }

    /// Begins to serve a client whose address is known.
    fn welcome(&mut self, id: ClientId, now: Timestamp) {
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
