//! The request heads that are sent in place of those that came.

use super::super::{Forward, ForwardOptions, ForwardPolicy, ForwardedFor, Peer};
use super::*;

/// Nothing is added: what is left is what the client said.
pub(super) const SILENT: ForwardOptions = ForwardOptions {
    x_forwarded_for: ForwardedFor::Leave,
    x_forwarded_host: false,
    x_forwarded_proto: false,
    x_forwarded_port: false,
    forwarded: false,
    via: false,
    date: false,
    loop_token: false,
};

pub(super) fn sent_with(
    input: &str,
    options: ForwardOptions,
    more: impl Fn(&mut Forward<'_>),
) -> String {
    let trusted = vec!["10.0.0.0/8".parse().unwrap()];
    let policy = ForwardPolicy::new(options, "http", 8080).with_trusted_proxies(trusted);
    let mut forward = Forward {
        policy: &policy,
        client_ip: b"192.0.2.7",
        peer: Peer::Client,
        announced_port: None,
        request_id: None,
        host: None,
    };
    more(&mut forward);
    let mut parser = HeadParser::new(HeadLimits::default());
    let Ok(Parsed::Complete(head)) = parser.request(input.as_bytes()) else {
        panic!("not acceptable: {input:?}");
    };
    let mut out = b"before".to_vec();
    parser.write_request(&head, input.as_bytes(), &forward, &mut out);
    let text = String::from_utf8(out)
        .unwrap()
        .strip_prefix("before")
        .unwrap()
        .to_owned();
    assert!(
        matches!(parse(text.as_bytes()), Ok(Parsed::Complete(_))),
        "unreadable: {text:?}"
    );
    text
}

fn sent(input: &str) -> String {
    sent_with(input, SILENT, |_| {})
}

#[test]
fn unknown_fields_are_copied_byte_for_byte() {
    let input = "GET /a?b HTTP/1.1\r\nhost:a\r\nX-Odd:   b \t\r\nACCEPT: */*\r\n\r\n";
    assert_eq!(sent(input), input);
}

#[test]
fn empty_lines_and_bodies_are_not_copied() {
    let input = "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(
        sent(input),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    );
}

#[test]
fn hop_by_hop_fields_are_dropped() {
    let input = "GET / HTTP/1.1\r\nConnection: keep-alive, X-Mine\r\nx-mine: 1\r\nHost: a\r\n\
        Keep-Alive: 5\r\nProxy-Connection: close\r\nProxy-Authorization: secret\r\nA: b\r\n\
        Upgrade: h2c\r\nTE: gzip\r\nX-MINE: 2\r\n\r\n";
    assert_eq!(sent(input), "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n");
}

#[test]
fn connection_cannot_remove_end_to_end_fields() {
    let input = "POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, Cookie, \
        Authorization, X-Request-Id, close\r\nContent-Length: 1\r\nCookie: a=b\r\n\
        Authorization: c\r\nX-Request-Id: d\r\n\r\n";
    let output = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nCookie: a=b\r\n\
        Authorization: c\r\nX-Request-Id: d\r\n\r\n";
    assert_eq!(sent(input), output);
}

#[test]
fn te_trailers_is_sent_on() {
    let input = "GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n";
    let output = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    assert_eq!(sent(input), output);
}

#[test]
fn upgrade_is_sent_on() {
    let input = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
    let output = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\
        Connection: Upgrade\r\n\r\n";
    assert_eq!(sent(input), output);
}

#[test]
fn http_1_0_request_is_sent_as_http_1_1() {
    let input = "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\
        Content-Length: 1\r\n\r\n";
    assert_eq!(
        sent(input),
        "POST /x HTTP/1.1\r\nHost: \r\nContent-Length: 1\r\n\r\n"
    );
}

#[test]
fn expectation_is_sent_on() {
    let input = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(sent(input), input);
}

#[test]
fn absolute_form_is_sent_as_origin_form() {
    let cases = [
        ("GET http://b/x?y", "GET /x?y"),
        ("GET https://b", "GET /"),
        ("GET http://b?y", "GET /?y"),
        ("OPTIONS http://b", "OPTIONS *"),
        ("OPTIONS http://b/", "OPTIONS /"),
    ];
    for (asked, line) in cases {
        let input = format!("{asked} HTTP/1.1\r\nA: 1\r\nHost: a\r\nB: 2\r\n\r\n");
        let output = format!("{line} HTTP/1.1\r\nHost: b\r\nA: 1\r\nB: 2\r\n\r\n");
        assert_eq!(sent(&input), output);
    }
}

#[test]
fn repeated_length_is_sent_once() {
    let output = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    for said in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 05",
    ] {
        assert_eq!(
            sent(&format!("POST / HTTP/1.1\r\nHost: a\r\n{said}\r\n\r\n")),
            output
        );
    }
}

#[test]
fn oddly_written_framing_is_rewritten() {
    let cases = [
        ("Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding:chunked", "Transfer-Encoding: chunked"),
        (
            "transfer-encoding: Chunked \t",
            "Transfer-Encoding: chunked",
        ),
        ("Content-Length:\t5", "Content-Length: 5"),
        ("content-length: 5 ", "Content-Length: 5"),
        ("content-length: 5", "content-length: 5"),
        ("transfer-encoding: chunked", "transfer-encoding: chunked"),
    ];
    for (said, sent_on) in cases {
        assert_eq!(
            sent(&format!("POST / HTTP/1.1\r\nHost: a\r\n{said}\r\n\r\n")),
            format!("POST / HTTP/1.1\r\nHost: a\r\n{sent_on}\r\n\r\n"),
            "{said}"
        );
    }
}

#[test]
fn client_is_named_to_the_backend() {
    let input = "GET / HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 10.0.0.1\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
        X-Forwarded-For: 10.0.0.2\r\n\r\n";
    let output = "GET / HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.7\r\n\
        X-Forwarded-Host: a:80\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n\
        Via: 1.1 lb\r\n\r\n";
    let options = ForwardOptions {
        via: true,
        ..ForwardOptions::default()
    };
    assert_eq!(sent_with(input, options, |_| {}), output);
}

#[test]
fn replace_ignores_fields_of_clients() {
    let input = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\n\
        Forwarded: for=10.0.0.1\r\n\r\n";
    let options = ForwardOptions {
        x_forwarded_for: ForwardedFor::Replace,
        forwarded: true,
        ..SILENT
    };
    let output = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\
        Forwarded: for=192.0.2.7;host=\"a\";proto=http\r\n\r\n";
    assert_eq!(sent_with(input, options, |_| {}), output);
}

#[test]
fn ipv6_client_is_quoted_in_forwarded() {
    let options = ForwardOptions {
        forwarded: true,
        ..SILENT
    };
    let text = sent_with("GET / HTTP/1.1\r\nHost:\r\n\r\n", options, |forward| {
        forward.client_ip = b"2001:db8::1";
    });
    let line = "Forwarded: for=\"[2001:db8::1]\";proto=http\r\n";
    assert_eq!(text, format!("GET / HTTP/1.1\r\nHost:\r\n{line}\r\n"));
}

#[test]
fn request_id_is_added_once() {
    let id = |forward: &mut Forward<'_>| forward.request_id = Some(b"id-1");
    let without = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let with = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\n\r\n";
    let added = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-1\r\n\r\n";
    assert_eq!(sent_with(without, SILENT, id), added);
    assert_eq!(sent_with(with, SILENT, id), with);
}

#[test]
fn host_override_is_sent() {
    let options = ForwardOptions {
        x_forwarded_host: true,
        ..SILENT
    };
    let text = sent_with(
        "GET / HTTP/1.1\r\nA: b\r\nHost: a\r\n\r\n",
        options,
        |forward| {
            forward.host = Some(b"inner:81");
        },
    );
    let output = "GET / HTTP/1.1\r\nHost: inner:81\r\nA: b\r\nX-Forwarded-Host: a\r\n\r\n";
    assert_eq!(text, output);
}

#[test]
fn via_names_the_received_version() {
    let options = ForwardOptions {
        via: true,
        ..SILENT
    };
    let text = sent_with(
        "GET / HTTP/1.0\r\nVia: 1.1 x\r\nHost: a\r\n\r\n",
        options,
        |_| {},
    );
    assert_eq!(
        text,
        "GET / HTTP/1.1\r\nVia: 1.1 x\r\nHost: a\r\nVia: 1.0 lb\r\n\r\n"
    );
}
