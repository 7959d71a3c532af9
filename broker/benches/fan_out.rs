//! A publication from its frame to the queues of its consumers, without sockets.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lb_broker::broker::{Action, Broker, Keep};
use lb_broker::codec::Format;
use lb_broker::connection_id::ConnectionId;
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::time::Timestamp;
use std::hint::black_box;

const NOW: Timestamp = Timestamp::new(std::time::Duration::ZERO);

/// A broker with a producer and consumers of the given formats, all subscribed.
fn broker(consumers: &[Format]) -> (Broker, ConnectionId) {
    let mut broker = Broker::new(Limits::default(), AccessRules::open(), Keep::InMemory);
    let mut connect = |format: Format| {
        let Ok(id) = broker.connect("bench".to_owned(), NOW) else {
            unreachable!("there is room")
        };
        broker.frame(id, format!("lb-broker/1 {format}").as_bytes(), NOW);
        id
    };
    let producer = connect(Format::Json);
    let all: Vec<_> = consumers
        .iter()
        .map(|format| (connect(*format), *format))
        .collect();
    for (id, format) in all {
        let message = lb_broker::codec::Message::new("subscribe").text("topic", "/weather");
        let mut bytes = Vec::new();
        assert!(lb_broker::codec::write_message(format, &message, &mut bytes).is_ok());
        broker.frame(id, &bytes, NOW);
    }
    drain(&mut broker);
    assert_eq!(broker.stats().clients, 1 + consumers.len() as u64);
    (broker, producer)
}

/// Takes everything as written.
fn drain(broker: &mut Broker) -> usize {
    let mut bytes = 0;
    while let Some(action) = broker.poll_action() {
        if let Action::Write(id) = action
            && let Some(queue) = broker.queue(id)
        {
            bytes += queue.bytes();
            let waiting = queue.bytes();
            queue.advance(waiting);
        }
    }
    bytes
}

fn publish(bytes: usize) -> Vec<u8> {
    let value = "x".repeat(bytes);
    format!(r#"{{"method":"publish","topic":"/weather/wind","value":"{value}"}}"#).into_bytes()
}

fn fan_out(criterion: &mut Criterion) {
    for (name, consumers) in [
        ("one json", vec![Format::Json]),
        ("hundred json", vec![Format::Json; 100]),
        ("one of each", Format::ALL.to_vec()),
    ] {
        for bytes in [128, 4096] {
            let frame = publish(bytes);
            let (mut broker, producer) = broker(&consumers);
            let mut group = criterion.benchmark_group(format!("{name}/{bytes}"));
            group.throughput(Throughput::Elements(consumers.len() as u64));
            group.bench_function("publish", |bencher| {
                bencher.iter_batched(
                    || (),
                    |()| {
                        broker.frame(producer, black_box(&frame), NOW);
                        let written = drain(&mut broker);
                        assert!(written > bytes * consumers.len());
                    },
                    BatchSize::SmallInput,
                );
            });
            group.finish();
        }
    }
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
