//! One server, its clients and its backends, and what must hold of them.

use crate::memory::{Memory, PipeStore, Shared, Stream, World};
use crate::peers::{Asked, Backend, Manners, asked, responses};
use crate::random::Random;
use crate::strict::Message;
use crate::{corpus, mutate};
use lb::config::{AccessLogFormat, BackendLimit, ForwardOptions, Health, Limits, Mode, Timeouts};
use lb::internal::http::{ForwardPolicy, HeadParser};
use lb::internal::pool::{Backends, ConnectSpec, Pool, PoolId, PoolLimits, Pools};
use lb::internal::proxy::{Listener, MemberRules, Parts, Proxy};
use lb::internal::telemetry::{AccessLog, Metrics};
use lb::strategy::RoundRobin;
use lb::time::Timestamp;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const BACKENDS: u16 = 2;
/// More turns than anything that happens can keep the server busy for.
const MAX_TURNS: usize = 400;
/// More calls than one turn can make here.
const MAX_CALLS_PER_TURN: usize = 20_000;
/// More than anything is waited for.
const FOR_EVER: Duration = Duration::from_secs(2 * 3600);

/// One proxy with its clients and backends.
pub(crate) struct Case {
    proxy: Proxy<Memory>,
    pub(crate) world: Shared,
    now: Timestamp,
    manners: Manners,
    /// True if backends sometimes read a request and close without a response.
    pub(crate) hangs_up: bool,
    random: Random,
    backends: HashMap<usize, Backend>,
    /// Bytes each client has sent.
    sent: HashMap<usize, Vec<u8>>,
}

impl Case {
    pub(crate) fn new(mut random: Random, manners: Manners) -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        let world = World::new(random.clone());
        let addresses =
            (0..BACKENDS).map(|nth| SocketAddr::from((Ipv4Addr::LOCALHOST, 5000 + nth)));
        let members = addresses.clone().map(|address| (address.to_string(), 1));
        let backends = Backends::new(members, Box::new(RoundRobin::default()), 1);
        let connect = ConnectSpec {
            addresses: addresses.map(|address| vec![address.into()]).collect(),
            ..ConnectSpec::default()
        };
        let timeouts = Timeouts::default();
        let limits = Limits {
            backend_max_connections: random.one_in(3).then_some(BackendLimit::Max(1)),
            max_idle_per_backend: random.below(3),
            ..Limits::default()
        };
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
            network: Memory(world.clone()),
            pipes: PipeStore(world.clone()),
            listeners: vec![listener],
            pools: Pools::new(Pool::new(backends, None, connect, pool_limits)),
            parser: HeadParser::new(limits.head()),
            request_ids: None,
            rules: MemberRules::default(),
            health: vec![Health {
                check: None,
                ..Health::default()
            }],
            seed: 0,
            metrics: Metrics::new(now),
            access_log: AccessLog::new(AccessLogFormat::Text),
        };
        Self {
            proxy: Proxy::new(parts, now),
            world,
            now,
            manners,
            hangs_up: false,
            random,
            backends: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    pub(crate) fn connect(&mut self) -> usize {
        let nth = self.world.borrow_mut().add(false);
        let stream = Stream::new(&self.world, nth);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1024 + nth as u16));
        let accepted = self.proxy.accepted(stream, address, 0, self.now);
        accepted.expect("room for a connection");
        self.sent.insert(nth, Vec::new());
        nth
    }

    pub(crate) fn client_sends(&mut self, client: usize, bytes: &[u8]) {
        self.world.borrow_mut().send(client, bytes);
        self.sent
            .entry(client)
            .or_default()
            .extend_from_slice(bytes);
    }

    pub(crate) fn end(&mut self, nth: usize) {
        self.world.borrow_mut().end(nth);
    }

    pub(crate) fn reset(&mut self, nth: usize) {
        self.world.borrow_mut().reset(nth);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Some backend does what it should not, on a connection that may be idle.
    pub(crate) fn meddle(&mut self, random: &mut Random) {
        let world = self.world.borrow();
        let links = world
            .wires
            .iter()
            .enumerate()
            .filter(|(_, wire)| wire.is_link);
        let links: Vec<usize> = links.map(|(nth, _)| nth).collect();
        drop(world);
        if links.is_empty() {
            return;
        }
        let link = *random.pick(&links);
        match (random.below(3), self.manners) {
            (0, _) => self.end(link),
            (1, _) => self.reset(link),
            (_, Manners::Good | Manners::Forging) => {}
            (_, Manners::Bad) => {
                let bytes = mutate::mutated(random, corpus::responses(), mutate::HTTP);
                self.world.borrow_mut().send(link, &bytes);
            }
        }
    }

    /// Lets every peer act until none has anything to do.
    pub(crate) fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            let answered = self.backends_respond();
            let events = self.world.borrow_mut().poll();
            let is_due = self.proxy.next_wakeup() <= self.now;
            let is_quiet = !answered && events.is_empty() && !is_due;
            let calls = self.world.borrow().calls;
            for (token, readiness) in events {
                self.proxy.ready(token, readiness, self.now);
            }
            self.proxy.finish_turn(self.now);
            let calls = self.world.borrow().calls - calls;
            assert!(calls <= MAX_CALLS_PER_TURN, "{calls} calls in one turn");
            if is_quiet {
                assert_eq!(calls, 0, "calls for no reason");
                return;
            }
        }
        panic!("the server finds no rest");
    }

    /// Far ends read; backends respond. Returns whether any did.
    fn backends_respond(&mut self) -> bool {
        let mut answered = false;
        let count = self.world.borrow().wires.len();
        for nth in 0..count {
            let mut world = self.world.borrow_mut();
            world.take(nth);
            if !world.wires[nth].is_link {
                continue;
            }
            let backend = self.backends.entry(nth).or_default();
            let answer = backend.response(&world.wires[nth].taken, self.manners, &mut self.random);
            answered |= !answer.is_empty();
            if !answer.is_empty() && self.hangs_up && self.random.one_in(4) {
                world.end(nth);
                continue;
            }
            world.send(nth, &answer);
        }
        answered
    }

    /// The responses to a client.
    pub(crate) fn responses(&self, client: usize) -> Vec<Message> {
        let world = self.world.borrow();
        let wire = &world.wires[client];
        let asked = asked(&self.sent[&client]);
        let found = responses(&wire.taken, &asked, wire.is_ended() && !wire.is_broken());
        let is_forged = |answer: &Message| told(answer).1 == "FORGED /";
        assert!(!found.iter().any(is_forged), "a forged answer was believed");
        // One more: a refusal of what is not a request.
        assert!(
            found.len() <= asked.len() + 1,
            "more responses than requests"
        );
        found
    }

    /// Ends all connections, and checks that everything is back.
    pub(crate) fn leave(mut self) {
        self.run();
        self.check_requests();
        let clients: Vec<usize> = self.sent.keys().copied().collect();
        for client in &clients {
            self.responses(*client);
        }
        let count = self.world.borrow().wires.len();
        (0..count).for_each(|nth| self.end(nth));
        self.run();
        for _ in 0..4 {
            self.pass(FOR_EVER);
            self.run();
        }
        self.check_requests();
        let snapshot = self.proxy.view().snapshot(self.now);
        let in_flight: u32 = snapshot.backends.iter().map(|b| b.in_flight).sum();
        let world = self.world.borrow();
        let open = world.wires.iter().filter(|wire| !wire.is_closed).count();
        let left = (
            self.proxy.open_clients(),
            open,
            in_flight,
            self.proxy.buffers_lent(),
            world.pipes_lent,
        );
        assert_eq!(
            left,
            (0, 0, 0, 0, 0),
            "clients, wires, leases, buffers, pipes left"
        );
    }

    /// Every request that reached a backend is one that a client made, and none that must not be
    /// repeated was.
    fn check_requests(&self) {
        let asked: Vec<Asked> = self
            .sent
            .values()
            .flat_map(|stream| asked(stream))
            .collect();
        let mut once: HashMap<(Vec<u8>, Vec<u8>), usize> = HashMap::new();
        for backend in self.backends.values() {
            for request in &backend.requests {
                let found = asked.iter().find(|asked| {
                    asked.is(request) && asked.content.as_ref() == Some(&request.content)
                });
                assert!(found.is_some(), "nobody asked for {request:?}");
            }
            for head in backend.requests.iter().chain(&backend.partial) {
                let found = asked.iter().find(|asked| asked.is(head));
                let found = found.unwrap_or_else(|| panic!("nobody asked for {head:?}"));
                if !found.is_idempotent() {
                    let key = (found.method.clone(), found.target.clone());
                    *once.entry(key).or_default() += 1;
                }
            }
        }
        for ((method, target), sent) in once {
            let made = asked
                .iter()
                .filter(|a| a.method == method && a.target == target);
            assert!(
                sent <= made.count(),
                "{} was sent {sent} times",
                target.escape_ascii()
            );
        }
    }
}

/// A response to a client: the status, its request, the content of a backend's response.
pub(crate) fn told(answer: &Message) -> (u16, String, Vec<u8>) {
    let to = answer.values("x-asked").next().unwrap_or_default();
    let to = String::from_utf8_lossy(to).into_owned();
    (answer.status(), to, answer.content.clone())
}
