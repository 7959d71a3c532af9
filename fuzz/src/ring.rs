//! The decoders of the ring, and a node that is fed what they accept.

use crate::random::Random;
use crate::{corpus, mutate};
use lb_chord::addr::{Addr, Peer};
use lb_chord::id::{Id, Space};
use lb_chord::message::{
    Body, Cause, Hop, Item, Message, Own, Part, Reply, Request, Slice, Version,
};
use lb_chord::time::Timestamp;
use lb_chord::wire::Codec;
use lb_chord::{Config, Host, Output, Source};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

/// What the messages of a ring are made of.
const WORDS: &[&[u8]] = &[
    b"\x8c\x06method",
    b"\x8c\x04args",
    b"\x8c\x03PUT",
    b"\x8c\x03GET",
    b"\x8c\x06NOTIFY",
    b"\x8c\x09SUCCESSOR",
    b"\x8c\x08JOIN_REQ",
    b"\x8c\x02LB",
    b"\x8c\x09localhost",
    b"M\x88\x13",
    b"\x86",
    b"}(",
    b"u.",
    b"N",
    b"C\x10",
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff\xff\xff\x0f",
];

/// Tries the case of one seed: a datagram of the course.
pub fn attack_course(seed: u64) {
    decode(&Codec::Course, course(), seed);
}

/// Tries the case of one seed: a native datagram or frame.
pub fn attack_native(seed: u64) {
    decode(&Codec::Native(None), native(), seed);
}

/// What is accepted comes back from the encoder, and anything else changes nothing.
fn decode(codec: &Codec, corpus: &[Vec<u8>], seed: u64) {
    let mut random = Random::new(seed);
    let input = mutate::mutated(&mut random, corpus, WORDS);
    if let Ok(message) = codec.decode(&input) {
        let bytes = codec.encode(&message);
        if bytes.len() <= codec.max_datagram() {
            let again = codec.decode(&bytes).expect("our own message");
            assert!(same(codec, &message, &again), "{message:?}, then {again:?}");
        }
    }
}

/// Equality by bytes: NaN is not itself.
fn same(codec: &Codec, a: &Message, b: &Message) -> bool {
    codec.encode(a) == codec.encode(b)
}

/// Tries the case of one seed: a member of a ring of two among senders of anything. It must neither
/// panic, nor answer without end, nor keep more than its limits.
pub fn attack_node(seed: u64) {
    let mut random = Random::new(seed);
    let is_course = random.one_in(2);
    let (mut hosts, corpus) = (pair(is_course, seed), corpus_of(is_course));
    let mut now = Timestamp::ZERO;
    for _ in 0..60 {
        now = now + Duration::from_millis(random.below(1500) as u64);
        let nth = random.below(2);
        let input = mutate::mutated(&mut random, corpus, WORDS);
        let port = *random.pick(&[PORTS[0], PORTS[1], 4000, 9]);
        let source = Source::datagram(SocketAddr::from(([127, 0, 0, 1], port)));
        hosts[nth].handle(source, &input, now);
        exchange(&mut hosts, now);
    }
    for host in &hosts {
        for node in host.snapshots() {
            assert!(node.owned.len() + node.copies.len() <= MAX_KEYS);
            assert!(node.in_progress < 1000, "{} in progress", node.in_progress);
        }
    }
}

const PORTS: [u16; 2] = [5000, 5001];
const MAX_KEYS: usize = 20;
/// Datagrams that one input may lead to between two hosts. A chain longer than this has no end.
const MAX_EXCHANGED: usize = 2000;

fn corpus_of(is_course: bool) -> &'static [Vec<u8>] {
    if is_course { course() } else { native() }
}

fn pair(is_course: bool, seed: u64) -> [Host; 2] {
    PORTS.map(|port| {
        let addr = |port| Addr::from(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut random = [port as u8; 32];
        random[..8].copy_from_slice(&seed.to_le_bytes());
        let config = if is_course {
            Config::course(addr(port), random)
        } else {
            Config::native(addr(port), None, random)
        };
        let join = (port != PORTS[0]).then(|| addr(PORTS[0]));
        let config = Config {
            join: join.into_iter().collect(),
            max_keys: MAX_KEYS,
            ..config
        };
        Host::new(config, Timestamp::ZERO)
    })
}

/// Lets the hosts do what is due, and carries what they send each other.
fn exchange(hosts: &mut [Host; 2], now: Timestamp) {
    hosts.iter_mut().for_each(|host| host.tick(now));
    for _ in 0..MAX_EXCHANGED {
        let sent = hosts.iter_mut().enumerate().find_map(|(nth, host)| {
            let output = host.poll()?;
            Some((nth, output))
        });
        let Some((nth, output)) = sent else { return };
        if let Output::Send { to, bytes } = output
            && let Some(other) = PORTS.iter().position(|port| *port == to.addr.port())
        {
            let from = SocketAddr::from(([127, 0, 0, 1], PORTS[nth]));
            hosts[other].handle(Source::datagram(from), &bytes, now);
        }
    }
    panic!("the hosts do not come to rest");
}

/// Datagrams to begin with: those of the course from files, our own from the encoder.
fn course() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let own = bodies(Space::COURSE)
            .into_iter()
            .map(|body| encode(&Codec::Course, body));
        corpus::course().iter().cloned().chain(own).collect()
    })
}

fn native() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let bodies = bodies(Space::NATIVE).into_iter();
        bodies
            .map(|body| encode(&Codec::Native(None), body))
            .collect()
    })
}

fn encode(codec: &Codec, body: Body) -> Vec<u8> {
    let (to, from, req) = (0, 0, 1);
    codec.encode(&Message::Own(Own {
        to,
        from,
        req,
        body,
    }))
}

/// A message of each kind.
fn bodies(space: Space) -> Vec<Body> {
    let peer = |port| {
        Peer::new(
            space,
            Addr::from(SocketAddr::from(([127, 0, 0, 1], port))),
            0,
        )
    };
    let hop = |port| Hop {
        peer: peer(port),
        plain: port == 4000,
    };
    let version = Version { time_ms: 7, tie: 1 };
    let (key, value) = (|| "A".into(), || vec![b'N'].into());
    let item = || Item {
        key: key(),
        value: value(),
        version,
    };
    let slice = Slice {
        begin: Id::new(5),
        end: Id::new(700),
        prefix: 1 << 60,
        bits: 4,
    };
    let requests = [
        Request::Ping,
        Request::Links {
            notify: Some(peer(5001)),
        },
        Request::Route {
            target: Id::new(9),
            last: true,
            thorough: false,
        },
        Request::Put {
            key: key(),
            value: value(),
        },
        Request::Get { key: key() },
        Request::Store {
            key: key(),
            value: value(),
        },
        Request::Fetch { key: key() },
        Request::Copy(item()),
        Request::Compare {
            slice,
            count: 3,
            digest: 9,
        },
        Request::Pull { slice, tag: 1 },
        Request::Leaving {
            peer: peer(5001),
            predecessor: Some(peer(4000)),
            successors: vec![peer(5000), peer(4000)],
        },
        Request::Leave { token: 0 },
        Request::State {
            part: Part::Keys,
            offset: 0,
        },
    ];
    let replies = [
        Reply::Pong,
        Reply::Links {
            predecessor: Some(hop(5001)),
            successors: vec![hop(4000)],
        },
        Reply::Route {
            is_owner: false,
            owners: vec![hop(4000)],
            closer: vec![hop(5001)],
        },
        Reply::Done,
        Reply::Refused(Cause::Full),
        Reply::Found(item()),
        Reply::Maybe(item()),
        Reply::Entries(vec![(1, version), (2, version)]),
        Reply::Split,
    ];
    let requests = requests.into_iter().map(Body::Request);
    requests
        .chain(replies.into_iter().map(Body::Reply))
        .collect()
}
