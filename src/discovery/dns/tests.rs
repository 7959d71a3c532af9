//! Names and servers without sockets: each act is answered, or not, as the test says.

mod replies;

use super::resolver::{Act, QueryId, Resolver};
use super::wire::{self, Kind, Question, Record, Reply};
use super::*;
use crate::time::Timestamp;
use simple_dns::rdata::{A, AAAA, CNAME, RData, SRV};
use simple_dns::{CLASS, Packet, PacketFlag, RCODE, ResourceRecord};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

/// Differs each time, and is the same in each run.
fn random() -> u64 {
    NEXT.with(|next| {
        next.set(
            next.get()
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        );
        next.get() >> 16
    })
}

/// What the servers of a test say of a question.
#[derive(Clone, Debug)]
enum Say {
    Ttl(u32, Vec<RData<'static>>),
    Code(RCODE),
    Truncated,
    Silence,
}

fn a(text: &str) -> RData<'static> {
    match text.parse::<IpAddr>().unwrap() {
        IpAddr::V4(ip) => RData::A(A::from(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA::from(ip)),
    }
}

fn srv(priority: u16, weight: u16, port: u16, target: &'static str) -> RData<'static> {
    RData::SRV(SRV {
        priority,
        weight,
        port,
        target: simple_dns::Name::new_unchecked(target),
    })
}

/// The reply to a query, as a server makes it.
fn reply(query: &[u8], say: &Say) -> Option<Vec<u8>> {
    let asked = Packet::parse(query).unwrap();
    let mut packet = Packet::new_reply(asked.id());
    packet.questions.clone_from(&asked.questions);
    match say {
        Say::Silence => return None,
        Say::Truncated => packet.set_flags(PacketFlag::TRUNCATION),
        Say::Code(code) => *packet.rcode_mut() = *code,
        Say::Ttl(ttl, all) => {
            let kind = asked.questions[0].qtype;
            let name = asked.questions[0].qname.clone();
            let of_kind = all.iter().filter(|data| {
                simple_dns::QTYPE::TYPE(data.type_code()) == kind || matches!(data, RData::CNAME(_))
            });
            let record = |data: &RData<'static>| {
                ResourceRecord::new(name.clone(), CLASS::IN, *ttl, data.clone())
            };
            packet.answers = of_kind.map(record).collect();
        }
    }
    Some(packet.build_bytes_vec().unwrap())
}

struct World {
    names: Names,
    resolver: Resolver,
    now: Timestamp,
    followed: BTreeSet<Name>,
    /// The questions that were sent: name, server, whether by TCP.
    asked: Vec<(String, SocketAddr, bool)>,
    /// Those that were not answered.
    open: Vec<(QueryId, Vec<u8>)>,
}

fn host(name: &str) -> Name {
    Name::Host(name.to_owned())
}

impl World {
    fn new(conf: ResolverConf, hold: Option<Duration>, names: &[Name]) -> Self {
        Self {
            names: Names::new(hold, random),
            resolver: Resolver::new(conf, random),
            now: Timestamp::ZERO + SECOND,
            followed: names.iter().cloned().collect(),
            asked: Vec::new(),
            open: Vec::new(),
        }
    }

    fn one(names: &[Name]) -> Self {
        Self::new(ResolverConf::default(), None, names)
    }

    /// Lets `time` pass, with servers that say so of a name.
    fn pass(&mut self, time: Duration, say: impl Fn(&str, SocketAddr, bool) -> Say) {
        let end = self.now + time;
        loop {
            self.names.follow(&self.followed, self.now);
            self.resolver.expire(self.now);
            self.names.advance(&mut self.resolver, self.now);
            self.names.follow(&self.followed, self.now);
            self.names.advance(&mut self.resolver, self.now);
            if self.carry_out(&say) {
                continue;
            }
            let next = self.names.next_wakeup().min(self.resolver.next_wakeup());
            if next > end {
                break;
            }
            self.now = self.now.max(next);
        }
        self.now = end;
    }

    fn carry_out(&mut self, say: &impl Fn(&str, SocketAddr, bool) -> Say) -> bool {
        let mut is_active = false;
        while let Some(act) = self.resolver.next_act() {
            is_active = true;
            let (id, server, bytes, by_tcp) = match act {
                Act::Datagram(id, server, bytes) => (id, server, bytes, false),
                Act::Stream(id, server, bytes) => (id, server, bytes, true),
                Act::Close(id) => {
                    self.open.retain(|(open, _)| *open != id);
                    continue;
                }
            };
            let name = Packet::parse(&bytes).unwrap().questions[0]
                .qname
                .to_string();
            self.asked.push((name.clone(), server, by_tcp));
            match reply(&bytes, &say(&name, server, by_tcp)) {
                Some(reply) => self.resolver.received(id, &reply, self.now),
                None => self.open.push((id, bytes)),
            }
        }
        is_active
    }

    fn addresses(&self, name: &str) -> Vec<String> {
        let found = self.names.addresses(name);
        found.iter().map(ToString::to_string).collect()
    }
}

fn says(ttl: u32, all: &[&str]) -> impl Fn(&str, SocketAddr, bool) -> Say {
    let all: Vec<_> = all.iter().map(|text| a(text)).collect();
    move |_, _, _| Say::Ttl(ttl, all.clone())
}

const SILENT: fn(&str, SocketAddr, bool) -> Say = |_, _, _| Say::Silence;

#[test]
fn a_name_is_looked_up_again_when_its_records_end() {
    let mut world = World::one(&[host("web.example")]);
    world.pass(Duration::ZERO, says(5, &["10.0.0.2", "10.0.0.1", "::1"]));
    assert_eq!(
        world.addresses("web.example"),
        ["10.0.0.1", "10.0.0.2", "::1"]
    );
    assert!(world.names.take_changed());
    world.pass(
        5 * SECOND - Duration::from_millis(1),
        says(5, &["10.0.0.9"]),
    );
    assert_eq!(world.asked.len(), 2, "A and AAAA, once");
    world.pass(SECOND, says(5, &["10.0.0.9"]));
    assert_eq!(world.addresses("web.example"), ["10.0.0.9"]);
    assert!(world.names.take_changed());
    world.pass(60 * SECOND, says(5, &["10.0.0.9"]));
    assert!(!world.names.take_changed());
    // A life of no time is one second.
    world.pass(10 * SECOND, says(0, &["10.0.0.9"]));
    world.asked.clear();
    world.pass(10 * SECOND, says(0, &["10.0.0.9"]));
    assert!(
        (16..=22).contains(&world.asked.len()),
        "{}",
        world.asked.len()
    );
}

#[test]
fn a_failing_server_takes_nothing_away() {
    let failures = [
        Say::Silence,
        Say::Code(RCODE::ServerFailure),
        Say::Code(RCODE::Refused),
        Say::Code(RCODE::NameError),
        Say::Ttl(5, Vec::new()),
    ];
    for failure in failures {
        let mut world = World::one(&[host("web.example")]);
        world.pass(SECOND, says(1, &["10.0.0.1"]));
        world.names.take_changed();
        world.pass(3600 * SECOND, |_, _, _| failure.clone());
        assert_eq!(world.addresses("web.example"), ["10.0.0.1"], "{failure:?}");
        assert!(!world.names.take_changed());
        let events = world.names.take_events();
        let [NameEvent::Failed(_, _, true)] = events.as_slice() else {
            panic!("{events:?}");
        };
        // It is asked now and then, and followed at once when it says something.
        world.pass(40 * SECOND, says(1, &["10.0.0.2"]));
        assert_eq!(world.addresses("web.example"), ["10.0.0.2"]);
        let recovered = [NameEvent::Recovered(host("web.example"))];
        assert_eq!(world.names.take_events(), recovered);
    }
}

#[test]
fn what_is_held_is_let_go_in_the_end() {
    let hold = Some(60 * SECOND);
    let mut world = World::new(ResolverConf::default(), hold, &[host("web.example")]);
    world.pass(SECOND, says(1, &["10.0.0.1"]));
    world.names.take_changed();
    world.pass(59 * SECOND, |_, _, _| Say::Code(RCODE::NameError));
    assert_eq!(world.addresses("web.example"), ["10.0.0.1"]);
    world.pass(5 * SECOND, |_, _, _| Say::Code(RCODE::NameError));
    assert!(world.addresses("web.example").is_empty());
    assert!(world.names.take_changed());
}

#[test]
fn one_kind_that_fails_keeps_what_it_was() {
    let mut world = World::one(&[host("web.example")]);
    world.pass(SECOND, says(1, &["10.0.0.1", "::1"]));
    let (mut resolver, mut now) = (world.resolver, world.now);
    now = now + 2 * SECOND;
    world.names.advance(&mut resolver, now);
    let mut acts = Vec::new();
    while let Some(act) = resolver.next_act() {
        acts.push(act);
    }
    for act in acts {
        if let Act::Datagram(id, _, bytes) = act {
            let kind = Packet::parse(&bytes).unwrap().questions[0].qtype;
            if kind == simple_dns::QTYPE::TYPE(simple_dns::TYPE::A) {
                let say = Say::Ttl(1, vec![a("10.0.0.2")]);
                resolver.received(id, &reply(&bytes, &say).unwrap(), now);
            }
        }
    }
    for _ in 0..10 {
        now = now.max(resolver.next_wakeup().min(now + 10 * SECOND));
        resolver.expire(now);
        world.names.advance(&mut resolver, now);
    }
    world.resolver = resolver;
    assert_eq!(world.addresses("web.example"), ["10.0.0.2", "::1"]);
}

#[test]
fn the_next_server_is_asked_and_preferred_from_then_on() {
    let servers: Vec<SocketAddr> = vec![
        "10.0.0.1:53".parse().unwrap(),
        "10.0.0.2:53".parse().unwrap(),
    ];
    let conf = ResolverConf::default().with_servers(&servers);
    let mut world = World::new(conf, None, &[host("web.example")]);
    let second = servers[1];
    let say = move |_: &str, server: SocketAddr, _: bool| match server == second {
        true => Say::Ttl(1, vec![a("10.0.0.1")]),
        false => Say::Silence,
    };
    world.pass(5 * SECOND, say);
    assert_eq!(world.addresses("web.example"), ["10.0.0.1"]);
    let first: Vec<_> = world.asked.iter().map(|(_, server, _)| *server).collect();
    assert_eq!(first[..4], [servers[0], servers[0], second, second]);
    assert!(
        first[4..].iter().all(|server| *server == second),
        "{first:?}"
    );
    // All are asked in each round before the look-up fails.
    world.asked.clear();
    world.names.take_events();
    world.pass(10 * SECOND, SILENT);
    assert_eq!(
        world
            .asked
            .iter()
            .filter(|(_, it, _)| *it == servers[0])
            .count(),
        4
    );
    let events = world.names.take_events();
    let [NameEvent::Failed(_, problem, true)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(
        problem.contains("10.0.0.") && problem.ends_with("no reply in time"),
        "{problem}"
    );
}

#[test]
fn a_reply_that_is_cut_short_is_asked_for_by_tcp() {
    let mut world = World::one(&[host("web.example")]);
    world.pass(SECOND, |_, _, by_tcp| match by_tcp {
        true => Say::Ttl(60, vec![a("10.0.0.1")]),
        false => Say::Truncated,
    });
    assert_eq!(world.addresses("web.example"), ["10.0.0.1"]);
    let by_tcp = world.asked.iter().filter(|(_, _, by_tcp)| *by_tcp).count();
    assert_eq!((world.asked.len(), by_tcp), (4, 2));
    // Cut short by TCP as well, it is no reply.
    let mut world = World::one(&[host("web.example")]);
    world.pass(SECOND, |_, _, _| Say::Truncated);
    assert!(world.addresses("web.example").is_empty());
    assert_eq!(world.names.take_events().len(), 1);
}
