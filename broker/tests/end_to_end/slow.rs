//! Consumers that do not read.

use crate::breaking::announced;
use crate::kit::{PATIENCE, Running, Shortcuts as _, eventually};
use lb_broker::announcement::WhenFull;
use lb_broker::client::{Client, ClientError};
use lb_broker::codec::{Children, Format, Message, Payload};
use lb_broker::framing::prefixed;
use lb_broker::limits::Limits;
use lb_broker::value::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Messages that are more than sockets and queue of a consumer take.
const MESSAGES: i64 = 3000;
const PADDING: usize = 4000;

fn small_queues() -> Limits {
    Limits {
        queue_messages: 100,
        queue_bytes: 1 << 20,
        ..Limits::default()
    }
}

fn value(number: i64) -> Value {
    Value::List(vec![Value::Int(number), Value::Text("x".repeat(PADDING))])
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::List(items)) => match items[0] {
            Value::Int(number) => number,
            ref other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_oldest_are_dropped_and_the_consumer_is_told_how_many() {
    let running = Running::limited(small_queues());
    let mut slow = running.client(Format::Json);
    slow.subscribe("/a");
    let mut producer = running.client(Format::Pickle);
    for nth in 0..MESSAGES {
        producer.publish("/a", &value(nth));
    }
    let (mut next, mut told, mut received) = (0, 0, 0);
    while next < MESSAGES {
        let message = slow.wait_before(Instant::now() + PATIENCE).unwrap();
        match message.method() {
            "missed" => {
                let count = message.number("count").unwrap();
                told += count;
                next += i64::try_from(count).unwrap();
            }
            _ => {
                assert_eq!(
                    number(message.get("value")),
                    next,
                    "in order, gaps where told"
                );
                next += 1;
                received += 1;
            }
        }
    }
    assert!(told > 0, "nothing was dropped");
    assert_eq!(told + received, MESSAGES as u64);
    let dropped = producer.request(
        Message::new("get").text("topic", "$broker/messages/dropped"),
        "value",
        |_| {},
    );
    assert_eq!(dropped.unwrap().number("value"), Some(told));
}

#[test]
fn a_strict_consumer_is_disconnected_instead() {
    let running = Running::limited(small_queues());
    let mut options = running.options(Format::Xml);
    options.when_full = WhenFull::Disconnect;
    let mut slow = Client::connect(&options).unwrap();
    slow.subscribe("/a");
    let mut producer = running.client(Format::Json);
    for nth in 0..MESSAGES {
        producer.publish("/a", &value(nth));
    }
    let mut next = 0;
    let end = loop {
        match slow.wait_before(Instant::now() + PATIENCE) {
            Ok(message) if message.method() == "message" => {
                assert_eq!(number(message.get("value")), next, "in order, without gaps");
                next += 1;
            }
            other => break other,
        }
    };
    assert!(next > 0 && next < MESSAGES);
    match end {
        Ok(message) => assert_eq!(message.text("code"), Some("overflow")),
        // It took too long to read that, too.
        Err(ClientError::Connection(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_asks_and_never_reads_is_disconnected() {
    let running = Running::limited(Limits {
        queue_messages: 100,
        ..Limits::default()
    });
    let mut producer = running.client(Format::Json);
    producer.publish("/a", &Value::Text("x".repeat(100_000)));
    let mut greedy = running.client(Format::Json);
    let deadline = Instant::now() + PATIENCE;
    while greedy
        .send(&Message::new("get").text("topic", "/a"))
        .is_ok()
    {
        assert!(Instant::now() < deadline, "it was never disconnected");
    }
    producer.publish("/a", &Value::Int(1));
}

#[test]
fn consumers_that_vanish_do_not_disturb() {
    let running = Running::new();
    let mut producer = running.client(Format::Json);
    let mut stays = running.client(Format::Json);
    stays.subscribe("/a");
    for nth in 0..50 {
        let mut consumer = running.client(Format::Json);
        consumer.subscribe("/a");
        drop(consumer);
        producer.publish("/a", &Value::Int(nth));
        assert_eq!(stays.message().get("value"), Some(&Value::Int(nth)));
    }
    let subscribers = || Message::new("subscribers").text("topic", "/a");
    eventually("the vanished are forgotten", || {
        let reply = producer
            .request(subscribers(), "subscribers", |_| {})
            .unwrap();
        reply.list("subscribers").len() == 1
    });
}

#[test]
fn all_queues_together_are_bounded() {
    let limits = Limits {
        queue_total_bytes: 8 << 20,
        ..Limits::default()
    };
    let running = Running::limited(limits);
    let mut idle: Vec<_> = (0..4)
        .map(|nth| {
            let mut client = running.client(Format::Json);
            client.subscribe(&format!("/{nth}"));
            client
        })
        .collect();
    let mut options = running.options(Format::Json);
    options.when_full = WhenFull::Disconnect;
    let mut strict = Client::connect(&options).unwrap();
    strict.subscribe("/0");
    let mut producer = running.client(Format::Json);
    let payload = Payload::of(&Value::Text("x".repeat(100_000)));
    let mut most = 0;
    for nth in 0..700 {
        let topic = format!("/{}", nth % 4);
        let publish = Message::new("publish").text("topic", &topic);
        producer
            .request(
                publish.children(Children::Value(&payload)),
                "published",
                |_| {},
            )
            .unwrap();
        if nth % 50 == 0 {
            let queued = Message::new("get").text("topic", "$broker/queued/bytes");
            most = most.max(
                producer
                    .request(queued, "value", |_| {})
                    .unwrap()
                    .number("value")
                    .unwrap(),
            );
        }
    }
    assert!(most > 4 << 20 && most <= 9 << 20, "{most}");
    let first = idle[0].wait_before(Instant::now() + PATIENCE).unwrap();
    assert_eq!(first.method(), "message");
    // One that would rather be disconnected is, also when it is others that fill the room.
    let end = loop {
        match strict.wait_before(Instant::now() + PATIENCE) {
            Ok(message) if message.method() == "message" => {}
            other => break other,
        }
    };
    match end {
        Ok(message) => assert_eq!(message.text("code"), Some("overflow")),
        Err(ClientError::Connection(_)) => {}
        other => panic!("{other:?}"),
    }
}

/// Replies are bounded together too, and what fills the room with them is cut off.
#[test]
fn replies_that_are_not_read_are_bounded_together() {
    const ROOM: u64 = 8 << 20;
    let running = Running::limited(Limits {
        queue_bytes: 64 << 20,
        queue_total_bytes: ROOM,
        ..Limits::default()
    });
    let mut client = running.client(Format::Json);
    client.publish("/large", &Value::Text("x".repeat(1_000_000)));
    let mut idle = running.client(Format::Json);
    idle.subscribe("/small");
    let get = prefixed(br#"{"method":"get","topic":"/large"}"#);
    let mut greedy: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = announced(&running, Format::Json);
            stream.write_all(&get.repeat(20)).unwrap();
            stream
        })
        .collect();
    let value = |client: &mut Client, topic| {
        let get = Message::new("get").text("topic", topic);
        let reply = client.request(get, "value", |_| {}).unwrap();
        reply.number("value").unwrap()
    };
    eventually("those that fill the room are cut off", || {
        let queued = value(&mut client, "$broker/queued/bytes");
        assert!(queued <= ROOM, "{queued}");
        value(&mut client, "$broker/clients") < 10
    });
    // The others notice nothing.
    client.publish("/small", &Value::Int(1));
    assert_eq!(idle.message().get("value"), Some(&Value::Int(1)));
    // They get what was on its way, and no more.
    let whole = 20 * 1_000_000;
    let is_cut = |stream: &mut TcpStream| {
        let mut read = Vec::new();
        let timeout = Some(Duration::from_millis(500));
        stream.set_read_timeout(timeout).unwrap();
        let end = stream.read_to_end(&mut read);
        end.is_ok() && read.len() < whole
    };
    assert!(greedy.iter_mut().any(is_cut), "none is cut off");
}
