//! Garbage and hostile frames, and how the connection is afterwards.

use crate::kit::{Running, Shortcuts as _};
use lb_broker::codec::{Format, Message, read_message};
use lb_broker::framing::{FrameReader, prefixed};
use lb_broker::value::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

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

pub(crate) fn announced(running: &Running, format: Format) -> TcpStream {
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
