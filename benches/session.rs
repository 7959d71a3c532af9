//! The cost of a whole request in the balancer, without system calls: the product's own proxy
//! between a client and a backend that are buffers in memory.
//!
//! A turn is the work of the event loop: the client's bytes, the backend's response, the end of the
//! turn. Connections are warm: both were used before, and are used again.
//!
//! `cargo bench --bench session -- keep_alive_get` runs one of them.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lb::config::{AccessLogFormat, Health, Limits, Mode, Timeouts};
use lb::internal::address::Address;
use lb::internal::http::{ForwardOptions, ForwardPolicy, HeadParser};
use lb::internal::pool::{Backends, ConnectSpec, Pool, PoolId, PoolLimits, Pools};
use lb::internal::proxy::{Listener, MemberRules, Network, Parts, Proxy, RequestIds, Token};
use lb::internal::telemetry::{AccessLog, Metrics};
use lb::internal::transport::{Pipes, Readiness, Transport};
use lb::strategy::LeastResponseTime;
use lb::time::Timestamp;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

const SHORT: &[u8] = b"GET /100 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

/// As a browser asks for a page: 591 bytes.
const BROWSER: &[u8] = b"GET /articles/2026/the-shape-of-a-request?page=2 HTTP/1.1\r\n\
    Host: www.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.org/articles/2026\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=6f1d2b9a7c3e4f50; theme=dark; consent=necessary\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\r\n";

fn response(body_bytes: usize) -> Vec<u8> {
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nServer: pi\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    response.resize(response.len() + body_bytes, b'3');
    response
}

/// One end of a connection: what the proxy can read of it, and what it has written to it.
#[derive(Default)]
struct Wire<'a> {
    to_server: &'a [u8],
    received: Vec<u8>,
    token: Option<Token>,
}

#[derive(Clone, Default)]
struct Memory<'a>(Rc<RefCell<Wire<'a>>>);

impl Transport for Memory<'_> {
    type Pipe = ();

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = wire.to_server.len().min(into.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (now, later) = wire.to_server.split_at(count);
        if let Some(into) = into.get_mut(..count) {
            into.copy_from_slice(now);
        }
        wire.to_server = later;
        Ok(count)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        parts
            .iter()
            .for_each(|part| wire.received.extend_from_slice(part));
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&mut self) {}

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn fill(&mut self, _: &mut (), _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn drain(&mut self, _: &mut (), _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// No pipes: every byte is copied.
struct Copying;

impl Pipes for Copying {
    type Pipe = ();

    fn take(&mut self) -> Option<()> {
        None
    }

    fn give(&mut self, (): (), _: usize) {}
}

/// A network in which every backend is the same wire.
struct Wired<'a>(Memory<'a>);

impl<'a> Network for Wired<'a> {
    type Stream = Memory<'a>;
    type Pipe = ();
    type Pipes = Copying;

    fn connect(&mut self, _: &Address) -> io::Result<Memory<'a>> {
        Ok(self.0.clone())
    }

    fn register(&mut self, stream: &mut Memory<'a>, token: Token) -> io::Result<()> {
        stream.0.borrow_mut().token = Some(token);
        Ok(())
    }
}

/// A proxy between one client and one backend.
struct Session<'a> {
    proxy: Proxy<Wired<'a>>,
    client: Memory<'a>,
    backend: Memory<'a>,
    now: Timestamp,
}

impl<'a> Session<'a> {
    fn new() -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        let (client, backend) = (Memory::default(), Memory::default());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
        let members = [(address.to_string(), 1)];
        let strategy = Box::new(LeastResponseTime::new(1));
        let backends = Backends::new(members, strategy, 1);
        let connect = ConnectSpec {
            addresses: vec![vec![address.into()]],
            ..ConnectSpec::default()
        };
        let (limits, timeouts) = (Limits::default(), Timeouts::default());
        let pool_limits = PoolLimits::new(&limits, &timeouts);
        let listener = Listener {
            mode: Mode::Http,
            accepts_proxy: false,
            tls: None,
            forward: ForwardPolicy::new(ForwardOptions::default(), "http", 8080),
            timeouts,
            limits,
            abort_on_close: true,
            gives_request_ids: true,
            pool: PoolId::FIRST,
            routes: None,
            is_closing: false,
        };
        let parts = Parts {
            network: Wired(backend.clone()),
            pipes: Copying,
            listeners: vec![listener],
            pools: Pools::new(Pool::new(backends, None, connect, pool_limits)),
            parser: HeadParser::new(limits.head()),
            request_ids: Some(RequestIds::new(1)),
            rules: MemberRules::default(),
            health: vec![Health {
                check: None,
                ..Health::default()
            }],
            seed: 0,
            metrics: Metrics::new(now),
            access_log: AccessLog::new(AccessLogFormat::Off),
        };
        let mut proxy = Proxy::new(parts, now);
        let accepted = proxy.accepted(client.clone(), address, 0, now);
        assert!(accepted.is_ok(), "a connection in memory is accepted");
        Self {
            proxy,
            client,
            backend,
            now,
        }
    }

    /// One request and its response.
    fn exchange(&mut self, request: &'a [u8], response: &'a [u8]) {
        self.client.0.borrow_mut().received.clear();
        self.backend.0.borrow_mut().received.clear();
        self.now = self.now + Duration::from_micros(20);
        deliver(&mut self.proxy, &self.client, request, self.now);
        deliver(&mut self.proxy, &self.backend, response, self.now);
        // What exceeds a connection's work in one turn goes on in the next.
        while self.proxy.runnable() > 0 {
            self.proxy.finish_turn(self.now);
        }
        self.proxy.finish_turn(self.now);
    }

    /// The backend got the client's request, and the client the response unchanged.
    fn check(&self, request: &[u8], response: &[u8]) {
        let asked = &self.backend.0.borrow().received;
        let line_end = request.iter().position(|byte| *byte == b'\n');
        assert!(asked.starts_with(request.split_at(line_end.unwrap_or(0)).0));
        assert!(asked.ends_with(b"\r\n\r\n"));
        let received = &self.client.0.borrow().received;
        let head = received.iter().take(400).copied().collect::<Vec<_>>();
        let head = String::from_utf8_lossy(&head);
        assert!(
            received == response,
            "the response is unchanged, not {head}"
        );
    }
}

/// Bytes arrive at the proxy, and an event says so.
fn deliver<'a>(proxy: &mut Proxy<Wired<'a>>, from: &Memory<'a>, bytes: &'a [u8], now: Timestamp) {
    let mut wire = from.0.borrow_mut();
    wire.to_server = bytes;
    let token = wire.token;
    drop(wire);
    let ready = Readiness {
        readable: true,
        writable: true,
        ..Readiness::default()
    };
    if let Some(token) = token {
        proxy.ready(token, ready, now);
    }
}

fn requests(criterion: &mut Criterion) {
    let (small, large) = (response(128), response(1_000_000));
    let mut group = criterion.benchmark_group("session");
    let megabyte = Throughput::Bytes(large.len() as u64);
    for (name, request, response, throughput) in [
        ("keep_alive_get", SHORT, &small, Throughput::Elements(1)),
        ("browser_get", BROWSER, &small, Throughput::Elements(1)),
        ("copy_1_mb", SHORT, &large, megabyte),
    ] {
        let mut session = Session::new();
        session.exchange(request, response);
        session.check(request, response);
        group.throughput(throughput);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                session.exchange(request, response);
                let received = session.client.0.borrow().received.len();
                assert_eq!(
                    received,
                    response.len(),
                    "the client has the whole response"
                );
            });
        });
        session.check(request, response);
    }
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
