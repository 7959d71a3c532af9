//! Whole sessions: a server between clients and backends that are scripted, cut and cut off.

use crate::memory::{Memory, PipeStore, Shared, Stream, World};
use crate::peers::{Asked, Backend, Manners, answers, asked};
use crate::random::Random;
use crate::{corpus, mutate};
use lb::balance::{KeySource, RoundRobin};
use lb::config::{AccessLogFormat, Check, ForwardOptions, Health, Limits, Mode, Timeouts};
use lb::http::ForwardPolicy;
use lb::observe::{AccessLog, Metrics};
use lb::server::{Parts, Server, Settings};
use lb::time::Timestamp;
use lb::upstream::Upstream;
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

/// Tries the case of one seed.
pub fn attack(seed: u64) {
    let mut random = Random::new(seed);
    match random.below(3) {
        0 => well_served_however_cut(&mut random),
        _ => brawl(&mut random),
    }
}

/// One client, backends that behave: whole or in pieces, the same requests get the same answers.
fn well_served_however_cut(random: &mut Random) {
    let stream = mutate::mutated(random, corpus::requests());
    let mut expected = None;
    for cuts in [vec![0, stream.len()], random.cuts(stream.len())] {
        let mut case = Case::new(random.clone(), Manners::Good);
        let client = case.connect();
        for pair in cuts.windows(2) {
            case.client_sends(client, &stream[pair[0]..pair[1]]);
            case.run();
        }
        case.end(client);
        case.run();
        let asked = asked(&stream);
        let got: Vec<_> = case.answers(client).iter().map(told).collect();
        for ((status, name, _), asked) in got.iter().zip(&asked) {
            let (method, target) = name.split_once(' ').unwrap_or_default();
            let is_own = asked.is_called(method.as_bytes(), target.as_bytes());
            assert!(
                *status != 200 || is_own,
                "{asked:?} got the answer to {name}"
            );
        }
        let expected = expected.get_or_insert_with(|| got.clone());
        assert_eq!(&got, expected, "cut at {cuts:?}: {}", stream.escape_ascii());
        case.leave();
    }
}

/// What a client was told: the status, to which request, the content of a backend's answer.
fn told(answer: &crate::strict::Message) -> (u16, String, Vec<u8>) {
    let to = answer.values("x-asked").next().unwrap_or_default();
    let to = String::from_utf8_lossy(to).into_owned();
    (answer.status(), to, answer.content.clone())
}

/// Several clients, backends of either kind, ends and breaks at any moment.
fn brawl(random: &mut Random) {
    let manners = *random.pick(&[Manners::Good, Manners::Bad, Manners::Bad]);
    let mut case = Case::new(random.clone(), manners);
    case.world.borrow_mut().refuses_one_in = *random.pick(&[0, 0, 3]);
    let mut plans = Vec::new();
    for _ in 0..1 + random.below(3) {
        let stream = mutate::mutated(random, corpus::requests());
        let mut cuts = random.cuts(stream.len());
        cuts.reverse();
        plans.push((case.connect(), stream, cuts));
    }
    for _ in 0..40 {
        let nth = random.below(plans.len());
        let (client, stream, cuts) = &mut plans[nth];
        match random.below(12) {
            0 => case.meddle(random),
            1 => case.pass(Duration::from_millis(random.below(40_000) as u64)),
            2 if random.one_in(3) => case.reset(*client),
            3 if random.one_in(3) => case.end(*client),
            _ => {
                if let (Some(from), Some(to)) = (cuts.pop(), cuts.last()) {
                    case.client_sends(*client, &stream[from..*to]);
                }
            }
        }
        if !random.one_in(4) {
            case.run();
        }
    }
    case.leave();
}

/// One server and everybody around it.
struct Case {
    server: Server<Memory>,
    world: Shared,
    now: Timestamp,
    manners: Manners,
    random: Random,
    backends: HashMap<usize, Backend>,
    /// What each client has sent.
    sent: HashMap<usize, Vec<u8>>,
}

impl Case {
    fn new(mut random: Random, manners: Manners) -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        let world = World::new(random.clone());
        let addresses =
            (0..BACKENDS).map(|nth| SocketAddr::from((Ipv4Addr::LOCALHOST, 5000 + nth)));
        let members = addresses.clone().map(|address| (address.to_string(), 1));
        let parts = Parts {
            network: Memory(world.clone()),
            pipes: PipeStore(world.clone()),
            forward: vec![ForwardPolicy::new(ForwardOptions::default(), "http", 8080)],
            upstream: Upstream::new(members, Box::new(RoundRobin::default()), 1),
            accepts_proxy: Vec::new(),
            request_ids: None,
            sticky: None,
            key_source: KeySource::None,
            addresses: addresses.map(|address| vec![address.into()]).collect(),
            metrics: Metrics::new(now),
            access_log: AccessLog::new(AccessLogFormat::Text),
        };
        let settings = Settings {
            mode: Mode::Http,
            timeouts: Timeouts::default(),
            limits: Limits {
                backend_max_connections: random.one_in(3).then_some(1),
                max_idle_per_backend: random.below(3),
                ..Limits::default()
            },
            health: Health {
                check: Check::None,
                ..Health::default()
            },
            seed: 0,
            host: None,
            send_proxy: None,
        };
        Self {
            server: Server::new(settings, parts, now),
            world,
            now,
            manners,
            random,
            backends: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    fn connect(&mut self) -> usize {
        let nth = self.world.borrow_mut().add(false);
        let stream = Stream::new(&self.world, nth);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1024 + nth as u16));
        let accepted = self.server.accepted(stream, address, 0, self.now);
        accepted.expect("room for a connection");
        self.sent.insert(nth, Vec::new());
        nth
    }

    fn client_sends(&mut self, client: usize, bytes: &[u8]) {
        self.world.borrow_mut().send(client, bytes);
        self.sent
            .entry(client)
            .or_default()
            .extend_from_slice(bytes);
    }

    fn end(&mut self, nth: usize) {
        self.world.borrow_mut().end(nth);
    }

    fn reset(&mut self, nth: usize) {
        self.world.borrow_mut().reset(nth);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Some backend does what it should not, on a connection that may be idle.
    fn meddle(&mut self, random: &mut Random) {
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
            (_, Manners::Good) => {}
            (_, Manners::Bad) => {
                let bytes = mutate::mutated(random, corpus::responses());
                self.world.borrow_mut().send(link, &bytes);
            }
        }
    }

    /// Lets everybody do what they have to until nobody has anything to do.
    fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            let answered = self.backends_answer();
            let events = self.world.borrow_mut().poll();
            let is_due = self.server.next_wakeup().is_some_and(|at| at <= self.now);
            let is_quiet = !answered && events.is_empty() && !is_due;
            let calls = self.world.borrow().calls;
            for (token, readiness) in events {
                self.server.ready(token, readiness, self.now);
            }
            self.server.finish_turn(self.now);
            let calls = self.world.borrow().calls - calls;
            assert!(calls <= MAX_CALLS_PER_TURN, "{calls} calls in one turn");
            if is_quiet {
                assert_eq!(calls, 0, "calls for no reason");
                return;
            }
        }
        panic!("the server finds no rest");
    }

    /// Far ends take what is there; backends read it and answer. Whether any did.
    fn backends_answer(&mut self) -> bool {
        let mut answered = false;
        let count = self.world.borrow().wires.len();
        for nth in 0..count {
            let mut world = self.world.borrow_mut();
            world.take(nth);
            if !world.wires[nth].is_link {
                continue;
            }
            let backend = self.backends.entry(nth).or_default();
            let answer = backend.answer(&world.wires[nth].taken, self.manners, &mut self.random);
            answered |= !answer.is_empty();
            world.send(nth, &answer);
        }
        answered
    }

    /// The answers a client got.
    fn answers(&self, client: usize) -> Vec<crate::strict::Message> {
        let world = self.world.borrow();
        let wire = &world.wires[client];
        let asked = asked(&self.sent[&client]);
        let found = answers(&wire.taken, &asked, wire.is_ended() && !wire.is_broken());
        // One more: a refusal of what is not a request.
        assert!(found.len() <= asked.len() + 1, "more answers than requests");
        found
    }

    /// Everybody leaves, and everything must be back.
    fn leave(mut self) {
        self.run();
        self.check_requests();
        let clients: Vec<usize> = self.sent.keys().copied().collect();
        for client in &clients {
            self.answers(*client);
        }
        let count = self.world.borrow().wires.len();
        (0..count).for_each(|nth| self.end(nth));
        self.run();
        for _ in 0..4 {
            self.pass(FOR_EVER);
            self.run();
        }
        self.check_requests();
        let snapshot = self.server.snapshot(self.now);
        let in_flight: u32 = snapshot.backends.iter().map(|b| b.in_flight).sum();
        let world = self.world.borrow();
        let open = world.wires.iter().filter(|wire| !wire.is_closed).count();
        let left = (
            self.server.open_clients(),
            open,
            in_flight,
            self.server.buffers_lent(),
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
