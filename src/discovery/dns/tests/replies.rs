//! What a reply says, and what is believed of it.

use super::*;

#[test]
fn lies_are_ignored_and_the_truth_is_waited_for() {
    let mut world = World::one(&[host("web.example")]);
    world.pass(Duration::ZERO, SILENT);
    let truth = Say::Ttl(60, vec![a("10.0.0.1")]);
    let lie = Say::Ttl(60, vec![a("6.6.6.6")]);
    for (id, query) in world.open.clone() {
        let lied = reply(&query, &lie).unwrap();
        let mut wrong_id = lied.clone();
        wrong_id[1] ^= 1;
        let other = Question {
            name: "evil.example".to_owned(),
            kind: Kind::A,
        };
        let of_query = u16::from_be_bytes([query[0], query[1]]);
        let wrong_question = reply(&wire::write(&other, of_query).unwrap(), &lie).unwrap();
        let mut no_reply = lied.clone();
        no_reply[2] &= 0x7f;
        let mut other_kind = lied.clone();
        let end = query.len() - 3;
        other_kind[end] = 16;
        for bytes in [
            &wrong_id,
            &wrong_question,
            &no_reply,
            &other_kind,
            &lied[..9].to_vec(),
            &vec![],
        ] {
            world.resolver.received(id, bytes, world.now);
        }
        world
            .resolver
            .received(id, &reply(&query, &truth).unwrap(), world.now);
        // And what comes later is too late.
        world.resolver.received(id, &lied, world.now);
    }
    world.pass(SECOND, SILENT);
    assert_eq!(world.addresses("web.example"), ["10.0.0.1"]);
}

#[test]
fn a_short_name_is_searched() {
    let conf = ResolverConf {
        search: vec!["one.example".to_owned(), "two.example".to_owned()],
        ..ResolverConf::default()
    };
    let mut world = World::new(conf, None, &[host("web")]);
    world.pass(SECOND, |name, _, _| match name {
        "web.two.example" => Say::Ttl(60, vec![a("10.0.0.1")]),
        _ => Say::Code(RCODE::NameError),
    });
    assert_eq!(world.addresses("web"), ["10.0.0.1"]);
    let names: Vec<_> = world.asked.iter().map(|(name, ..)| name.as_str()).collect();
    let expected = [
        "web.one.example",
        "web.one.example",
        "web.two.example",
        "web.two.example",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_service_has_the_addresses_of_its_hosts() {
    let service = Name::Service("_http._tcp.web.example".to_owned());
    let mut world = World::one(std::slice::from_ref(&service));
    let say = |name: &str, _: SocketAddr, _: bool| match name {
        "_http._tcp.web.example" => Say::Ttl(
            5,
            vec![
                srv(1, 30, 8080, "A.example"),
                srv(1, 10, 8081, "b.example"),
                srv(2, 0, 8080, "c.example"),
                srv(0, 0, 0, ""),
            ],
        ),
        "a.example" => Say::Ttl(5, vec![a("10.0.0.1")]),
        "b.example" => Say::Ttl(5, vec![a("10.0.0.2"), a("::2")]),
        _ => Say::Code(RCODE::NameError),
    };
    assert!(!world.names.are_settled([&service]));
    world.pass(SECOND, say);
    assert!(world.names.are_settled([&service]));
    let targets: Vec<_> = world
        .names
        .services("_http._tcp.web.example")
        .iter()
        .collect();
    let shown: Vec<_> = targets
        .iter()
        .map(|it| (it.priority, it.weight, it.port, it.target.as_str()))
        .collect();
    let expected = [
        (1, 10, 8081, "b.example"),
        (1, 30, 8080, "a.example"),
        (2, 0, 8080, "c.example"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(world.addresses("b.example."), ["10.0.0.2", "::2"]);
    assert_eq!(world.addresses("a.example."), ["10.0.0.1"]);
    // The hosts are no longer followed when no service has them.
    world.followed.clear();
    world.pass(SECOND, SILENT);
    assert!(world.addresses("a.example.").is_empty());
}

#[test]
fn hosts_need_no_server() {
    let mut world = World::one(&[host("web"), host("localhost")]);
    world.names.set_hosts(Hosts::parse("10.0.0.7 web\n"));
    world.pass(SECOND, SILENT);
    assert_eq!(world.addresses("web"), ["10.0.0.7"]);
    assert_eq!(world.addresses("localhost"), ["127.0.0.1", "::1"]);
    assert!(world.asked.is_empty());
    world.names.set_hosts(Hosts::parse("10.0.0.8 web\n"));
    world.pass(11 * SECOND, SILENT);
    assert_eq!(world.addresses("web"), ["10.0.0.8"]);
}

#[test]
fn a_name_has_so_many_addresses() {
    let all: Vec<_> = (0..100).map(|n| format!("10.0.0.{n}")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let mut world = World::one(&[host("web.example")]);
    world.pass(10 * SECOND, says(1, &all));
    assert_eq!(world.addresses("web.example").len(), 64);
    let events = world.names.take_events();
    assert_eq!(events, [NameEvent::TooMany(host("web.example"), 100)]);
}

#[test]
fn aliases_are_followed_as_far_as_the_reply_goes() {
    let question = Question {
        name: "www.example".to_owned(),
        kind: Kind::A,
    };
    let query = wire::write(&question, 7).unwrap();
    let asked = Packet::parse(&query).unwrap();
    let mut packet = Packet::new_reply(7);
    packet.questions.clone_from(&asked.questions);
    let record = |name, ttl, data| {
        ResourceRecord::new(simple_dns::Name::new_unchecked(name), CLASS::IN, ttl, data)
    };
    let alias = |to| RData::CNAME(CNAME(simple_dns::Name::new_unchecked(to)));
    packet.answers = vec![
        record("WWW.example", 60, alias("lb.Example")),
        record("other.example", 1, a("6.6.6.6")),
        record("lb.example", 30, alias("a.example")),
        record("a.example", 90, a("10.0.0.1")),
    ];
    let bytes = packet.build_bytes_vec().unwrap();
    let expected = Reply::Found(vec![Record::Address("10.0.0.1".parse().unwrap())], 30);
    assert_eq!(wire::read(&bytes, 7, &question), Some(expected));
    // A circle ends.
    packet.answers = vec![
        record("www.example", 60, alias("a.example")),
        record("a.example", 60, alias("www.example")),
    ];
    let bytes = packet.build_bytes_vec().unwrap();
    assert_eq!(wire::read(&bytes, 7, &question), Some(Reply::Nothing));
}

#[test]
fn bytes_of_any_kind_do_no_harm() {
    let question = Question {
        name: "www.example".to_owned(),
        kind: Kind::Srv,
    };
    let query = wire::write(&question, 7).unwrap();
    let say = Say::Ttl(
        5,
        vec![srv(1, 2, 80, "a.example"), srv(1, 2, 81, "b.example")],
    );
    let sound = reply(&query, &say).unwrap();
    for _ in 0..20_000 {
        let mut bytes = sound.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(1 + random() as usize % bytes.len());
        let _ = wire::read(&bytes, 7, &question);
    }
}
