//! Whole, byte by byte and cut anywhere, an input leads to the same end.

use super::super::h1::scan::{StartLine, first_flaw};
use super::super::{BadChunk, Body, BodyLength, Forward, ForwardPolicy, MAX_FIELDS, Peer};
use super::chunks::{BAD, BAD_OF_RESPONSE, CLEANED, GOOD, relay};
use super::random::Random;
use super::request_cases::{ACCEPTED, refused};
use super::responses::{DISTRUSTED, REPAIRED, TRUSTED};
use super::*;

const ROUNDS: u64 = 4000;

/// The end an input comes to when more and more of it is there: what `parse` says first that is
/// not "more", or "more" if it never says anything else.
fn trickled<T, E>(
    input: &[u8],
    cuts: impl Iterator<Item = usize>,
    mut parse: impl FnMut(&[u8]) -> Result<Parsed<T>, E>,
) -> Result<Parsed<T>, E> {
    for cut in cuts {
        match parse(&input[..cut]) {
            Ok(Parsed::Partial) => {}
            verdict => return verdict,
        }
    }
    parse(input)
}

fn random_cuts(random: &mut Random, len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..1 + random.below(5))
        .map(|_| random.below(len + 1))
        .collect();
    cuts.sort_unstable();
    cuts
}

fn requests() -> Vec<String> {
    let accepted = ACCEPTED.iter().map(|input| (*input).to_owned());
    refused()
        .map(|(_, input, _)| input)
        .chain(accepted)
        .collect()
}

fn responses() -> Vec<String> {
    let repaired = REPAIRED.iter().map(|case| case.1);
    let distrusted = DISTRUSTED.iter().map(|case| case.1).chain(repaired);
    distrusted
        .chain(TRUSTED.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// A corpus entry with a few bytes changed, doubled, cut out or put in.
fn mutated(random: &mut Random, corpus: &[String]) -> Vec<u8> {
    const SPICE: &[u8] = b"\r\n \t:\0,;#/\x7f\xe9Hh105xX";
    let mut input = random.pick(corpus).as_bytes().to_vec();
    for _ in 0..random.below(4) {
        let at = random.below(input.len());
        match random.below(4) {
            0 => input[at] = *random.pick(SPICE),
            1 => input.insert(at, *random.pick(SPICE)),
            2 => drop(input.remove(at)),
            _ => {
                let end = at + random.below(input.len() - at + 1);
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
        }
        if input.is_empty() {
            input.push(b'G');
        }
    }
    input
}

/// Limits some of which a mutated head is likely to meet.
fn random_limits(random: &mut Random) -> HeadLimits {
    let mut limit = |usual: usize| {
        if random.below(2) == 0 {
            usual
        } else {
            random.below(80) + 1
        }
    };
    HeadLimits {
        max_bytes: limit(16384),
        max_fields: limit(100).min(100),
        max_target_bytes: limit(8192),
    }
}

#[test]
fn named_heads_byte_by_byte() {
    let mut parser = HeadParser::new(HeadLimits::default());
    for input in requests() {
        let input = input.as_bytes();
        let whole = parser.request(input);
        let pieces = trickled(input, 0..input.len(), |part| parser.request(part));
        assert_eq!(pieces, whole, "{:?}", input.escape_ascii().to_string());
    }
    for input in responses() {
        let input = input.as_bytes();
        let whole = parser.response(input, Method::Get);
        let pieces = trickled(input, 0..input.len(), |part| {
            parser.response(part, Method::Get)
        });
        assert_eq!(pieces, whole, "{:?}", input.escape_ascii().to_string());
    }
}

#[test]
fn mutated_requests_byte_by_byte_and_cut_anywhere() {
    let corpus = requests();
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        let input = mutated(&mut random, &corpus);
        let mut parser = HeadParser::new(random_limits(&mut random));
        let whole = parser.request(&input);
        let bytes = trickled(&input, 0..input.len(), |part| parser.request(part));
        assert_eq!(bytes, whole, "seed {seed}: \"{}\"", input.escape_ascii());
        let cuts = random_cuts(&mut random, input.len());
        let pieces = trickled(&input, cuts.into_iter(), |part| parser.request(part));
        assert_eq!(pieces, whole, "seed {seed}: \"{}\"", input.escape_ascii());
    }
}

#[test]
fn mutated_responses_byte_by_byte() {
    let corpus = responses();
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        let input = mutated(&mut random, &corpus);
        let mut parser = HeadParser::new(random_limits(&mut random));
        let whole = parser.response(&input, Method::Get);
        let bytes = trickled(&input, 0..input.len(), |part| {
            parser.response(part, Method::Get)
        });
        assert_eq!(bytes, whole, "seed {seed}: \"{}\"", input.escape_ascii());
    }
}

/// The cheap checks that every head passes must miss nothing that the strict grammar minds.
#[test]
fn scanner_finds_no_error_in_accepted_heads() {
    let (requests, responses) = (requests(), responses());
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        let limits = random_limits(&mut random);
        let mut parser = HeadParser::new(limits);
        let input = mutated(&mut random, &requests);
        if let Ok(Parsed::Complete(head)) = parser.request(&input) {
            let parse_error = first_flaw(&input[..head.len], StartLine::Request, limits);
            assert_eq!(
                parse_error,
                None,
                "seed {seed}: \"{}\"",
                input.escape_ascii()
            );
        }
        let input = mutated(&mut random, &responses);
        if let Ok(Parsed::Complete(head)) = parser.response(&input, Method::Get)
            && !head.is_repaired
        {
            let parse_error = first_flaw(&input[..head.len], StartLine::Status, limits);
            assert_eq!(
                parse_error,
                None,
                "seed {seed}: \"{}\"",
                input.escape_ascii()
            );
        }
    }
}

/// Returns how far the tokeniser gets with `input` on its own.
fn tokenised(input: &[u8], start: StartLine) -> httparse::Result<usize> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match start {
        StartLine::Request => httparse::Request::new(&mut fields).parse(input),
        StartLine::Status => httparse::Response::new(&mut fields).parse(input),
    }
}

/// The scanner can name every refusal of the tokeniser; and where the scanner refuses what the
/// tokeniser tolerates, the cheap check has seen it.
#[test]
fn fast_path_is_as_strict_as_the_scanner() {
    let limits = HeadLimits::default();
    let mut parser = HeadParser::new(limits);
    let (mut refused, mut partial, mut sound, mut tolerated) = (0, 0, 0, 0);
    for (start, corpus) in [
        (StartLine::Request, requests()),
        (StartLine::Status, responses()),
    ] {
        for seed in 0..ROUNDS {
            let mut random = Random::new(seed);
            let mut input = mutated(&mut random, &corpus);
            input.truncate(random.below(2 * input.len()));
            let text = input.escape_ascii();
            match tokenised(&input, start) {
                Err(error) => {
                    let parse_error = first_flaw(&input, start, limits);
                    assert!(parse_error.is_some(), "seed {seed}: {error}: \"{text}\"");
                    refused += 1;
                }
                Ok(httparse::Status::Partial) => partial += 1,
                Ok(httparse::Status::Complete(len)) => {
                    if first_flaw(&input[..len], start, limits).is_none() {
                        sound += 1;
                        continue;
                    }
                    let is_refused = match start {
                        StartLine::Request => parser.request(&input).is_err(),
                        StartLine::Status => !matches!(
                            parser.response(&input, Method::Get),
                            Ok(Parsed::Complete(head)) if !head.is_repaired
                        ),
                    };
                    assert!(is_refused, "seed {seed}: \"{text}\"");
                    tolerated += 1;
                }
            }
        }
    }
    let counts = [refused, partial, sound, tolerated];
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn written_heads_are_accepted_again() {
    let corpus: Vec<String> = ACCEPTED.iter().map(|input| (*input).to_owned()).collect();
    let policy = ForwardPolicy::new(Default::default(), "http", 80);
    let forward = Forward {
        policy: &policy,
        client_ip: b"192.0.2.7",
        peer: Peer::Client,
        announced_port: None,
        request_id: Some(b"id"),
        host: None,
    };
    let mut parser = HeadParser::new(HeadLimits::default());
    let mut written = 0;
    for seed in 0..ROUNDS {
        let input = mutated(&mut Random::new(seed), &corpus);
        let Ok(Parsed::Complete(head)) = parser.request(&input) else {
            continue;
        };
        let mut out = Vec::new();
        parser.write_request(&head, &input, &forward, &mut out);
        let Ok(Parsed::Complete(again)) = parser.request(&out) else {
            panic!(
                "seed {seed}: \"{}\" became \"{}\"",
                input.escape_ascii(),
                out.escape_ascii()
            );
        };
        assert_eq!(
            (again.len, again.body),
            (out.len(), head.body),
            "seed {seed}"
        );
        assert_eq!(again.host.of(&out), head.host.of(&input), "seed {seed}");
        written += 1;
    }
    assert!(written > ROUNDS / 10, "only {written} were accepted");
}

/// Everything a body can come to, in a form that can be compared. What was passed on before an
/// error was found depends on the cuts; that it was found does not.
fn end_of(body: Body, input: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, usize), BadChunk> {
    let mut from = 0;
    let parts = cuts.iter().copied().chain([input.len()]).map(|to| {
        let part = &input[from..to];
        from = to;
        part
    });
    relay(body, parts)
}

#[test]
fn chunked_bodies_byte_by_byte_and_cut_anywhere() {
    let good = GOOD.iter().map(|case| case.0);
    let cleaned = CLEANED.iter().map(|case| case.1);
    let of_request: Vec<&str> = good.chain(BAD.iter().map(|case| case.1)).collect();
    let good = GOOD.iter().map(|case| case.0).chain(cleaned);
    let of_response: Vec<&str> = good
        .chain(BAD_OF_RESPONSE.iter().map(|case| case.1))
        .collect();
    let all: Vec<usize> = (1..200).collect();
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        for (body, inputs) in [
            (Body::new(BodyLength::Chunked), &of_request),
            (Body::of_response(BodyLength::Chunked), &of_response),
            (Body::unframed(BodyLength::Chunked), &of_response),
        ] {
            let input = random.pick(inputs).as_bytes();
            let whole = end_of(body, input, &[]);
            let cuts = random_cuts(&mut random, input.len());
            assert_eq!(end_of(body, input, &cuts), whole, "seed {seed}: {cuts:?}");
            let bytes = &all[..input.len() - 1];
            assert_eq!(
                end_of(body, input, bytes),
                whole,
                "byte by byte: {:?}",
                input.escape_ascii().to_string()
            );
        }
    }
}
