//! From the head of a request to an exchange.

use super::applied::Admitted;
use super::asked::Asked;
use super::log_fields::LogFields;
use super::routed::{Decision, plain_pool};
use super::state::{Exchange, ExchangeStats, Phase, Request};
use super::step::Step;
use crate::address::{ClientAddress, UNIX_CLIENT, client_network};
use crate::error::{Fault, Refusal};
use crate::http::{Body, BodyLength, ClientIp, Forward, HeadParser, Parsed, Peer, RequestHead};
use crate::ids::{ClientConnId, ExchangeId, ExchangeTag, Table};
use crate::pool::{Pool, PoolId, Pools};
use crate::proxy::client_conn::ClientConn;
use crate::proxy::codec::Codec;
use crate::proxy_protocol::{self, Ends, ProxyVersion};
use crate::strategy::KeySource;
use crate::strategy::key::key_of;
use crate::telemetry::{RequestTexts, logged_headers};
use crate::time::Timestamp;
use crate::transport::{Buffer, Buffers, Flow, Transport};
use std::array;
use std::net::{IpAddr, SocketAddr};

/// Room for the field lines that are added to a request head; more is seldom needed.
const ADDED_BYTES: usize = 256;

/// The parts an exchange is made of, lent for one call.
pub(crate) struct RequestContext<'a> {
    pub(crate) codec: &'a mut Codec,
    pub(crate) pools: &'a Pools,
    /// The pool that serves the request.
    pub(crate) pool_id: PoolId,
    pub(crate) pool: &'a Pool,
    pub(crate) buffers: &'a mut Buffers,
    /// True if the access log wants method, target and id.
    pub(crate) needs_log_fields: bool,
    pub(crate) now: Timestamp,
}

/// An exchange made of the bytes of a client.
pub(crate) struct Started {
    /// Bytes of the input that were used.
    pub(crate) used: usize,
    pub(crate) exchange: ExchangeId,
    /// What comes first: a backend is needed, more of the request, or the request is refused.
    pub(crate) step: Step,
}

impl<Pipe> Exchange<Pipe> {
    /// Starts the exchange of the request at the front of `input`; `None` if its head is not
    /// complete, or its credentials have to be verified first: the codec has them.
    pub(crate) fn start<T: Transport>(
        id: ClientConnId,
        client: &ClientConn<T>,
        input: &[u8],
        exchanges: &mut Table<ExchangeTag, Self>,
        ctx: &mut RequestContext<'_>,
    ) -> Option<Started> {
        match &ctx.codec.parser.request(input) {
            Ok(Parsed::Complete(head)) => {
                let listener = &client.listener;
                if ctx.codec.parser.is_looping(input, &listener.forward) {
                    let refusal = Refusal::Loop;
                    return Some(Self::refuse(id, client, input, refusal, exchanges, ctx));
                }
                let origin = ctx.origin(client, input);
                let request = (head, input);
                let mut admitted = None;
                if let Some(routes) = &listener.routes {
                    match plain_pool(routes, head, input) {
                        Some(pool) => ctx.choose(pool),
                        None => match ctx.route(routes, id, client, &origin, request, exchanges) {
                            Decision::Forward(by) => admitted = by,
                            Decision::Started(started) => return Some(started),
                            Decision::Unverified => return None,
                        },
                    }
                }
                let started = ctx.start(id, client, &origin, request, exchanges);
                Some(match admitted {
                    None => started,
                    Some(by) => ctx.apply(by, client, &origin, request, started, exchanges),
                })
            }
            Ok(Parsed::Partial) => None,
            Err(refusal) => Some(Self::refuse(id, client, input, *refusal, exchanges, ctx)),
        }
    }

    /// Starts the exchange of a request that is refused.
    pub(super) fn refuse<T: Transport>(
        id: ClientConnId,
        client: &ClientConn<T>,
        input: &[u8],
        refusal: Refusal,
        exchanges: &mut Table<ExchangeTag, Self>,
        ctx: &RequestContext<'_>,
    ) -> Started {
        let refused = Self::refused(id, client.listener.pool, input.len(), ctx.now);
        Started {
            used: input.len(),
            exchange: exchanges.insert(refused),
            step: Step::Failed(Fault::Refused(refusal)),
        }
    }

    /// Makes the exchange of a request that is refused before a backend is picked.
    pub(crate) fn refused(id: ClientConnId, pool: PoolId, bytes: usize, now: Timestamp) -> Self {
        let stats = ExchangeStats::new(now, bytes, None);
        Self::new(
            id,
            pool,
            Request::unknown(),
            Flow::new(Body::Empty),
            0,
            stats,
        )
    }

    /// The exchange of a TCP connection, which is all of it.
    pub(crate) fn tunnel_from<T: Transport>(
        id: ClientConnId,
        client: &ClientConn<T>,
        ctx: &mut RequestContext<'_>,
    ) -> Self {
        let key = match ctx.pool.key_source {
            KeySource::ClientAddress => key_of_address(client.address),
            KeySource::None | KeySource::Target | KeySource::Header(_) | KeySource::Cookie(_) => 0,
        };
        let mut upload = Flow::tunnel();
        if let Some(version) = ctx.pool.connect.send_proxy {
            let mut first = ctx.buffers.take(0);
            write_tunnel_header(client, version, first.as_vec_mut());
            // Fails only on malformed framing, and a tunnel has none.
            let _ = upload.prepare(first, b"", false);
        }
        let stats = ExchangeStats::new(ctx.now, 0, None);
        let mut exchange = Self::new(id, ctx.pool_id, Request::unknown(), upload, key, stats);
        exchange.download = Flow::tunnel();
        exchange.phase = Phase::OPEN_TUNNEL;
        exchange
    }
}

impl<'a> RequestContext<'a> {
    /// The context of a request that the pool of its listener serves, unless a route leads
    /// elsewhere.
    pub(crate) fn choose(&mut self, pool: PoolId) {
        self.pool_id = pool;
        self.pool = self.pools.get(pool);
    }

    pub(super) fn start<T: Transport, Pipe>(
        &mut self,
        id: ClientConnId,
        client: &ClientConn<T>,
        origin: &Origin,
        (head, input): (&RequestHead, &[u8]),
        exchanges: &mut Table<ExchangeTag, Exchange<Pipe>>,
    ) -> Started {
        let sent_id = self.codec.parser.request_id(input);
        let made_id = match (&mut self.codec.request_ids, sent_id) {
            (Some(ids), None) if client.listener.gives_request_ids => Some(ids.take()),
            _ => None,
        };
        let made_id = made_id.as_ref().map(|id| id.as_slice());
        let first = self.forward(client, origin, head, input, made_id);
        let mut upload = Flow::new(Body::new(head.body));
        let body = input.get(head.len..).unwrap_or_default();
        let used = upload.prepare(first, body, head.method.is_idempotent());
        let request = Request {
            method: head.method,
            version: head.version,
            persistent: head.persistent,
            upgrade: head.upgrade,
            awaits_continue: head.expects_continue,
            needs_host: head.needs_host && self.pool.connect.host.is_none(),
        };
        let log_fields = self.log_fields(head, input, sent_id.or(made_id), origin.named);
        let stats = ExchangeStats::new(self.now, head.len, log_fields);
        let step = match &used {
            Ok(_) if upload.is_received() => Step::Dispatch,
            Ok(_) => Step::Continue,
            Err(_) => Step::Failed(Fault::Refused(Refusal::BadChunk)),
        };
        let key = self.key(head, input, origin.address(client.address));
        let pool = self.pool_id;
        let mut exchange = Exchange::new(id, pool, request, upload, key, stats);
        if !head.method.is_idempotent() {
            exchange.stats.target_key = key_of(head.target.of(input)) as u16;
        }
        if let Some(ip) = origin.named {
            let address = SocketAddr::new(ip, 0).into();
            exchange.stats.named_client_key = (source_of(address) as u16).max(1);
        }
        if let Some(sticky) = &self.pool.affinity {
            let value = self.codec.parser.cookie(input, sticky.cookie().as_bytes());
            exchange.affinity = value.and_then(|value| sticky.backend(value));
            exchange.stats.is_https = origin.is_https(client, &self.codec.parser, input);
        }
        Started {
            used: used.map_or(input.len(), |used| head.len + used),
            exchange: exchanges.insert(exchange),
            step,
        }
    }

    /// Has the policy of its route apply to an exchange that has just been started. What few
    /// routes want is done afterwards, so that the others do not pay for it.
    #[cold]
    fn apply<T: Transport, Pipe>(
        &self,
        admitted: Admitted<'_>,
        client: &ClientConn<T>,
        origin: &Origin,
        (head, input): (&RequestHead, &[u8]),
        mut started: Started,
        exchanges: &mut Table<ExchangeTag, Exchange<Pipe>>,
    ) -> Started {
        let asked = Asked::new(client, origin, &self.codec.parser, head, input);
        // It is not ambiguous, as it has a route.
        if let (Some(exchange), Ok(asked)) = (exchanges.get_mut(started.exchange), asked) {
            let mut before = Vec::new();
            if let Some(version) = self.pool.connect.send_proxy {
                let source = origin.address(client.address);
                write_proxy_header(client, source, version, &mut before);
            }
            let timeouts = client.listener.timeouts_with(self.pool_id);
            exchange.apply(admitted, &asked, timeouts, &self.pool.name, before.len());
            if !matches!(started.step, Step::Failed(_)) && exchange.is_too_large() {
                started.step = Step::Failed(Fault::Refused(Refusal::BodyTooLarge));
            }
        }
        started
    }

    /// Returns where the request comes from: the peer, or the client that a trusted proxy names.
    #[inline]
    fn origin<T: Transport>(&self, client: &ClientConn<T>, input: &[u8]) -> Origin {
        match client.listener.forward.has_trusted_proxies() | client.announced.is_some() {
            false => Origin::PEER,
            true => self.origin_behind_proxy(client, input),
        }
    }

    #[inline(never)]
    fn origin_behind_proxy<T: Transport>(&self, client: &ClientConn<T>, input: &[u8]) -> Origin {
        let policy = &client.listener.forward;
        let is_trusted = client.listener.believes_fields(client.address);
        let named = is_trusted.then(|| self.codec.parser.client(input, |ip| policy.trusts(ip)));
        Origin {
            peer: Peer::new(is_trusted, client.announced.is_some(), client.is_tls),
            named: named.flatten(),
            port: client.announced.as_ref().map(|it| it.destination.port()),
        }
    }

    /// Writes what the backend is sent first into a buffer of its own.
    #[inline(always)]
    fn forward<T: Transport>(
        &mut self,
        client: &ClientConn<T>,
        origin: &Origin,
        head: &RequestHead,
        input: &[u8],
        request_id: Option<&[u8]>,
    ) -> Buffer {
        let known = match head.body {
            BodyLength::None => head.len,
            BodyLength::Length(_) | BodyLength::Chunked | BodyLength::UntilClose => input.len(),
        };
        let mut first = self.buffers.take(known + ADDED_BYTES);
        if let Some(version) = self.pool.connect.send_proxy {
            let source = origin.address(client.address);
            write_proxy_header(client, source, version, first.as_vec_mut());
        }
        // The field lists the peer behind the clients it has vouched for.
        let ip = ClientIp::from(client.address.ip());
        let forward = Forward {
            policy: &client.listener.forward,
            client_ip: ip.as_bytes(),
            peer: origin.peer,
            announced_port: origin.port,
            request_id,
            host: self.pool.connect.host.as_deref().map(str::as_bytes),
        };
        let parser = &self.codec.parser;
        parser.write_request(head, input, &forward, first.as_vec_mut());
        first
    }

    /// The hash by which the strategy keeps requests together; 0 if it does not want one.
    fn key(&self, head: &RequestHead, input: &[u8], address: ClientAddress) -> u64 {
        let parser = &self.codec.parser;
        match &self.pool.key_source {
            KeySource::None => 0,
            KeySource::ClientAddress => key_of_address(address),
            KeySource::Target => key_of(head.target.of(input)),
            KeySource::Header(name) => parser.field(input, name.as_bytes()).map_or(0, key_of),
            KeySource::Cookie(name) => parser.cookie(input, name.as_bytes()).map_or(0, key_of),
        }
    }

    #[inline]
    pub(super) fn log_fields(
        &mut self,
        head: &RequestHead,
        input: &[u8],
        id: Option<&[u8]>,
        client: Option<IpAddr>,
    ) -> Option<LogFields> {
        self.needs_log_fields.then(|| {
            let parser = &self.codec.parser;
            let mut headers = logged_headers().map(|name| parser.field(input, name.as_bytes()));
            let texts = RequestTexts {
                id: id.unwrap_or_default(),
                method: head.method_span.of(input),
                target: head.target.of(input),
                headers: array::from_fn(|_| headers.next().flatten().unwrap_or_default()),
            };
            LogFields::new(&texts, client, self.buffers)
        })
    }
}

/// The origin of a request.
pub(super) struct Origin {
    /// Decides what is believed.
    peer: Peer,
    /// The client it names.
    named: Option<IpAddr>,
    /// The port it connected to, as a PROXY header says.
    port: Option<u16>,
}

impl Origin {
    /// The peer is the client.
    const PEER: Self = Self {
        peer: Peer::Client,
        named: None,
        port: None,
    };

    /// The client that a trusted proxy names.
    pub(super) const fn named(&self) -> Option<IpAddr> {
        self.named
    }

    /// Returns whether the client came by TLS, by the word of a trusted proxy: what the backend is
    /// told too.
    pub(super) fn is_https<T: Transport>(
        &self,
        client: &ClientConn<T>,
        parser: &HeadParser,
        input: &[u8],
    ) -> bool {
        parser.is_https(input, self.peer, &client.listener.forward)
    }

    /// The client's address, if its `peer` is not the client. Its port is not known: 0.
    pub(super) fn address(&self, peer: ClientAddress) -> ClientAddress {
        self.named.map_or(peer, |ip| SocketAddr::new(ip, 0).into())
    }
}

/// Appends the PROXY header that tells a backend about a client.
fn write_proxy_header<T: Transport>(
    client: &ClientConn<T>,
    source: ClientAddress,
    version: ProxyVersion,
    out: &mut Vec<u8>,
) {
    let ends = source.tcp().zip(client.local_address());
    let ends = ends.map(|(source, destination)| Ends {
        source,
        destination,
    });
    // They describe the connection of the client that the header names, and of no other.
    let announced = client
        .announced
        .as_ref()
        .filter(|_| source == client.address);
    let extensions = announced.map_or(&[][..], |announced| &announced.extensions);
    proxy_protocol::write(version, ends, extensions, out);
}

/// Appends the PROXY header of a tunnel. One that came with a header is marked besides, as it may come
/// back: in TCP mode there is no other place for a mark.
fn write_tunnel_header<T: Transport>(
    client: &ClientConn<T>,
    version: ProxyVersion,
    out: &mut Vec<u8>,
) {
    let (Some(announced), Some(token)) = (&client.announced, client.listener.forward.loop_token())
    else {
        return write_proxy_header(client, client.address, version, out);
    };
    let ends = client.address.tcp().map(|source| Ends {
        source,
        destination: announced.destination,
    });
    let mark = proxy_protocol::loop_token(token);
    let marked = [&announced.extensions[..], &mark].concat();
    let extensions = match proxy_protocol::has_room(&marked) {
        true => &marked,
        false => &announced.extensions,
    };
    proxy_protocol::write(version, ends, extensions, out);
}

/// The client at an address, as failures are attributed to it.
pub(crate) fn source_of(address: ClientAddress) -> u64 {
    match address.ip() {
        Some(ip) => key_of(&client_network(ip).to_be_bytes()),
        None => key_of(UNIX_CLIENT.as_bytes()),
    }
}

/// The key of a client address, where that is what a strategy wants.
pub(crate) fn key_of_address(address: ClientAddress) -> u64 {
    match address.ip() {
        Some(IpAddr::V4(ip)) => key_of(&ip.octets()),
        Some(IpAddr::V6(ip)) => key_of(&ip.octets()),
        None => key_of(UNIX_CLIENT.as_bytes()),
    }
}
