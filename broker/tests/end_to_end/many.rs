//! A thousand consumers on one topic: some never read, some are killed, the others miss nothing.

use crate::kit::{PATIENCE, Shortcuts as _, allow_descriptors, eventually};
use crate::process::Broker;
use lb_broker::client::Client;
use lb_broker::codec::Format;
use lb_broker::framing::prefixed;
use lb_broker::value::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const READERS: usize = 890;
const IDLE: usize = 100;
const KILLED: usize = 10;
const THREADS: usize = 10;
const MESSAGES: u64 = 200;
const PADDING: usize = 1000;
/// Messages that may wait for one consumer: readers lag less, idle consumers overflow.
const QUEUE: u64 = 60;
/// Resident memory of the broker that is surely enough: 1,000 connections and one queue of shared
/// frames.
const MAX_RSS_KIB: u64 = 64 << 10;

/// A subscribed consumer with a small receive buffer, without the client around it.
fn consumer(broker: &Broker) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(&broker.address.into()).unwrap();
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&prefixed(b"lb-broker/1 json")).unwrap();
    stream
        .write_all(&prefixed(br#"{"method":"subscribe","topic":"/all"}"#))
        .unwrap();
    assert!(frame(&mut stream).contains("welcome"));
    assert!(frame(&mut stream).contains("subscribed"));
    stream
}

fn frame(stream: &mut TcpStream) -> String {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).unwrap();
    let mut bytes = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads all messages from all streams and checks their order.
fn read_all(streams: &mut [TcpStream], progress: &AtomicU64) {
    for nth in 0..MESSAGES {
        let expected = format!("[{nth},");
        for stream in &mut *streams {
            let message = frame(stream);
            assert!(message.contains(&expected), "{nth}: {message:.80}");
        }
        progress.store(nth + 1, Ordering::Relaxed);
    }
}

#[test]
fn idle_and_killed_consumers_do_not_disturb_the_others() {
    allow_descriptors(2048);
    let queue = QUEUE.to_string();
    let arguments = [
        "--queue-messages",
        &queue,
        "--send-buffer",
        "16384",
        "--ping-interval",
        "600",
    ];
    let broker = Broker::start(&arguments);
    let mut readers: Vec<_> = (0..READERS).map(|_| consumer(&broker)).collect();
    let idle: Vec<_> = (0..IDLE).map(|_| consumer(&broker)).collect();
    let mut killed: Vec<_> = (0..KILLED).map(|_| consumer(&broker)).collect();
    let progress: Vec<_> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    let mut producer = Client::connect(&broker.options(Format::Json)).unwrap();
    let mut most_rss = 0;
    thread::scope(|scope| {
        for (chunk, progress) in readers.chunks_mut(READERS / THREADS).zip(&progress) {
            scope.spawn(move || read_all(chunk, progress));
        }
        for nth in 0..MESSAGES {
            let slowest = || {
                progress
                    .iter()
                    .map(|p| p.load(Ordering::Relaxed))
                    .min()
                    .unwrap()
            };
            eventually("readers keep up", || {
                thread::yield_now();
                nth - slowest() < QUEUE / 2
            });
            let padding = Value::Text("x".repeat(PADDING));
            let number = Value::Int(nth as i64);
            producer.publish("/all", &Value::List(vec![number, padding]));
            if nth % 20 == 10 {
                killed.pop();
                most_rss = most_rss.max(broker.rss_kib());
            }
        }
    });
    let get = |producer: &mut Client, topic| {
        let request = lb_broker::codec::Message::new("get").text("topic", topic);
        producer
            .request(request, "value", |_| {})
            .unwrap()
            .number("value")
            .unwrap()
    };
    let dropped = get(&mut producer, "$broker/messages/dropped");
    println!("RSS at most {most_rss} KiB, {dropped} messages dropped for {IDLE} idle consumers");
    assert!(dropped > 0, "the idle consumers took everything");
    assert!(most_rss < MAX_RSS_KIB, "{most_rss} KiB");
    drop((readers, idle));
    eventually("all are forgotten", || {
        get(&mut producer, "$broker/clients") == 1
    });
    assert!(broker.descriptors() < 32, "{}", broker.descriptors());
}
