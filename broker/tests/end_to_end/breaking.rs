//! Garbage, hostile frames, half frames and floods, and how the broker is afterwards.

use crate::kit::{PATIENCE, Running, Shortcuts as _, allow_descriptors, eventually};
use crate::process::Broker;
use lb_broker::client::Client;
use lb_broker::codec::{Format, Message, read_message};
use lb_broker::framing::{FrameReader, prefixed};
use lb_broker::limits::Limits;
use lb_broker::value::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

fn corpus(format: Format) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(format.name());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

fn announced(running: &Running, format: Format) -> TcpStream {
    let mut stream = running.raw();
    stream
        .write_all(&prefixed(format!("lb-broker/1 {format}").as_bytes()))
        .unwrap();
    let welcome = next(&mut stream, format);
    assert!(method(&welcome) == "welcome", "{welcome:?}");
    stream
}

fn next(stream: &mut TcpStream, format: Format) -> Value {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).unwrap();
    let mut bytes = vec![0; u32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut bytes).unwrap();
    read_message(format, &bytes).unwrap()
}

fn method(message: &Value) -> String {
    let Value::Dict(fields) = message else {
        panic!("{message:?}")
    };
    match fields.iter().find(|(key, _)| *key == Value::text("method")) {
        Some((_, Value::Text(method))) => method.clone(),
        other => panic!("{other:?}"),
    }
}

fn ping(format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    lb_broker::codec::write_message(format, &Message::new("ping"), &mut bytes).unwrap();
    prefixed(&bytes)
}

/// Every frame of the corpus is answered or taken, and the connection goes on.
#[test]
fn hostile_frames_are_answered_and_the_connection_goes_on() {
    let running = Running::new();
    for format in Format::ALL {
        let mut stream = announced(&running, format);
        for (name, frame) in corpus(format) {
            stream.write_all(&prefixed(&frame)).unwrap();
            stream.write_all(&ping(format)).unwrap();
            let mut errors = 0;
            loop {
                match method(&next(&mut stream, format)).as_str() {
                    "pong" => break,
                    "error" => errors += 1,
                    _ => {}
                }
            }
            let is_hostile = name.starts_with("bad-");
            assert_eq!(errors, usize::from(is_hostile), "{format}: {name}");
        }
    }
    assert!(running.client(Format::Json).silent());
}

#[test]
fn streams_that_are_no_frames_end_with_an_error() {
    let running = Running::new();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x04json",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = running.raw();
        stream.write_all(bytes).unwrap();
        let reply = next(&mut stream, Format::Json);
        assert_eq!(method(&reply), "error", "{bytes:?}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
}

#[test]
fn an_oversized_frame_ends_the_connection_with_a_reason() {
    let running = Running::new();
    for format in Format::ALL {
        let mut stream = announced(&running, format);
        stream.write_all(&(1_048_577_u32).to_be_bytes()).unwrap();
        // The rest is sent all the same; the reason must not be lost in a reset.
        let mut writer = stream.try_clone().unwrap();
        let flood = std::thread::spawn(move || drop(writer.write_all(&vec![0; 1_048_577])));
        let reply = next(&mut stream, format);
        assert_eq!(method(&reply), "error");
        flood.join().unwrap();
    }
    let mut client = running.client(Format::Json);
    client.publish("/largest", &Value::Text("x".repeat((1 << 20) - 100)));
}

#[test]
fn a_message_that_grows_too_large_in_another_format_is_replaced_by_an_error() {
    let running = Running::new();
    let mut json = running.client(Format::Json);
    json.subscribe("/a");
    let mut pickle = running.client(Format::Pickle);
    pickle.subscribe("/a");
    // One byte each as a pickle, five as JSON.
    let value = Value::List(vec![Value::Null; 400_000]);
    running.client(Format::Pickle).publish("/a", &value);
    assert_eq!(pickle.message().get("value"), Some(&value));
    let told = json.wait().unwrap();
    assert_eq!(
        (told.method(), told.text("code")),
        ("error", Some("too-large"))
    );
    assert_eq!(told.text("topic"), Some("/a"));
    // A reply that is too large is refused as that of its request.
    let get = || Message::new("get").text("topic", "/a");
    assert_eq!(json.refusal(get(), "value"), "too-large");
    assert!(json.silent());
    let got = pickle.request(get(), "value", |_| {}).unwrap();
    assert_eq!(got.get("value"), Some(&value));
}

/// Frames in any number of pieces are the same frames.
#[test]
fn frames_byte_by_byte() {
    let running = Running::new();
    let mut stream = running.raw();
    stream.set_nodelay(true).unwrap();
    let mut bytes = prefixed(b"lb-broker/1 json");
    for _ in 0..3 {
        bytes.extend(ping(Format::Json));
    }
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(method(&next(&mut stream, Format::Json)), "welcome");
    for _ in 0..3 {
        assert_eq!(method(&next(&mut stream, Format::Json)), "pong");
    }
}

/// The library's reader of frames survives any cut of any stream.
#[test]
fn cut_streams_give_the_same_frames() {
    let stream: Vec<u8> = (0..20_usize)
        .flat_map(|len| prefixed(&vec![b'x'; len * 37]))
        .collect();
    for step in [1, 3, 7, 64, 1000, stream.len()] {
        let (mut reader, mut bytes) = (FrameReader::new(1000), bytes::BytesMut::new());
        let mut found = Vec::new();
        for part in stream.chunks(step) {
            bytes.extend_from_slice(part);
            while let Some(frame) = reader.next(&mut bytes).unwrap() {
                found.push(frame.len());
            }
        }
        assert_eq!(
            found,
            (0..20).map(|len| len * 37).collect::<Vec<_>>(),
            "{step}"
        );
    }
}

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
