//! Heads: the same verdict however they are cut, and nothing doubtful written in their place.

use crate::random::Random;
use crate::strict::{self, Framing, Read};
use crate::{corpus, mutate};
use lb::error::Refusal;
use lb::internal::http::{
    BodyLength, Forward, ForwardPolicy, HeadLimits, HeadParser, Method, Parsed, Peer, RequestHead,
    ResponseHead, ResponseRewrite,
};

/// Tries the case of one seed.
pub fn attack(seed: u64) {
    let mut random = Random::new(seed);
    let mut parser = HeadParser::new(limits(&mut random));
    let input = mutate::mutated(&mut random, corpus::requests(), mutate::HTTP);
    let whole = parser.request(&input);
    for cuts in [random.cuts(input.len()), (0..=input.len()).collect()] {
        let pieces = trickled(&input, &cuts, |part| parser.request(part));
        assert_eq!(pieces, whole, "cut at {cuts:?}: {}", input.escape_ascii());
    }
    rewrite_request(&mut parser, &input);

    let method = *random.pick(&[Method::Get, Method::Head, Method::Post]);
    let input = mutate::mutated(&mut random, corpus::responses(), mutate::HTTP);
    let whole = parser.response(&input, method);
    for cuts in [random.cuts(input.len()), (0..=input.len()).collect()] {
        let pieces = trickled(&input, &cuts, |part| parser.response(part, method));
        assert_eq!(pieces, whole, "cut at {cuts:?}: {}", input.escape_ascii());
    }
    if let Ok(Parsed::Complete(head)) = whole {
        rewrite_response(&mut parser, &head, &input, method);
    }
}

/// Limits that a head may well meet.
fn limits(random: &mut Random) -> HeadLimits {
    let usual = HeadLimits::default();
    if random.one_in(2) {
        return usual;
    }
    HeadLimits {
        max_bytes: 1 + random.below(300),
        max_fields: 1 + random.below(8),
        max_target_bytes: 1 + random.below(30),
    }
}

/// The first verdict but "more" when more and more of an input is there.
fn trickled<T, E>(
    input: &[u8],
    cuts: &[usize],
    mut parse: impl FnMut(&[u8]) -> Result<Parsed<T>, E>,
) -> Result<Parsed<T>, E> {
    for cut in cuts {
        match parse(&input[..*cut]) {
            Ok(Parsed::Partial) => {}
            verdict => return verdict,
        }
    }
    Ok(Parsed::Partial)
}

/// The request to a backend is, to a strict reader, the client's request.
fn rewrite_request(parser: &mut HeadParser, input: &[u8]) {
    let verdict: Result<Parsed<RequestHead>, Refusal> = parser.request(input);
    let Ok(Parsed::Complete(head)) = verdict else {
        return;
    };
    let policy = ForwardPolicy::new(Default::default(), "http", 80);
    let forward = Forward {
        policy: &policy,
        client_ip: b"192.0.2.7",
        peer: Peer::Client,
        announced_port: None,
        request_id: Some(b"id"),
        host: None,
    };
    let mut out = Vec::new();
    parser.write_request(&head, input, &forward, &mut out);
    let sent = head_of(strict::request(&out), &out);
    assert_eq!(sent.start[0], head.method_span.of(input), "method");
    let target = strict::origin_form(&sent.start[0], head.target.of(input));
    assert_eq!(sent.start[1], target, "target");
    assert_eq!(expected(head.body), said(sent.framing), "framing");
    assert_eq!(out.len(), sent.len, "bytes after the head");
}

/// The response to a client is, to a strict reader, framed as intended.
fn rewrite_response(parser: &mut HeadParser, head: &ResponseHead, input: &[u8], method: Method) {
    let mut out = Vec::new();
    parser.write_response(head, input, &ResponseRewrite::default(), &mut out);
    let sent = head_of(strict::response(&out, method == Method::Head), &out);
    assert_eq!(sent.status(), head.status, "status");
    assert_eq!(expected(head.body), said(sent.framing), "framing");
}

fn head_of(read: Read, out: &[u8]) -> strict::Message {
    match read {
        Read::Whole(head) | Read::Partial(Some(head)) => head,
        other => panic!("{other:?}: {}", out.escape_ascii()),
    }
}

/// A body of no bytes is none, however that is said.
fn said(framing: Framing) -> Framing {
    match framing {
        Framing::Length(0) => Framing::None,
        other => other,
    }
}

fn expected(body: BodyLength) -> Framing {
    match body {
        BodyLength::None => Framing::None,
        BodyLength::Length(bytes) => Framing::Length(bytes),
        BodyLength::Chunked => Framing::Chunked,
        BodyLength::UntilClose => Framing::UntilClose,
    }
}
