//! Every decoder against seeded, mutated bytes. A case follows from its seed alone.
//!
//! ```text
//! cargo test -p lb-broker --test fuzz                          a short run, always the same
//! LB_BROKER_FUZZ_SECONDS=600 cargo test -p lb-broker --test fuzz    seeds from the clock on
//! LB_BROKER_FUZZ_SEED=17 cargo test -p lb-broker --test fuzz   one case again
//! ```
//!
//! The bytes come from `corpus/`, changed here and there with a taste for what each format is made
//! of. What must hold: no panic; memory in proportion to the input; what is accepted can be written
//! in all three formats and reads back as the rules have it; and a broker that is fed such frames
//! comes to rest and gives everything back.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken rule ends the case, and its seed is printed"
)]

#[path = "support/heap.rs"]
mod heap;
#[path = "support/random.rs"]
mod random;

use lb_broker::announcement::Announcement;
use lb_broker::broker::{Action, Broker, Keep};
use lb_broker::codec::{
    Body, Format, Message, Payload, Request, read_message, read_request, read_value, write_message,
    write_value,
};
use lb_broker::framing::FrameReader;
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::time::Timestamp;
use lb_broker::value::Value;
use random::Random;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Shared objects of a pickle expand to this many bytes at most.
const MAX_VALUE_BYTES: usize = 64 << 10;
/// Cases of each target in the short run.
const CASES: u64 = 1500;
/// Bytes of heap that decoding may take for each byte of input, and a constant. A pickle of a
/// million `N` makes a node of 32 bytes and an entry of the stack for each.
const HEAP_PER_BYTE: usize = 128;
const HEAP_BASE: usize = 64 << 10;
/// The longest input, but for files of the corpus that are longer by purpose.
const MAX_BYTES: usize = 4096;

struct Corpus {
    folders: HashMap<&'static str, Vec<Vec<u8>>>,
}

impl Corpus {
    fn read() -> Self {
        let folders = ["announcements", "json", "xml", "pickle"];
        Self {
            folders: folders.iter().map(|name| (*name, files(name))).collect(),
        }
    }

    fn of(&self, format: Format) -> &[Vec<u8>] {
        &self.folders[format.name()]
    }
}

/// In the order of names: a seed means the same everywhere.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "null",
    "true",
    "NaN",
    "-",
    "0",
    "1e999",
    "1e-999",
    "123456789012345678901234567890",
    "\"method\"",
    "\"topic\"",
    "\"value\"",
    "\"id\"",
    "\u{0}",
    "\u{feff}",
    "[[[[[[[[[[",
    "{\"a\":",
];
const XML: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "&",
    ";",
    "&lt;",
    "&#",
    "&#x",
    "&#0;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE a [",
    "<?xml version=\"1.0\"?>",
    "<value>",
    "</value>",
    "<value type=\"json\">",
    "<value type=\"int\">",
    "type=\"base64\"",
    "\"",
    "'",
    "=",
    "\u{0}",
    "\u{ffff}",
    "<list/>",
];
const PICKLE: &[&str] = &[
    "(",
    ".",
    "0",
    "1",
    "2",
    "N",
    "I01\n",
    "L5L\n",
    "K\u{1}",
    "]",
    "a",
    "e",
    "l",
    ")",
    "t",
    "}",
    "s",
    "u",
    "d",
    "q\u{0}",
    "h\u{0}",
    "h\u{1}",
    "p0\n",
    "g0\n",
    "S'a'\n",
    "Va\\u20ac\n",
    "cos\nsystem\n",
    "R",
    "b",
    "F1.5\n",
    "X\u{1}\u{0}\u{0}\u{0}a",
    "T\u{1}\u{0}\u{0}\u{0}a",
    "C\u{1}a",
    "\n",
];

fn words(format: Format) -> &'static [&'static str] {
    match format {
        Format::Json => JSON,
        Format::Xml => XML,
        Format::Pickle => PICKLE,
    }
}

fn mutated(random: &mut Random, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    if input.len() > MAX_BYTES {
        // As it is, or its beginning.
        if random.one_in(100) {
            return input;
        }
        input.truncate(MAX_BYTES);
    }
    for _ in 0..random.below(5) {
        change(random, &mut input, corpus, words);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
    let (from, to) = range(random, input.len());
    match random.below(7) {
        0 => drop(input.drain(from..to)),
        1 => {
            let copy = input[from..to].to_vec();
            input.splice(from..from, copy);
        }
        2 => {
            let other = random.pick(corpus);
            let (start, end) = range(random, other.len().min(MAX_BYTES));
            input.splice(from..from, other[start..end].iter().copied());
        }
        3 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << random.below(8);
            }
        }
        4 => {
            if let Some(byte) = input.get_mut(from) {
                *byte = random.below(256) as u8;
            }
        }
        5 => drop(input.splice(from..to.min(from + 1), random.pick(words).bytes())),
        _ => drop(input.splice(from..from, random.pick(words).bytes())),
    }
}

fn range(random: &mut Random, len: usize) -> (usize, usize) {
    let from = random.below(len + 1);
    let most = if random.one_in(4) { len } else { 8 };
    (from, len.min(from + random.below(most + 1)))
}

/// Requests of one format.
fn attack_requests(corpus: &Corpus, format: Format, seed: u64) {
    let mut random = Random::new(seed);
    let input = mutated(&mut random, corpus.of(format), words(format));
    let before = heap::start();
    let outcome = read_request(format, &input, MAX_VALUE_BYTES);
    let used = heap::most_since(before);
    assert!(
        used <= allowance(input.len()),
        "{used} bytes for {}",
        input.len()
    );
    // A client reads the same bytes as a message of a broker: no panic is all that must hold.
    let _ = read_message(format, &input);
    if let Ok(Request {
        body: Body::Publish {
            value: Some(payload),
            ..
        },
        ..
    }) = outcome
    {
        translate(&payload);
    }
}

/// Bytes of heap that decoding `bytes` may take.
fn allowance(bytes: usize) -> usize {
    HEAP_BASE + HEAP_PER_BYTE * (bytes + MAX_VALUE_BYTES)
}

/// An accepted value can be read back, and written in every format.
fn translate(payload: &Payload) {
    let value = payload.value().expect("an accepted value can be read back");
    for format in Format::ALL {
        let mut message = Vec::new();
        let delivery = Message::delivery("/t", Some(payload), false);
        write_message(format, &delivery, &mut message).expect("it can be written");
        let read = read_message(format, &message)
            .unwrap_or_else(|refusal| panic!("{refusal}: {}", message.escape_ascii()));
        let Value::Dict(fields) = read else {
            panic!("no dictionary")
        };
        let got = fields.iter().find(|(key, _)| *key == Value::text("value"));
        let got = &got.expect("a value").1;
        let carried = match payload {
            // Copied as it was written: numbers too large for a float, too.
            Payload::Json(_) => value.clone(),
            Payload::Pickle(_) => expected(&value, format),
        };
        assert!(same(got, &carried), "{format}: {got:?} is not {value:?}");
        // A value alone is the same.
        let mut alone = Vec::new();
        write_value(format, &value, &mut alone);
        let read = read_value(format, &alone, usize::MAX).expect("a value alone can be read");
        assert!(same(&read, &expected(&value, format)), "{format}");
    }
}

/// What is left of a value in a format: the rules of `PROTOCOL.md`, written once more.
fn expected(value: &Value, format: Format) -> Value {
    match (format, value) {
        (Format::Pickle, value) => value.clone(),
        (Format::Xml, Value::Bytes(_) | Value::Float(_)) => value.clone(),
        (_, value) => in_json(value),
    }
}

fn in_json(value: &Value) -> Value {
    use base64::Engine as _;
    match value {
        Value::Float(float) if !float.is_finite() => Value::Null,
        Value::Bytes(bytes) => Value::Text(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::List(items) | Value::Tuple(items) => {
            Value::List(items.iter().map(in_json).collect())
        }
        Value::Dict(pairs) => {
            let key = |key: &Value| match in_json(key) {
                Value::Text(text) => text,
                other => {
                    let mut text = Vec::new();
                    write_value(Format::Json, &other, &mut text);
                    String::from_utf8(text).unwrap()
                }
            };
            Value::Dict(
                pairs
                    .iter()
                    .map(|(k, v)| (Value::Text(key(k)), in_json(v)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// Equality, with NaN equal to itself.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Dict(a), Value::Dict(b)) => {
            let is_same =
                |(a, b): (&(Value, Value), &(Value, Value))| same(&a.0, &b.0) && same(&a.1, &b.1);
            a.len() == b.len() && a.iter().zip(b).all(is_same)
        }
        (a, b) => a == b,
    }
}

fn attack_announcements(corpus: &Corpus, seed: u64) {
    let mut random = Random::new(seed);
    let words = [
        "lb-broker/1",
        " ",
        "json",
        "xml",
        "pickle",
        "token=",
        "name=",
        "when_full=",
        "=",
    ];
    let input = mutated(&mut random, &corpus.folders["announcements"], &words);
    let _ = Announcement::parse(&input);
}

/// Frames cut anywhere are the same frames, and a length over the limit is an error.
fn attack_framing(corpus: &Corpus, seed: u64) {
    let mut random = Random::new(seed);
    let mut stream = Vec::new();
    for _ in 0..1 + random.below(4) {
        let frame = random.pick(corpus.of(Format::Json));
        let frame = &frame[..frame.len().min(300)];
        stream.extend((frame.len() as u32).to_be_bytes());
        stream.extend(frame);
    }
    for _ in 0..random.below(3) {
        let at = random.below(stream.len());
        stream[at] ^= 1 << random.below(8);
    }
    let whole = frames(&stream, &[stream.len()]);
    assert_eq!(frames(&stream, &random.cuts(stream.len())), whole);
    assert_eq!(
        frames(&stream, &(0..=stream.len()).collect::<Vec<_>>()),
        whole
    );
}

fn frames(stream: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, bool) {
    let (mut reader, mut bytes) = (FrameReader::new(1000), bytes::BytesMut::new());
    let (mut found, mut start) = (Vec::new(), 0);
    for cut in cuts {
        bytes.extend_from_slice(&stream[start..*cut]);
        start = *cut;
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(frame)) => found.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, true)
}

/// A broker with a few connections that send such frames.
fn attack_broker(corpus: &Corpus, seed: u64) {
    let mut random = Random::new(seed);
    let limits = Limits {
        max_connections: 6,
        max_topics: 5,
        max_retained_bytes: 1500,
        max_subscriptions: 3,
        queue_messages: 2 + random.below(20),
        queue_bytes: 1 + random.below(5000),
        queue_total_bytes: 20_000,
        ..Limits::default()
    };
    let keep = if random.one_in(2) {
        Keep::Stored
    } else {
        Keep::InMemory
    };
    let mut broker = Broker::new(limits, AccessRules::open(), keep);
    let mut now = Timestamp::default();
    let mut connections = Vec::new();
    for _ in 0..40 {
        now = now.after(Duration::from_millis(random.below(2000) as u64));
        match random.below(10) {
            0 | 1 => {
                if let Ok(id) = broker.connect("peer".to_owned(), now) {
                    let format = *random.pick(&Format::ALL);
                    let policy = if random.one_in(2) {
                        " when_full=disconnect"
                    } else {
                        ""
                    };
                    broker.frame(id, format!("lb-broker/1 {format}{policy}").as_bytes(), now);
                    connections.push((id, format));
                }
            }
            2 => broker.tick(now),
            3 => store(&mut broker, &mut random, now),
            4 => write(&mut broker, &mut random),
            5 if random.one_in(3) && !connections.is_empty() => {
                let (id, _) = connections.swap_remove(random.below(connections.len()));
                broker.disconnected(id);
            }
            _ if !connections.is_empty() => {
                let (id, format) = *random.pick(&connections);
                broker.frame(
                    id,
                    &mutated(&mut random, corpus.of(format), words(format)),
                    now,
                );
            }
            _ => {}
        }
        let stats = broker.stats();
        assert!(
            stats.topics <= 5 && stats.retained_bytes <= 1500,
            "{stats:?}"
        );
    }
    for (id, _) in connections {
        broker.disconnected(id);
    }
    let stats = broker.stats();
    assert_eq!(
        (broker.connections(), stats.clients, stats.queued_bytes),
        (0, 0, 0)
    );
}

/// Stores what is due, or fails to.
fn store(broker: &mut Broker, random: &mut Random, now: Timestamp) {
    if broker.take_batch().is_some() {
        let outcome = if random.one_in(3) {
            Err("full")
        } else {
            Ok(())
        };
        broker.batch_stored(outcome, now);
    }
}

/// Writes to some connections, in part or as a whole, and closes those that are to be closed.
fn write(broker: &mut Broker, random: &mut Random) {
    while let Some(action) = broker.poll_action() {
        match action {
            Action::Write(id) => {
                let Some(queue) = broker.queue(id) else {
                    continue;
                };
                let waiting = queue.bytes();
                let count = if random.one_in(2) {
                    waiting
                } else {
                    random.below(waiting + 1)
                };
                queue.advance(count);
                if broker.is_finished(id) {
                    broker.disconnected(id);
                }
            }
            Action::Close(id) => broker.disconnected(id),
        }
    }
}

fn run(name: &str, attack: impl Fn(&Corpus, u64) + std::panic::RefUnwindSafe) {
    let corpus = std::panic::AssertUnwindSafe(Corpus::read());
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let one = |seed: u64| {
        let case = std::panic::catch_unwind(|| attack(&corpus, seed));
        assert!(
            case.is_ok(),
            "{name}: LB_BROKER_FUZZ_SEED={seed}; see above"
        );
    };
    if let Some(seed) = number("LB_BROKER_FUZZ_SEED") {
        return one(seed);
    }
    let Some(seconds) = number("LB_BROKER_FUZZ_SECONDS") else {
        return (0..CASES).for_each(one);
    };
    let (started, mut cases) = (Instant::now(), 0);
    let first = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    while started.elapsed() < Duration::from_secs(seconds) {
        one(first.wrapping_add(cases));
        cases += 1;
    }
    println!("{name}: {cases} cases from seed {first}, all well");
}

#[test]
fn json_requests() {
    run("json", |corpus, seed| {
        attack_requests(corpus, Format::Json, seed)
    });
}

#[test]
fn xml_requests() {
    run("xml", |corpus, seed| {
        attack_requests(corpus, Format::Xml, seed)
    });
}

#[test]
fn pickle_requests() {
    run("pickle", |corpus, seed| {
        attack_requests(corpus, Format::Pickle, seed)
    });
}

#[test]
fn announcements() {
    run("announcements", attack_announcements);
}

#[test]
fn framing() {
    run("framing", attack_framing);
}

#[test]
fn brokers() {
    run("brokers", attack_broker);
}

/// Files of the corpus as they are, long ones too: hostile ones are refused, all within bounds.
#[test]
fn the_corpus_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for format in Format::ALL {
        for file in std::fs::read_dir(folder.join(format.name())).unwrap() {
            let path = file.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            let before = heap::start();
            let outcome = read_request(format, &input, MAX_VALUE_BYTES);
            let used = heap::most_since(before);
            assert!(
                used <= allowance(input.len()),
                "{}: {used} bytes",
                path.display()
            );
            if let Ok(Request {
                body:
                    Body::Publish {
                        value: Some(payload),
                        ..
                    },
                ..
            }) = outcome
            {
                translate(&payload);
            }
        }
    }
}
