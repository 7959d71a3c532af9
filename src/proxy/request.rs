//! The start of an exchange: reading and parsing a request head.

use super::Proxy;
use super::arena::{ClientConnId, ExchangeId};
use super::client_conn::ClientConnState;
use super::exchange::{Exchange, ExchangeStats, Request};
use super::log_fields::LogFields;
use super::network::Network;
use crate::address::{ClientAddress, UNIX_CLIENT};
use crate::error::{Fault, Refusal};
use crate::http::{Body, BodyLength, ClientIp, Forward, Parsed, RequestHead};
use crate::strategy::key::key_of;
use crate::strategy::{BackendId, KeySource};
use crate::time::Timestamp;
use crate::transport::{Buffer, Flow, Gathered};
use std::mem;
use std::net::IpAddr;

/// What is added to a head on its way seldom needs more.
const ADDED_BYTES: usize = 256;

impl<N: Network> Proxy<N> {
    /// A new client connection, or one whose exchange is over, has its full time to ask.
    pub(super) fn await_request(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        client.state = ClientConnState::Idle;
        if client.conn.unread.is_some() || client.conn.socket.may_read() {
            self.run_queue.push_back(super::Runnable::ClientConn(id));
        }
        self.set_client_deadline(id, now + self.settings.timeouts.keep_alive);
    }

    /// Reads until a head is complete, and starts its exchange. What is unread comes first: it
    /// may hold a request that is to be answered though the client has ended since.
    pub(super) fn read_request(&mut self, id: ClientConnId, now: Timestamp) {
        // Lent to this call, so that a head can be read from it while the rest is in use.
        let mut scratch = mem::take(&mut self.io.scratch);
        let mut started = None;
        let mut more = false;
        while started.is_none() {
            let Some(client) = self.conns.clients.get_mut(id) else {
                break;
            };
            match client.conn.gather(&mut scratch, &mut self.io.buffers, more) {
                Gathered::Blocked => break,
                Gathered::End | Gathered::Failed => {
                    self.client_left(id, now);
                    break;
                }
                Gathered::Input(input) => {
                    let (used, exchange) = self.take_request(id, input.bytes(&scratch), now);
                    if !input.is_finished(used)
                        && let Some(client) = self.conns.clients.get_mut(id)
                    {
                        let buffers = &mut self.io.buffers;
                        client.conn.used(input, used, &scratch, buffers);
                    }
                    started = exchange;
                    more = true;
                }
            }
        }
        self.io.scratch = scratch;
        if let Some(exchange) = started {
            self.drive(exchange, now);
        }
    }

    /// The client ended or broke the connection between requests, or within a head.
    fn client_left(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        if client.state == ClientConnState::Head && !client.conn.socket.is_broken() {
            self.refuse(id, Refusal::BadSyntax, now);
        } else {
            self.close_client(id);
        }
    }

    /// Looks for a request at the front of `input`. Returns how much of it was used, and the
    /// exchange if one was started.
    fn take_request(
        &mut self,
        id: ClientConnId,
        input: &[u8],
        now: Timestamp,
    ) -> (usize, Option<ExchangeId>) {
        match self.parser.request(input) {
            Ok(Parsed::Complete(head)) => self.begin(id, &head, input, now),
            Ok(Parsed::Partial) => {
                self.await_rest_of_head(id, now);
                (0, None)
            }
            Err(refusal) => (input.len(), self.begin_refused(id, refusal, input, now)),
        }
    }

    fn await_rest_of_head(&mut self, id: ClientConnId, now: Timestamp) {
        if let Some(client) = self.conns.clients.get_mut(id)
            && client.state == ClientConnState::Idle
        {
            client.state = ClientConnState::Head;
            self.set_client_deadline(id, now + self.settings.timeouts.head);
        }
    }

    /// Starts the exchange of a request whose head is complete.
    fn begin(
        &mut self,
        id: ClientConnId,
        head: &RequestHead,
        input: &[u8],
        now: Timestamp,
    ) -> (usize, Option<ExchangeId>) {
        let Some(client) = self.conns.clients.get(id) else {
            return (0, None);
        };
        let address = client.address;
        let sent_id = self.parser.request_id(input);
        let made_id = match (&mut self.request_ids, sent_id) {
            (Some(ids), None) => Some(ids.take()),
            _ => None,
        };
        let made_id = made_id.as_ref().map(|id| id.as_slice());
        let first = self.rewrite(id, head, input, made_id);
        let mut upload = Flow::new(Body::new(head.body));
        let body = input.get(head.len..).unwrap_or_default();
        let used = upload.prepare(first, body, head.method.is_idempotent());
        let key = self.key(head, input, address);
        let log_fields = self.log_fields(head, input, sent_id.or(made_id));
        let request = Request {
            method: head.method,
            version: head.version,
            persistent: head.persistent,
            upgrade: head.upgrade,
        };
        let stats = ExchangeStats::new(now, head.len, log_fields);
        let mut exchange = Exchange::new(id, request, upload, key, stats);
        exchange.affinity = self.affinity(input);
        let exchange = self.conns.exchanges.insert(exchange);
        if let Some(client) = self.conns.clients.get_mut(id) {
            client.state = ClientConnState::Busy(exchange);
        }
        match used {
            Ok(used) => (head.len + used, Some(exchange)),
            Err(_) => {
                self.fail(exchange, Fault::Refused(Refusal::BadChunk), now);
                (input.len(), Some(exchange))
            }
        }
    }

    /// What a backend is sent first, in a buffer of its own.
    fn rewrite(
        &mut self,
        id: ClientConnId,
        head: &RequestHead,
        input: &[u8],
        request_id: Option<&[u8]>,
    ) -> Buffer {
        let known = match head.body {
            BodyLength::None => head.len,
            BodyLength::Length(_) | BodyLength::Chunked | BodyLength::UntilClose => input.len(),
        };
        let mut first = self.io.buffers.take(known + ADDED_BYTES);
        self.write_proxy_header(id, first.as_vec_mut());
        let Some(client) = self.conns.clients.get(id) else {
            return first;
        };
        let ip = ClientIp::from(client.address);
        if let Some(policy) = self.forward.get(usize::from(client.listener)) {
            let forward = Forward {
                policy,
                client_ip: ip.as_bytes(),
                request_id,
                host: self.settings.host.as_deref().map(str::as_bytes),
            };
            self.parser
                .write_request(head, input, &forward, first.as_vec_mut());
        }
        first
    }
}

/// Requests that are refused without asking a backend.
impl<N: Network> Proxy<N> {
    /// Answers what arrived so far with a refusal, and closes.
    pub(super) fn refuse(&mut self, id: ClientConnId, refusal: Refusal, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        let unread = client.conn.unread.take();
        let seen = unread.as_ref().map(|bytes| bytes.pending());
        let exchange = self.begin_refused(id, refusal, seen.unwrap_or_default(), now);
        self.io.buffers.give_some(unread);
        if let Some(exchange) = exchange {
            self.drive(exchange, now);
        }
    }

    fn begin_refused(
        &mut self,
        id: ClientConnId,
        refusal: Refusal,
        input: &[u8],
        now: Timestamp,
    ) -> Option<ExchangeId> {
        let client = self.conns.clients.get_mut(id)?;
        let request = Request::unknown();
        let stats = ExchangeStats::new(now, input.len(), None);
        let exchange = Exchange::new(id, request, Flow::new(Body::Empty), 0, stats);
        let exchange = self.conns.exchanges.insert(exchange);
        client.state = ClientConnState::Busy(exchange);
        self.fail(exchange, Fault::Refused(refusal), now);
        Some(exchange)
    }
}

/// What is remembered of a request beyond its framing.
impl<N: Network> Proxy<N> {
    /// The hash by which the strategy keeps requests together, 0 if it does not want one.
    fn key(&self, head: &RequestHead, input: &[u8], address: ClientAddress) -> u64 {
        match &self.key_source {
            KeySource::None => 0,
            KeySource::ClientAddress => key_of_address(address),
            KeySource::Target => key_of(head.target.of(input)),
            KeySource::Header(name) => self.parser.field(input, name.as_bytes()).map_or(0, key_of),
            KeySource::Cookie(name) => self.parser.cookie(input, name.as_bytes()).map_or(0, key_of),
        }
    }

    /// The backend this client was affinity to by a cookie.
    fn affinity(&self, input: &[u8]) -> Option<BackendId> {
        let sticky = self.sticky.as_ref()?;
        let value = self.parser.cookie(input, sticky.cookie().as_bytes())?;
        sticky.backend(value)
    }

    /// What the access log will say of the request, if there is one.
    fn log_fields(
        &mut self,
        head: &RequestHead,
        input: &[u8],
        id: Option<&[u8]>,
    ) -> Option<LogFields> {
        if !self.access_log.is_on() {
            return None;
        }
        let method = head.method_span.of(input);
        let target = head.target.of(input);
        let buffers = &mut self.io.buffers;
        Some(LogFields::new(
            id.unwrap_or_default(),
            method,
            target,
            buffers,
        ))
    }
}

/// The key of a client address, where that is what a strategy wants.
pub(super) fn key_of_address(address: ClientAddress) -> u64 {
    match address.ip() {
        Some(IpAddr::V4(ip)) => key_of(&ip.octets()),
        Some(IpAddr::V6(ip)) => key_of(&ip.octets()),
        None => key_of(UNIX_CLIENT.as_bytes()),
    }
}
