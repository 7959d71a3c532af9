//! Client connections between exchanges: accepting, PROXY header, reading requests, lingering. The
//! TLS handshake is the business of `handshakes`.

use super::LAST_REQUEST_TIME;
use super::client_conn::{Announced, ClientConn, ClientConnState};
use super::exchange::{Exchange, RequestContext, Step};
use super::listener::Listener;
use super::network::Network;
use super::run_queue::Runnable;
use super::traffic::Traffic;
use crate::address::ClientAddress;
use crate::config::Mode;
use crate::error::{Fault, Refusal};
use crate::ids::ClientConnId;
use crate::pool::Pool;
use crate::proxy_protocol::{self, ProxyHeader, ProxyVersion};
use crate::route::Credentials;
use crate::time::Timestamp;
use crate::transport::{Buffers, Gathered, Readiness, Transport};
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// Progress of the PROXY header of a connection.
enum HeaderProgress {
    Partial,
    Complete,
    Malformed,
    /// The peer connected and left without a byte, as some health checks do.
    Left,
}

/// Time for the credentials of a request to be verified.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client is taken to be active for this long after its last request.
const RECENTLY: Duration = Duration::from_secs(1);

/// Time after which the deadline of something in the run queue is looked at again: its turn comes
/// first.
pub(super) const TURN_PATIENCE: Duration = Duration::from_millis(100);

impl<N: Network> Traffic<N> {
    /// Takes over a connection that was accepted from `address` by `listener`. In TCP mode a
    /// backend is picked at once: the server side may be the one that speaks first.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub(super) fn accepted(
        &mut self,
        stream: N::Stream,
        address: ClientAddress,
        listener: &Arc<Listener>,
        now: Timestamp,
    ) -> io::Result<()> {
        let client = ClientConn::new(stream, address, Arc::clone(listener));
        let id = self.conns.accept(client, &mut self.network)?;
        self.log.metrics.accepted();
        match listener.accepts_proxy {
            true => self.await_proxy_header(id, now),
            false => self.greet(id, now),
        }
        Ok(())
    }

    /// Begins with a client whose address is known: by the TLS handshake, where there is one.
    fn greet(&mut self, id: ClientConnId, now: Timestamp) {
        let tls = self.listener_of(id).and_then(|it| it.tls.as_ref());
        match tls.map(|tls| tls.handshake_timeout) {
            Some(timeout) => self.await_hello(id, timeout, now),
            None => self.begin_service(id, now),
        }
    }

    /// Begins to serve a client.
    pub(super) fn begin_service(&mut self, id: ClientConnId, now: Timestamp) {
        match self.listener_of(id).map(|listener| listener.mode) {
            Some(Mode::Http) => {
                self.await_request(id, now);
                if self.continuity.is_stopping() {
                    self.timers.set(id, now + LAST_REQUEST_TIME);
                }
            }
            Some(Mode::Tcp) => self.begin_tunnel(id, now),
            None => {}
        }
    }

    fn listener_of(&self, id: ClientConnId) -> Option<&Listener> {
        let client = self.conns.clients.get(id)?;
        Some(&client.listener)
    }

    /// An event for a client connection.
    pub(super) fn client_ready(&mut self, id: ClientConnId, ready: Readiness, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.conn.socket.note(ready);
        match client.state {
            ClientConnState::Busy(exchange) => self.drive(exchange, now),
            // Its turn comes.
            _ if client.is_runnable => {}
            ClientConnState::ProxyHeader => self.read_proxy_header(id, now),
            ClientConnState::Handshake => self.handshake_ready(id, now),
            ClientConnState::Idle | ClientConnState::Head => self.read_request(id, now),
            ClientConnState::Lingering { .. } => self.discard(id, now),
            ClientConnState::Verifying | ClientConnState::Closed => {}
        }
    }

    /// An event for a client connection, when there is no time for it.
    pub(super) fn client_ready_later(&mut self, id: ClientConnId, ready: Readiness) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.conn.socket.note(ready);
        match client.state {
            ClientConnState::Busy(exchange) => self.resume_soon(exchange),
            ClientConnState::Verifying | ClientConnState::Closed => {}
            ClientConnState::Handshake => self.shake_hands_later(id),
            ClientConnState::ProxyHeader
            | ClientConnState::Idle
            | ClientConnState::Head
            | ClientConnState::Lingering { .. } => {
                if !mem::replace(&mut client.is_runnable, true) {
                    self.run_queue.push_new(Runnable::Client(id));
                }
            }
        }
    }

    /// Puts a client into the run queue: once, however many reasons there are.
    fn resume_client_later(&mut self, id: ClientConnId) {
        if let Some(client) = self.conns.clients.get_mut(id)
            && !mem::replace(&mut client.is_runnable, true)
        {
            self.run_queue.push_yielded(Runnable::Client(id));
        }
    }

    /// The deadline of a client connection is over.
    pub(super) fn client_due(&mut self, id: ClientConnId, now: Timestamp) {
        let client = self.conns.clients.get(id);
        if client.is_some_and(|client| client.is_runnable) {
            // What it has sent is read first.
            return self.timers.set(id, now + TURN_PATIENCE);
        }
        match client.map(|client| client.state) {
            Some(ClientConnState::Idle | ClientConnState::Lingering { .. }) => {
                self.conns.close_client(id, &mut self.io.buffers);
            }
            Some(ClientConnState::ProxyHeader) => self.refuse(id, Refusal::BadProxyHeader, now),
            Some(ClientConnState::Handshake) => self.handshake_due(id, now),
            Some(ClientConnState::Head) => self.refuse(id, Refusal::HeadTimeout, now),
            Some(ClientConnState::Verifying) => self.refuse(id, Refusal::AuthBusy, now),
            // It was set before the exchange began, which has a deadline of its own.
            Some(ClientConnState::Busy(_) | ClientConnState::Closed) | None => {}
        }
    }

    /// Closes a client that serves no exchange for a newcomer. One that has sent part of a head is told
    /// and logged as one whose time is over; it lingers, and is then the first to close.
    pub(super) fn evict(&mut self, id: ClientConnId, now: Timestamp) {
        let client = self.conns.clients.get(id);
        match client.map(|client| client.state) {
            Some(ClientConnState::Head | ClientConnState::ProxyHeader) => self.client_due(id, now),
            _ => self.conns.close_client(id, &mut self.io.buffers),
        }
    }

    /// Returns whether a client that waits for a request, or a PROXY header, was served, or connected, a moment ago.
    pub(super) fn was_active(&self, id: ClientConnId, now: Timestamp) -> bool {
        let client = self.conns.clients.get(id);
        client.is_some_and(|client| {
            let timeouts = &client.listener.timeouts;
            let limit = match client.state {
                ClientConnState::Idle => timeouts.keep_alive,
                ClientConnState::ProxyHeader => timeouts.head,
                ClientConnState::Handshake => match &client.listener.tls {
                    Some(tls) => tls.handshake_timeout,
                    None => return false,
                },
                ClientConnState::Head
                | ClientConnState::Verifying
                | ClientConnState::Busy(_)
                | ClientConnState::Lingering { .. }
                | ClientConnState::Closed => return false,
            };
            self.timers.at(id) + RECENTLY >= now + limit
        })
    }

    /// The turn of a client in the run queue has come.
    pub(super) fn resume_client(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.is_runnable = false;
        match client.state {
            ClientConnState::ProxyHeader => self.read_proxy_header(id, now),
            ClientConnState::Handshake => self.shake_hands(id, now),
            ClientConnState::Idle | ClientConnState::Head => self.read_request(id, now),
            ClientConnState::Lingering { .. } => self.discard(id, now),
            ClientConnState::Verifying | ClientConnState::Busy(_) | ClientConnState::Closed => {}
        }
    }

    /// Ends the sending side and discards what the client still sends.
    pub(super) fn linger(&mut self, id: ClientConnId, now: Timestamp) {
        let (buffers, timers) = (&mut self.io.buffers, &mut self.timers);
        self.conns.linger(id, buffers, timers, now);
        self.discard(id, now);
    }

    /// Discards what a lingering client sends.
    pub(super) fn discard(&mut self, id: ClientConnId, now: Timestamp) {
        let (scratch, buffers) = (&mut self.io.scratch, &mut self.io.buffers);
        let timers = &mut self.timers;
        if self.conns.discard(id, scratch, buffers, timers, now) {
            self.resume_client_later(id);
        }
    }
}

/// Requests.
impl<N: Network> Traffic<N> {
    /// Waits for a request: on a new connection, or on one whose exchange is over.
    pub(super) fn await_request(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.state = ClientConnState::Idle;
        let keep_alive = client.listener.timeouts.keep_alive;
        if client.conn.unread.is_some() || client.conn.socket.may_read() {
            self.resume_client_later(id);
        }
        self.timers.set(id, now + keep_alive);
    }

    /// Reads until a head is complete, and starts its exchange. What is unread comes first: it
    /// may hold a request that is to be served though the client has ended since.
    fn read_request(&mut self, id: ClientConnId, now: Timestamp) {
        let mut more = false;
        loop {
            let Some(client) = self.conns.clients.get_mut(id) else {
                return;
            };
            let (scratch, buffers) = (&mut self.io.scratch, &mut self.io.buffers);
            let input = match client.conn.gather(scratch, buffers, more) {
                Gathered::Blocked => return,
                Gathered::End | Gathered::Failed => return self.client_left(id, now),
                Gathered::Input(input) => input,
            };
            let mut ctx = RequestContext {
                codec: &mut self.codec,
                pools: &self.pools,
                pool_id: client.listener.pool,
                pool: self.pools.get(client.listener.pool),
                buffers,
                needs_log_fields: self.log.needs_fields(),
                now,
            };
            let exchanges = &mut self.conns.exchanges;
            let started = Exchange::start(id, client, input.bytes(scratch), exchanges, &mut ctx);
            let used = started.as_ref().map_or(0, |started| started.used);
            if !input.is_finished(used) {
                client.conn.used(input, used, scratch, buffers);
            }
            if let Some(started) = started {
                let exchange = started.exchange;
                client.state = ClientConnState::Busy(exchange);
                let step = match started.step {
                    Step::Failed(fault) => Step::Failed(fault),
                    _ if self.io.buffers.is_short() => Step::Failed(Fault::Overloaded),
                    step => step,
                };
                return self.drive_from(step, exchange, now);
            }
            if let Some(credentials) = self.codec.unverified.take() {
                return self.await_verdict(id, credentials, now);
            }
            if self.io.buffers.is_short() {
                return self.turn_away(id, Fault::Overloaded, now);
            }
            self.await_rest_of_head(id, now);
            more = true;
        }
    }

    /// Has the credentials of a request verified, which waits until then.
    #[cold]
    fn await_verdict(&mut self, id: ClientConnId, credentials: Credentials, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id) {
            client.state = ClientConnState::Verifying;
            self.timers.set(id, now + VERDICT_TIMEOUT);
        }
        if !self.network.verify(id, credentials) {
            self.refuse(id, Refusal::AuthBusy, now);
        }
    }

    /// The credentials of a request have been verified: it is judged again.
    pub(super) fn verified(&mut self, id: ClientConnId, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id)
            && client.state == ClientConnState::Verifying
        {
            client.state = ClientConnState::Head;
            let head = client.listener.timeouts.head;
            self.timers.set(id, now + head);
            self.codec.is_again = true;
            self.read_request(id, now);
            self.codec.is_again = false;
        }
    }

    fn await_rest_of_head(&mut self, id: ClientConnId, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id)
            && client.state == ClientConnState::Idle
        {
            client.state = ClientConnState::Head;
            let head = client.listener.timeouts.head;
            self.timers.set(id, now + head);
        }
    }

    /// The client ended or broke the connection between requests, or within a head.
    fn client_left(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get(id) else {
            return;
        };
        if client.state == ClientConnState::Head && !client.conn.socket.is_broken() {
            self.refuse(id, Refusal::BadSyntax, now);
        } else {
            self.conns.close_client(id, &mut self.io.buffers);
        }
    }

    /// Replies to what arrived so far with a refusal, and closes.
    pub(super) fn refuse(&mut self, id: ClientConnId, refusal: Refusal, now: Timestamp) {
        self.turn_away(id, Fault::Refused(refusal), now);
    }

    /// Replies to what arrived so far of a request, and closes.
    fn turn_away(&mut self, id: ClientConnId, fault: Fault, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        let unread = client.conn.unread.take();
        let seen = unread.as_ref().map_or(0, |bytes| bytes.pending().len());
        let exchange = Exchange::refused(id, client.listener.pool, seen, now);
        let exchange = self.conns.exchanges.insert(exchange);
        client.state = ClientConnState::Busy(exchange);
        self.io.buffers.give_some(unread);
        self.fail(exchange, fault, now);
    }

    /// Starts the exchange of a TCP connection.
    fn begin_tunnel(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        let mut ctx = RequestContext {
            codec: &mut self.codec,
            pools: &self.pools,
            pool_id: client.listener.pool,
            pool: self.pools.get(client.listener.pool),
            buffers: &mut self.io.buffers,
            needs_log_fields: false,
            now,
        };
        let is_led = ctx.route_connection(client);
        let is_looping = client.is_looping();
        let exchange = Exchange::tunnel_from(id, client, &mut ctx);
        let exchange = self.conns.exchanges.insert(exchange);
        client.state = ClientConnState::Busy(exchange);
        match self.io.buffers.is_short() {
            true => self.fail(exchange, Fault::Overloaded, now),
            false if is_looping => self.fail(exchange, Fault::Refused(Refusal::Loop), now),
            false if !is_led => self.fail(exchange, Fault::Refused(Refusal::Rejected), now),
            false => self.drive(exchange, now),
        }
    }
}

/// The PROXY header. A listener either requires it on every connection or takes none: believing
/// one that comes unasked would let any client choose its address.
impl<N: Network> Traffic<N> {
    fn await_proxy_header(&mut self, id: ClientConnId, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id) {
            client.state = ClientConnState::ProxyHeader;
            let head = client.listener.timeouts.head;
            self.timers.set(id, now + head);
        }
    }

    fn read_proxy_header(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        let (scratch, buffers) = (&mut self.io.scratch, &mut self.io.buffers);
        let carries = |pool: &Pool| pool.connect.send_proxy == Some(ProxyVersion::V2);
        match client.read_proxy_header(scratch, buffers, || self.pools.any(carries)) {
            HeaderProgress::Partial => {}
            HeaderProgress::Complete => self.greet(id, now),
            HeaderProgress::Left => self.conns.close_client(id, &mut self.io.buffers),
            HeaderProgress::Malformed => self.refuse(id, Refusal::BadProxyHeader, now),
        }
    }
}

impl<T: Transport> ClientConn<T> {
    /// Reads on. Its extensions are kept if something `carries` them on.
    fn read_proxy_header(
        &mut self,
        scratch: &mut [u8],
        buffers: &mut Buffers,
        carries: impl Fn() -> bool,
    ) -> HeaderProgress {
        loop {
            let input = match self.conn.gather(scratch, buffers, true) {
                Gathered::Input(input) => input,
                Gathered::Blocked => return HeaderProgress::Partial,
                Gathered::End | Gathered::Failed if self.conn.unread.is_none() => {
                    return HeaderProgress::Left;
                }
                Gathered::End | Gathered::Failed => return HeaderProgress::Malformed,
            };
            let bytes = input.bytes(scratch);
            let (progress, used) = match proxy_protocol::parse(bytes) {
                Err(_) => (HeaderProgress::Malformed, 0),
                Ok(ProxyHeader::Partial) => (HeaderProgress::Partial, 0),
                Ok(ProxyHeader::Complete { ends, is_tls, len }) => {
                    if let Some(ends) = ends
                        && self.listener.believes_proxy_header(self.address)
                    {
                        self.is_tls = is_tls;
                        self.address = ends.source.into();
                        self.announced = Some(Box::new(Announced {
                            destination: ends.destination,
                            extensions: match carries() {
                                true => proxy_protocol::carried(bytes),
                                false => Vec::new(),
                            },
                        }));
                    }
                    (HeaderProgress::Complete, len)
                }
            };
            self.conn.used(input, used, scratch, buffers);
            match progress {
                HeaderProgress::Partial => {}
                progress => return progress,
            }
        }
    }
}
