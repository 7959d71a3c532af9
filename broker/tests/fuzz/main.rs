//! Every decoder against seeded, mutated bytes. A case follows from its seed alone.
//!
//! ```text
//! cargo test -p lb-broker --test fuzz                          a short run, always the same
//! LB_BROKER_FUZZ_SECONDS=600 cargo test -p lb-broker --test fuzz   seeds from the clock on
//! LB_BROKER_FUZZ_SEED=17 cargo test -p lb-broker --test fuzz   one case again
//! ```
//!
//! What must hold: no panic; memory in proportion to the input; what is accepted can be written in
//! all three formats and reads back (`translation`); and a broker that is fed such frames comes to
//! rest and gives everything back (`broker`). Inputs are made in `corpus`.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken rule ends the case, and its seed is printed"
)]

#[path = "../support/heap.rs"]
mod heap;
#[path = "../support/random.rs"]
mod random;

mod broker;
mod corpus;
mod translation;

use broker::attack_broker;
use corpus::{Corpus, mutated, words};
use lb_broker::announcement::Announcement;
use lb_broker::codec::{Body, Format, Request, read_message, read_request};
use lb_broker::framing::FrameReader;
use random::Random;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use translation::translate;

/// Shared objects of a pickle expand to this many bytes at most.
const MAX_VALUE_BYTES: usize = 64 << 10;
/// Cases of each target in the short run.
const CASES: u64 = 1500;
/// Bytes of heap that decoding may take for each byte of input, and a constant. A pickle of a
/// million `N` makes a node of 32 bytes and an entry of the stack for each.
const HEAP_PER_BYTE: usize = 128;
const HEAP_BASE: usize = 64 << 10;

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
