//! Cost of one datagram: decoding it, the step that a node takes for it, and a whole lookup in a
//! settled ring.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has to stop")]

use criterion::{Criterion, criterion_group, criterion_main};
use lb_chord::addr::Addr;
use lb_chord::id::{Id, Space};
use lb_chord::message::{Body, Course, Message, Own, Request};
use lb_chord::sim::{Network, World};
use lb_chord::time::Timestamp;
use lb_chord::wire::Codec;
use lb_chord::{Config, Host, Source};
use std::hint::black_box;
use std::time::Duration;

/// The request that lookups are made of.
fn route(target: Id) -> Message {
    let request = Request::Route {
        target,
        last: false,
        thorough: true,
    };
    Message::Own(Own {
        to: 0,
        from: 0,
        req: 1,
        body: Body::Request(request),
    })
}

fn decode(c: &mut Criterion) {
    let put = Message::Course(Course::Put {
        key: "A".into(),
        value: lb_pickle::to_opcodes(&lb_pickle::Value::text("x".repeat(100))).into(),
        from: Addr::new("localhost", 5000),
    });
    let route = route(Space::NATIVE.hash("A"));
    for (name, codec, message) in [
        ("course", Codec::Course, put),
        ("native", Codec::Native(None), route),
    ] {
        let bytes = codec.encode(&message);
        assert_eq!(codec.decode(&bytes).unwrap(), message);
        c.bench_function(&format!("decode/{name}"), |b| {
            b.iter(|| codec.decode(black_box(&bytes)).unwrap());
        });
    }
}

/// A node alone answers the way to an id: decoding, the step, encoding.
fn step(c: &mut Criterion) {
    let codec = Codec::Native(None);
    let config = Config::native(Addr::new("localhost", 5000).unwrap(), None, [1; 32]);
    let mut host = Host::new(
        Config {
            vnodes: 1,
            ..config
        },
        Timestamp::ZERO,
    );
    let bytes = codec.encode(&route(Space::NATIVE.hash("A")));
    let source = Source::datagram(([127, 0, 0, 1], 9).into());
    c.bench_function("step/route", |b| {
        b.iter(|| {
            host.handle(source, black_box(&bytes), Timestamp::ZERO);
            let answer = host.poll();
            assert!(answer.is_some());
            answer
        });
    });
}

/// All steps of a lookup among 64 nodes, with the simulated network between them.
fn lookup(c: &mut Criterion) {
    let mut world = World::new(1, Network::calm(), Codec::Native(None));
    // Far apart, so that hardly any of what is measured is stabilization.
    let stabilize_interval = Duration::from_secs(600);
    for nth in 0..64 {
        let join = (nth > 0).then(|| World::addr(0)).into_iter().collect();
        world.add(|config| Config {
            join,
            stabilize_interval,
            ..config
        });
        world.run(Duration::from_secs(1));
    }
    world.run(Duration::from_secs(60_000));
    let mut token = 0;
    c.bench_function("lookup/64 nodes", |b| {
        b.iter(|| {
            token += 1;
            let target = Space::NATIVE.hash(&token.to_string());
            world.lookup(token as usize % 64, token, target);
            world.run(Duration::from_secs(1));
            let looked = world.looked();
            assert!(looked.iter().all(|looked| looked.owner.is_some()) && !looked.is_empty());
        });
    });
}

criterion_group!(benches, decode, step, lookup);
criterion_main!(benches);
