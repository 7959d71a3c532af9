//! Pings, silence and connections that never announce themselves.

use crate::kit::{PATIENCE, Running, Shortcuts as _};
use lb_broker::client::{Client, ClientError};
use lb_broker::codec::{Format, Message};
use lb_broker::framing::prefixed;
use lb_broker::limits::Limits;
use lb_broker::value::Value;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(400);

fn quick() -> Limits {
    Limits {
        ping_interval: INTERVAL,
        announce_timeout: INTERVAL,
        ..Limits::default()
    }
}

fn read_all(mut stream: std::net::TcpStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_consumer_that_answers_pings_stays() {
    let running = Running::limited(quick());
    let mut consumer = running.client(Format::Json);
    consumer.subscribe("/a");
    let started = Instant::now();
    // The client answers pings while it waits.
    let outcome = consumer.wait_before(started + INTERVAL * 6);
    assert!(matches!(outcome, Err(ClientError::Timeout)), "{outcome:?}");
    running.client(Format::Json).publish("/a", &Value::Int(1));
    consumer.message();
}

#[test]
fn a_silent_consumer_is_gone_within_two_intervals() {
    let running = Running::limited(quick());
    let mut stream = running.raw();
    stream.write_all(&prefixed(b"lb-broker/1 json")).unwrap();
    let heard = Instant::now();
    let text = read_all(stream);
    // The loop may be late on a busy machine, so the upper bound is no part of this test: the
    // scripted one in the core has it.
    assert!(heard.elapsed() >= INTERVAL, "{:?}", heard.elapsed());
    assert!(
        text.contains("\"ping\"") && text.contains("\"timeout\""),
        "{text}"
    );
}

#[test]
fn trickled_announcements_run_out_of_time() {
    let running = Running::limited(quick());
    let mut streams: Vec<_> = (0..20).map(|_| running.raw()).collect();
    let started = Instant::now();
    let mut ended = 0;
    let frame = prefixed(b"lb-broker/1 json");
    for byte in frame.iter().cycle().take(4000) {
        for stream in &mut streams {
            // Never a whole frame: the prefix promises more than comes.
            ended += usize::from(stream.write_all(&[*byte & 1]).is_err());
        }
        if ended > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        assert!(started.elapsed() < PATIENCE);
    }
    assert!(started.elapsed() >= INTERVAL);
    let mut client = running.client(Format::Json);
    assert!(client.silent());
}

#[test]
fn a_client_that_pings_gets_a_pong() {
    let running = Running::new();
    for format in Format::ALL {
        let mut client = Client::connect(&running.options(format)).unwrap();
        client
            .request(Message::new("ping"), "pong", |_| {})
            .unwrap();
    }
}
