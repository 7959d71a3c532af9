//! The simulated network and its clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::addr::Addr;
use crate::id::Id;
use crate::message::{Body, Bytes, Course, Message, Own, Reply, Request};
use crate::output::{Event, Looked, Output, Source};
use crate::time::{Timestamp, micros};
use crate::wire::Codec;
use crate::{Config, Host};

use super::Random;

const PORT: u16 = 5000;
/// Virtual time of the beginning, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// The conditions of the network.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// The shortest delay of a datagram.
    pub min_delay: Duration,
    /// The longest; since each has its own, datagrams overtake each other.
    pub max_delay: Duration,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    pub duplication: f64,
}

impl Network {
    /// No loss, 1 to 20 ms.
    #[must_use]
    pub const fn calm() -> Self {
        Self {
            min_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(20),
            loss: 0.0,
            duplication: 0.0,
        }
    }

    /// 2 % lost, 2 % doubled, 1 to 120 ms.
    #[must_use]
    pub const fn rough() -> Self {
        Self {
            min_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(120),
            loss: 0.02,
            duplication: 0.02,
        }
    }
}

/// The answer to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The value was stored.
    Stored,
    /// The value.
    Found(Bytes),
    /// There is none, or the operation failed.
    No,
}

enum Incident {
    Deliver {
        to: SocketAddr,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    Wake(usize),
}

struct Slot {
    host: Option<Host>,
    addr: SocketAddr,
    /// When it is to be woken.
    wake: Timestamp,
    /// Side of a partition.
    side: u8,
}

/// Hosts and what is between them.
pub struct World {
    /// The conditions, which may change at any time.
    pub network: Network,
    /// The source of all that is random.
    pub random: Random,
    codec: Codec,
    now: Timestamp,
    queue: BinaryHeap<Reverse<(Timestamp, u64)>>,
    incidents: BTreeMap<u64, Incident>,
    sequence: u64,
    slots: Vec<Slot>,
    answers: BTreeMap<u64, (Answer, Timestamp)>,
    looked: Vec<Looked>,
    delivered: u64,
    bytes: u64,
}

impl World {
    /// A world without hosts.
    #[must_use]
    pub fn new(seed: u64, network: Network, codec: Codec) -> Self {
        Self {
            network,
            random: Random::new(seed),
            codec,
            now: Timestamp::ZERO,
            queue: BinaryHeap::new(),
            incidents: BTreeMap::new(),
            sequence: 0,
            slots: Vec::new(),
            answers: BTreeMap::new(),
            looked: Vec::new(),
            delivered: 0,
            bytes: 0,
        }
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Datagrams delivered so far, and their bytes.
    #[must_use]
    pub const fn delivered(&self) -> (u64, u64) {
        (self.delivered, self.bytes)
    }

    /// Number of hosts that there ever were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there never was a host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The address of a host.
    #[must_use]
    pub fn addr(nth: usize) -> Addr {
        Addr::from(host_addr(nth))
    }

    /// Numbers of the hosts that are up.
    #[must_use]
    pub fn up(&self) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, s)| s.host.is_some())
            .map(|(nth, _)| nth)
            .collect()
    }

    /// A host, if it is up.
    #[must_use]
    pub fn host(&self, nth: usize) -> Option<&Host> {
        self.slots.get(nth)?.host.as_ref()
    }

    /// Adds a host; `adapt` changes the parameters that its mode has.
    pub fn add(&mut self, adapt: impl FnOnce(Config) -> Config) -> usize {
        let nth = self.slots.len();
        self.slots.push(Slot {
            host: None,
            addr: host_addr(nth),
            wake: Timestamp::NEVER,
            side: 0,
        });
        self.start(nth, adapt);
        nth
    }

    /// Starts a host that is down, under the address that it had.
    pub fn start(&mut self, nth: usize, adapt: impl FnOnce(Config) -> Config) {
        let seed = self.random.seed();
        let addr = Self::addr(nth);
        let config = match &self.codec {
            Codec::Course => Config::course(addr, seed),
            Codec::Native(key) => Config {
                vnodes: 1,
                ..Config::native(addr, key.clone(), seed)
            },
        };
        let config = adapt(Config {
            epoch_ms: EPOCH_MS,
            ..config
        });
        let host = Host::new(config, self.now);
        if let Some(slot) = self.slots.get_mut(nth) {
            slot.host = Some(host);
            slot.wake = Timestamp::NEVER;
        }
        self.settle(nth);
    }

    /// Ends a host without a word.
    pub fn kill(&mut self, nth: usize) {
        if let Some(slot) = self.slots.get_mut(nth) {
            slot.host = None;
        }
    }

    /// Has a host leave the ring; it is down as soon as it has.
    pub fn leave(&mut self, nth: usize) {
        self.with(nth, Host::leave);
    }

    /// Puts a host on a side of a partition: only those of one side reach each other.
    pub fn set_side(&mut self, nth: usize, side: u8) {
        if let Some(slot) = self.slots.get_mut(nth) {
            slot.side = side;
        }
    }

    /// Lets `act` do something with a host, then carries out what the host wants.
    pub fn with(&mut self, nth: usize, act: impl FnOnce(&mut Host, Timestamp)) {
        let now = self.now;
        if let Some(host) = self.slots.get_mut(nth).and_then(|slot| slot.host.as_mut()) {
            act(host, now);
            self.settle(nth);
        }
    }

    /// Has a client put a value by way of a host; the answer comes under `token`.
    pub fn put(&mut self, by: usize, token: u64, key: &str, value: &Bytes) {
        let (key, value) = (key.into(), value.clone());
        let message = match self.codec {
            Codec::Course => Message::Course(Course::Put {
                key,
                value,
                from: None,
            }),
            Codec::Native(_) => client_request(token, Request::Put { key, value }),
        };
        self.client_sends(by, token, &message);
    }

    /// Has a client get a value by way of a host; the answer comes under `token`.
    pub fn get(&mut self, by: usize, token: u64, key: &str) {
        let key = key.into();
        let message = match self.codec {
            Codec::Course => Message::Course(Course::Get { key, from: None }),
            Codec::Native(_) => client_request(token, Request::Get { key }),
        };
        self.client_sends(by, token, &message);
    }

    /// Clients are on the same machine as their host: nothing is lost between them.
    fn client_sends(&mut self, by: usize, token: u64, message: &Message) {
        let bytes = self.codec.encode(message);
        let source = Source::datagram(client_addr(token));
        self.with(by, |host, now| host.handle(source, &bytes, now));
    }

    /// Takes the answer to an operation, and when it came.
    pub fn answer(&mut self, token: u64) -> Option<(Answer, Timestamp)> {
        self.answers.remove(&token)
    }

    /// Starts a lookup at a host.
    pub fn lookup(&mut self, by: usize, token: u64, target: Id) {
        self.with(by, |host, now| host.lookup(token, target, now));
    }

    /// Takes the lookups that have ended.
    pub fn looked(&mut self) -> Vec<Looked> {
        std::mem::take(&mut self.looked)
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse((at, sequence))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            match self.incidents.remove(&sequence) {
                Some(Incident::Wake(nth)) => self.wake(nth, at),
                Some(Incident::Deliver { to, from, bytes }) => self.deliver(to, from, &bytes),
                None => {}
            }
        }
        self.now = end;
    }

    fn wake(&mut self, nth: usize, at: Timestamp) {
        let Some(slot) = self.slots.get_mut(nth) else {
            return;
        };
        // An earlier deadline has replaced this one.
        if slot.wake != at {
            return;
        }
        slot.wake = Timestamp::NEVER;
        self.with(nth, Host::tick);
    }

    fn deliver(&mut self, to: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if let Some(token) = client_token(to) {
            if let Some(answer) = self.codec.decode(bytes).ok().and_then(read_answer) {
                let now = self.now;
                self.answers.entry(token).or_insert((answer, now));
            }
            return;
        }
        let Some(nth) = host_number(to) else { return };
        self.delivered += 1;
        self.bytes += bytes.len() as u64;
        self.with(nth, |host, now| {
            host.handle(Source::datagram(from), bytes, now)
        });
    }

    /// Carries out what a host wants, and notes when it is to be woken.
    fn settle(&mut self, nth: usize) {
        let Some((mut host, from)) = self
            .slots
            .get_mut(nth)
            .and_then(|slot| Some((slot.host.take()?, slot.addr)))
        else {
            return;
        };
        while let Some(output) = host.poll() {
            match output {
                Output::Send { to, bytes } => self.send(nth, from, to.addr, bytes),
                Output::Event(Event::Looked(looked)) => self.looked.push(looked),
                Output::Event(_) | Output::Resolve(_) => {}
            }
        }
        let deadline = host.next_deadline().max(self.now);
        let is_gone = host.is_gone();
        let Some(slot) = self.slots.get_mut(nth) else {
            return;
        };
        if is_gone {
            return;
        }
        slot.host = Some(host);
        if deadline < slot.wake {
            slot.wake = deadline;
            self.queue_up(deadline, Incident::Wake(nth));
        }
    }

    fn send(&mut self, nth: usize, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if client_token(to).is_some() {
            self.queue_up(self.now, Incident::Deliver { to, from, bytes });
            return;
        }
        let side = |nth: usize| self.slots.get(nth).map(|slot| slot.side);
        let is_cut = host_number(to).and_then(side) != side(nth);
        // By TCP nothing is lost that is not cut off.
        let is_stream = bytes.len() > self.codec.max_datagram();
        if is_cut || !is_stream && self.random.chance(self.network.loss) {
            return;
        }
        if !is_stream && self.random.chance(self.network.duplication) {
            let bytes = bytes.clone();
            let at = self.now + self.delay();
            self.queue_up(at, Incident::Deliver { to, from, bytes });
        }
        let at = self.now + self.delay();
        self.queue_up(at, Incident::Deliver { to, from, bytes });
    }

    fn delay(&mut self) -> Duration {
        let least = micros(self.network.min_delay);
        let span = micros(self.network.max_delay).saturating_sub(least);
        Duration::from_micros(least + self.random.below(span as usize + 1) as u64)
    }

    fn queue_up(&mut self, at: Timestamp, incident: Incident) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence)));
        self.incidents.insert(self.sequence, incident);
    }
}

/// Hosts are in 10.0.0.0/8, clients in 11.0.0.0/8 with some of their number in the port.
fn host_addr(nth: usize) -> SocketAddr {
    let [_, b, c, d] = (nth as u32).to_be_bytes();
    (Ipv4Addr::new(10, b, c, d), PORT).into()
}

fn host_number(addr: SocketAddr) -> Option<usize> {
    match addr.ip() {
        IpAddr::V4(ip) => match ip.octets() {
            [10, b, c, d] if addr.port() == PORT => Some(u32::from_be_bytes([0, b, c, d]) as usize),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

fn client_addr(token: u64) -> SocketAddr {
    let [.., b, c, d, e, f] = token.to_be_bytes();
    (Ipv4Addr::new(11, b, c, d), u16::from_be_bytes([e, f])).into()
}

fn client_token(addr: SocketAddr) -> Option<u64> {
    match addr.ip() {
        IpAddr::V4(ip) => match ip.octets() {
            [11, b, c, d] => {
                let [e, f] = addr.port().to_be_bytes();
                Some(u64::from_be_bytes([0, 0, 0, b, c, d, e, f]))
            }
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

const fn client_request(req: u64, request: Request) -> Message {
    Message::Own(Own {
        to: 0,
        from: 0,
        req,
        body: Body::Request(request),
    })
}

fn read_answer(message: Message) -> Option<Answer> {
    Some(match message {
        Message::Course(Course::Ack(None)) => Answer::Stored,
        Message::Course(Course::Ack(Some(value))) => Answer::Found(value),
        Message::Course(Course::Nack) => Answer::No,
        Message::Own(own) => match own.body {
            Body::Reply(Reply::Done) => Answer::Stored,
            Body::Reply(Reply::Found(item)) => Answer::Found(item.value),
            Body::Reply(_) => Answer::No,
            Body::Request(_) => return None,
        },
        Message::Course(_) => return None,
    })
}
