//! Thousands of connections that misbehave together: descriptors, memory and processor time.

use crate::breaking::announced;
use crate::kit::{PATIENCE, Running, Shortcuts as _, allow_descriptors, eventually};
use crate::process::Broker;
use lb_broker::client::Client;
use lb_broker::codec::{Format, Message};
use lb_broker::framing::prefixed;
use lb_broker::limits::Limits;
use lb_broker::value::Value;
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// One in five of these connections sends a whole frame, byte by byte; the others stop half-way.
const CROWD: usize = 5000;
/// Resident memory that they may take together.
const MAX_CROWD_KIB: u64 = 64 << 10;

/// The bytes of a connection of the crowd.
fn half_frame(nth: usize) -> Vec<u8> {
    let announced = prefixed(b"lb-broker/1 json");
    let publish = prefixed(slow_publication(nth).as_bytes());
    match nth % 5 {
        0 => announced,
        1 => announced[..announced.len() / 2].to_vec(),
        2 => [&announced, &publish[..publish.len() / 2]].concat(),
        3 => [&announced, &publish[..3]].concat(),
        // The longest frame there may be, and only its beginning.
        _ => [&announced[..], &(1_u32 << 20).to_be_bytes(), &[b' '; 1024]].concat(),
    }
}

fn slow_publication(nth: usize) -> String {
    format!(r#"{{"method":"publish","topic":"/slow","value":{nth:>4},"retain":false}}"#)
}

#[test]
fn half_frames_and_slow_writers_by_the_thousand() {
    allow_descriptors(CROWD as u64 + 200);
    let patient = ["--max-connections", "6000", "--announce-timeout", "600"];
    let broker = Broker::start(&patient);
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    client.subscribe("/slow");
    let before = broker.rss_kib();
    let mut crowd: Vec<_> = (0..CROWD)
        .map(|nth| {
            let mut stream = TcpStream::connect(broker.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(&half_frame(nth)).unwrap();
            stream
        })
        .collect();
    let length = prefixed(slow_publication(0).as_bytes()).len();
    for at in 0..length {
        for (nth, stream) in crowd.iter_mut().enumerate().step_by(5) {
            let frame = prefixed(slow_publication(nth).as_bytes());
            stream.write_all(&frame[at..=at]).unwrap();
        }
        assert!(at + 1 == length || client.silent(), "no frame is whole yet");
    }
    let mut numbers: Vec<i64> = (0..CROWD / 5)
        .map(|_| match client.message().get("value") {
            Some(Value::Int(number)) => *number,
            other => panic!("{other:?}"),
        })
        .collect();
    numbers.sort_unstable();
    let expected: Vec<_> = (0..CROWD as i64).step_by(5).collect();
    assert_eq!(numbers, expected);
    assert!(broker.descriptors() > CROWD);
    let crowded = broker.rss_kib() - before;
    drop(crowd);
    let clients = Message::new("get").text("topic", "$broker/clients");
    eventually("the crowd is gone", || {
        let reply = client.request(clients.clone(), "value", |_| {}).unwrap();
        reply.number("value") == Some(1) && broker.descriptors() < 32
    });
    let left = broker.rss_kib().saturating_sub(before);
    println!("{CROWD} connections: {crowded} KiB of resident memory, {left} KiB afterwards");
    assert!(crowded < MAX_CROWD_KIB, "{crowded} KiB");
    assert!(left < MAX_CROWD_KIB / 2, "{left} KiB");
}

/// Connections that each keep half of a long frame back do not fill the memory.
#[test]
fn unfinished_frames_are_bounded_together() {
    const HALF: usize = 512 << 10;
    let running = Running::limited(Limits {
        unfinished_total_bytes: 4 << 20,
        ..Limits::default()
    });
    let mut client = running.client(Format::Json);
    let mut hoarders: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = announced(&running, Format::Json);
            stream.write_all(&(1_u32 << 20).to_be_bytes()).unwrap();
            // It may be given up before it has sent everything.
            let _ = stream.write_all(&vec![b' '; HALF]);
            stream
        })
        .collect();
    let errors = Message::new("get").text("topic", "$broker/clients");
    eventually("no more than there is room for", || {
        let reply = client.request(errors.clone(), "value", |_| {}).unwrap();
        reply.number("value").unwrap() <= 1 + (4 << 20) / HALF as u64
    });
    client.publish("/small", &Value::Int(1));
    let told = hoarders.iter_mut().filter_map(|stream| {
        stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reply = vec![0; u32::from_be_bytes(prefix) as usize];
        stream.read_exact(&mut reply).unwrap();
        Some(String::from_utf8(reply).unwrap())
    });
    let told: Vec<_> = told.collect();
    assert!(!told.is_empty(), "none is told why");
    assert!(
        told.iter().all(|reply| reply.contains("\"limit\"")),
        "{told:?}"
    );
    drop(hoarders);
    eventually("the hoarders are gone", || {
        let reply = client.request(errors.clone(), "value", |_| {}).unwrap();
        reply.number("value") == Some(1)
    });
    // Given back: a long frame that comes in parts has room again.
    client.publish("/large", &Value::Text("x".repeat(1_000_000)));
}

/// Memory, descriptors and processor time after thousands of connections that misbehave.
#[test]
fn nothing_is_left_after_a_flood() {
    let broker = Broker::start(&["--announce-timeout", "1", "--max-connections", "400"]);
    let mut client = Client::connect(&broker.options(Format::Json)).unwrap();
    client.publish("/a", &Value::Int(1));
    let before = broker.rss_kib();
    for round in 0..4 {
        let mut streams = Vec::new();
        for nth in 0..500_u32 {
            let mut stream = TcpStream::connect(broker.address).unwrap();
            // Refused ones may be closed already.
            let _ = match nth % 4 {
                0 => stream.write_all(&prefixed(b"lb-broker/1 pickle")),
                1 => stream.write_all(b"\x00\x00\x03\xffhalf an announcement"),
                2 => stream.write_all(&nth.to_be_bytes()),
                _ => Ok(()),
            };
            streams.push(stream);
        }
        if round % 2 == 0 {
            // These are reset, as unread bytes are thrown away.
            streams.truncate(100);
        }
    }
    let clients = Message::new("get").text("topic", "$broker/clients");
    eventually("strangers are gone", || {
        let reply = client.request(clients.clone(), "value", |_| {}).unwrap();
        reply.number("value") == Some(1) && broker.descriptors() < 32
    });
    let grown = broker.rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "grown by {grown} KiB");
    // Some time without traffic costs next to nothing: no turn spins.
    let ticks = broker.cpu_ticks();
    let idle =
        client.wait_before(std::time::Instant::now() + std::time::Duration::from_millis(1500));
    assert!(idle.is_err());
    let used = broker.cpu_ticks() - ticks;
    assert!(used < 30, "{used} ticks while idle");
}

/// Short requests that ask for much take turns with those of the others.
#[test]
fn a_flood_of_lists_holds_up_none() {
    let broker = Broker::start(&[]);
    let mut other = Client::connect(&broker.options(Format::Json)).unwrap();
    for nth in 0..2000 {
        other.publish(&format!("/topics/{nth}"), &Value::Int(nth));
    }
    other.subscribe("/done");
    let mut flood = TcpStream::connect(broker.address).unwrap();
    flood.write_all(&prefixed(b"lb-broker/1 json")).unwrap();
    // Both wait for the broker when it goes on, the flood first. Its replies fit into its queue.
    broker.signal(Signal::STOP);
    let lists = prefixed(br#"{"method":"list"}"#).repeat(100);
    let subtrees = br#"{"method":"subscribe","topic":"/","retain_subtree":true}"#;
    flood.write_all(&lists).unwrap();
    flood.write_all(&prefixed(subtrees).repeat(100)).unwrap();
    let done = br#"{"method":"publish","topic":"/done","value":1}"#;
    flood.write_all(&prefixed(done)).unwrap();
    other.send(&Message::new("ping")).unwrap();
    broker.signal(Signal::CONT);
    let mut next = || {
        let received = other.wait_before(Instant::now() + PATIENCE).unwrap();
        received.method().to_owned()
    };
    assert_eq!(next(), "pong", "all of the flood came first");
    // None of the frames that were left for later turns is forgotten.
    assert_eq!(next(), "message");
}

/// Subscriptions to long topics do not fill the memory.
#[test]
fn subscriptions_are_bounded_together() {
    let running = Running::limited(Limits {
        subscription_total_bytes: 1 << 20,
        ..Limits::default()
    });
    let deep = |nth: usize| format!("/{nth}{}", "/segment".repeat(30));
    let mut hoarder = running.client(Format::Json);
    let refused = (0..1024).find(|nth| {
        let topic = deep(*nth);
        let subscribe = Message::new("subscribe").text("topic", &topic);
        hoarder.request(subscribe, "subscribed", |_| {}).is_err()
    });
    assert!((50..500).contains(&refused.unwrap()), "{refused:?}");
    let mut other = running.client(Format::Json);
    let topic = deep(2000);
    let subscribe = || Message::new("subscribe").text("topic", &topic);
    assert_eq!(other.refusal(subscribe(), "subscribed"), "limit");
    drop(hoarder);
    eventually("there is room again", || {
        other.request(subscribe(), "subscribed", |_| {}).is_ok()
    });
}
