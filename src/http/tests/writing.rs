//! The heads that are sent in place of those that came.

use super::super::{
    ConnectionOption, Forward, ForwardOptions, ForwardPolicy, ForwardedFor, Peer, Reframe,
    ResponseRewrite,
};
use super::*;

/// Nothing is added: what is left is what the client said.
const SILENT: ForwardOptions = ForwardOptions {
    x_forwarded_for: ForwardedFor::Leave,
    x_forwarded_host: false,
    x_forwarded_proto: false,
    x_forwarded_port: false,
    forwarded: false,
    via: false,
    date: false,
    loop_token: false,
};

fn sent_with(input: &str, options: ForwardOptions, more: impl Fn(&mut Forward<'_>)) -> String {
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

fn rewritten(input: &str, rewrite: ResponseRewrite<'_>) -> String {
    let mut parser = HeadParser::new(HeadLimits::default());
    let Ok(Parsed::Complete(head)) = parser.response(input.as_bytes(), Method::Get) else {
        panic!("not trusted: {input:?}");
    };
    let mut out = Vec::new();
    parser.write_response(&head, input.as_bytes(), &rewrite, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn response_is_copied_without_hop_by_hop_fields() {
    let input = "HTTP/1.1 200 Fine, \u{fc}\r\nConnection: close, X-Mine\r\nA: b\r\nX-Mine: 1\r\n\
        Keep-Alive: 5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi";
    let output = "HTTP/1.1 200 Fine, \u{fc}\r\nA: b\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(rewritten(input, ResponseRewrite::default()), output);
}

#[test]
fn status_line_has_our_version() {
    let cases = [
        ("HTTP/1.0 200 OK", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200", "HTTP/1.1 200 "),
        ("HTTP/1.0 200", "HTTP/1.1 200 "),
        ("HTTP/1.1 200 ", "HTTP/1.1 200 "),
    ];
    for (came, line) in cases {
        let rewrite = ResponseRewrite::default();
        assert_eq!(
            rewritten(&format!("{came}\r\n\r\n"), rewrite),
            format!("{line}\r\n\r\n")
        );
        let with_field = rewritten(&format!("{came}\r\nA: b\r\n\r\n"), rewrite);
        assert_eq!(with_field, format!("{line}\r\nA: b\r\n\r\n"));
    }
}

#[test]
fn response_is_reframed() {
    let plain = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n";
    let reframe = |reframe| ResponseRewrite {
        reframe,
        ..ResponseRewrite::default()
    };
    assert_eq!(rewritten(plain, reframe(Reframe::Chunked)), chunked);
    assert_eq!(rewritten(chunked, reframe(Reframe::Chunked)), chunked);
    assert_eq!(rewritten(chunked, reframe(Reframe::Keep)), chunked);
    assert_eq!(rewritten(chunked, reframe(Reframe::Identity)), plain);
}

#[test]
fn framing_fields_are_dropped_from_1xx_and_204() {
    let input = "HTTP/1.1 204 X\r\nContent-Length: 0, 0\r\n\r\n";
    assert_eq!(
        rewritten(input, ResponseRewrite::default()),
        "HTTP/1.1 204 X\r\n\r\n"
    );
    let input = "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        rewritten(input, ResponseRewrite::default()),
        "HTTP/1.1 204 X\r\n\r\n"
    );
}

#[test]
fn connection_field_matches_the_option() {
    let input = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    let cases = [
        (ConnectionOption::Implied, ""),
        (ConnectionOption::Close, "Connection: close\r\n"),
        (ConnectionOption::KeepAlive, "Connection: keep-alive\r\n"),
        (
            ConnectionOption::Upgrade,
            "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        ),
    ];
    for (connection, lines) in cases {
        let rewrite = ResponseRewrite {
            connection,
            ..ResponseRewrite::default()
        };
        assert_eq!(
            rewritten(input, rewrite),
            format!("HTTP/1.1 101 X\r\n{lines}\r\n")
        );
    }
}

#[test]
fn response_without_date_gets_one() {
    let date = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let written = |input: &str| {
        let mut parser = HeadParser::new(HeadLimits::default());
        let Ok(Parsed::Complete(head)) = parser.response(input.as_bytes(), Method::Get) else {
            panic!("{input:?}");
        };
        let rewrite = ResponseRewrite {
            date,
            ..ResponseRewrite::default()
        };
        let mut out = Vec::new();
        parser.write_response(&head, input.as_bytes(), &rewrite, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        written("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nA: b\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    );
    for own in [
        "HTTP/1.1 200 OK\r\nDATE: Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nA: b\r\ndate: x\r\nC: d\r\n\r\n",
    ] {
        assert_eq!(written(own), own);
    }
}

/// The lines about the client in a request with `lines` from `peer`, where 10.0.0.0/8 is trusted.
fn told(peer: Peer, options: ForwardOptions, lines: &str) -> Vec<String> {
    let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let sent = sent_with(&input, options, |forward| forward.peer = peer);
    let lines = sent.lines().filter(|line| line.contains("orwarded"));
    lines.map(str::to_owned).collect()
}

fn sent_by_trusted(lines: &str) -> Vec<String> {
    told(Peer::Proxy, ForwardOptions::default(), lines)
}

#[test]
fn trusted_proxy_is_carried_on() {
    assert_eq!(
        sent_by_trusted(
            "X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n\
             X-Forwarded-Host: b\r\nX-Forwarded-Port: 443\r\n"
        ),
        [
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: b",
            "X-Forwarded-Port: 443",
            "X-Forwarded-For: 203.0.113.9, 192.0.2.7",
        ]
    );
    assert_eq!(
        sent_by_trusted("X-Forwarded-Proto: https\r\n"),
        [
            "X-Forwarded-Proto: https",
            "X-Forwarded-For: 192.0.2.7",
            "X-Forwarded-Host: a",
            "X-Forwarded-Port: 443",
        ]
    );
}

/// A backend must not read in one field what another denies.
#[test]
fn what_forwarded_alone_says_is_said_in_all_fields() {
    for (element, chain, host, proto, port) in [
        (
            "for=203.0.113.9;proto=https",
            "203.0.113.9, ",
            "a",
            "https",
            443,
        ),
        (
            "for=203.0.113.9;proto=http",
            "203.0.113.9, ",
            "a",
            "http",
            80,
        ),
        (
            "FOR=203.0.113.9; PROTO=\"HTTPS\"",
            "203.0.113.9, ",
            "a",
            "https",
            443,
        ),
        ("for=203.0.113.9", "203.0.113.9, ", "a", "http", 8080),
        ("proto=https", "", "a", "https", 443),
        ("for=_hidden;proto=https", "", "a", "https", 443),
        (
            "for=\"[2001:db8::2]:47\";host=b",
            "2001:db8::2, ",
            "b",
            "http",
            8080,
        ),
        (
            "for=203.0.113.9;host=\"b:444\"",
            "203.0.113.9, ",
            "b:444",
            "http",
            444,
        ),
        (
            "for=203.0.113.9;host=\"b c\"",
            "203.0.113.9, ",
            "a",
            "http",
            8080,
        ),
        // The nearest proxy is trusted, and came by http.
        (
            "for=203.0.113.9;proto=https;host=b, for=10.0.0.1;proto=http;host=c",
            "203.0.113.9, 10.0.0.1, ",
            "b",
            "https",
            443,
        ),
        // The client wrote the first itself.
        (
            "for=1.2.3.4;proto=https;host=evil, for=203.0.113.9;proto=http",
            "203.0.113.9, ",
            "a",
            "http",
            80,
        ),
        (
            "for=1.2.3.4;proto=https, for=unknown",
            "",
            "a",
            "http",
            8080,
        ),
    ] {
        let field = format!("Forwarded: {element}");
        assert_eq!(
            sent_by_trusted(&format!("{field}\r\n")),
            [
                field,
                format!("X-Forwarded-For: {chain}192.0.2.7"),
                format!("X-Forwarded-Host: {host}"),
                format!("X-Forwarded-Proto: {proto}"),
                format!("X-Forwarded-Port: {port}"),
            ],
        );
    }
}

/// Port, host and scheme are one answer.
#[test]
fn port_agrees_with_what_is_told_of_host_and_scheme() {
    for (lines, announced, port) in [
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b:8443\r\n",
            None,
            8443,
        ),
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b, c:1\r\n",
            None,
            443,
        ),
        ("X-Forwarded-Proto: wss\r\n", None, 443),
        ("X-Forwarded-Proto: ws\r\n", None, 80),
        ("X-Forwarded-Host: [::1]\r\n", None, 8080),
        ("X-Forwarded-Host: [::1]:81\r\n", None, 81),
        ("X-Forwarded-Host: nonsense:x\r\n", None, 8080),
        // What the nearest proxy connected to says less than what it says itself.
        ("X-Forwarded-Proto: https\r\n", Some(8000), 443),
        ("", Some(8000), 8000),
        ("", None, 8080),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        for (peer, expected) in [
            (Peer::Proxy, port),
            (Peer::Announced, announced.unwrap_or(8080)),
            (Peer::TlsClient, announced.unwrap_or(8080)),
        ] {
            let sent = sent_with(&input, ForwardOptions::default(), |forward| {
                forward.peer = peer;
                forward.announced_port = announced;
            });
            let line = format!("\r\nX-Forwarded-Port: {expected}\r\n");
            assert_eq!(sent.matches("X-Forwarded-Port").count(), 1, "{sent}");
            assert!(sent.contains(&line), "{peer:?} {lines}: {sent}");
        }
    }
}

#[test]
fn own_fields_of_a_trusted_proxy_come_before_its_forwarded() {
    let lines = "Forwarded: for=1.1.1.1;proto=https;host=b\r\nX-Forwarded-For: 2.2.2.2\r\n\
                 X-Forwarded-Proto: http\r\nX-Forwarded-Host: c\r\n";
    assert_eq!(
        sent_by_trusted(lines),
        [
            "Forwarded: for=1.1.1.1;proto=https;host=b",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: c",
            "X-Forwarded-For: 2.2.2.2, 192.0.2.7",
            "X-Forwarded-Port: 80",
        ]
    );
}

#[test]
fn a_client_that_a_proxy_header_calls_tls_came_by_https() {
    let options = ForwardOptions {
        forwarded: true,
        ..ForwardOptions::default()
    };
    let own = "Forwarded: for=192.0.2.7;host=\"a\";proto=https";
    // What it says of itself is not believed.
    let claims = "X-Forwarded-Proto: http\r\nX-Forwarded-Host: b\r\nX-Forwarded-For: 1.1.1.1\r\n";
    assert_eq!(
        told(Peer::TlsClient, options, claims),
        [
            "X-Forwarded-For: 1.1.1.1, 192.0.2.7",
            "X-Forwarded-Host: a",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Port: 8080",
            own,
        ]
    );
    let replacing = ForwardOptions {
        x_forwarded_for: ForwardedFor::Replace,
        ..options
    };
    let told_in_place = told(Peer::TlsClient, replacing, claims);
    assert_eq!(told_in_place[0], "X-Forwarded-For: 192.0.2.7");
    // A trusted proxy that came by TLS itself knows better how its client came.
    for (claim, proto) in [("X-Forwarded-Proto: http\r\n", "http"), ("", "https")] {
        let lines = told(Peer::TlsProxy, options, claim);
        assert!(lines.contains(&format!("X-Forwarded-Proto: {proto}")));
        assert!(lines.contains(&own.to_owned()), "{lines:?}");
    }
}

#[test]
fn no_field_is_made_that_is_switched_off() {
    let forwarded = "Forwarded: for=203.0.113.9;proto=https;host=b";
    let lines = told(Peer::Proxy, SILENT, &format!("{forwarded}\r\n"));
    assert_eq!(lines, [forwarded]);
    assert!(told(Peer::TlsClient, SILENT, "").is_empty());
}

#[test]
fn client_is_the_first_from_the_end_that_is_not_trusted() {
    let is_trusted = |ip: std::net::IpAddr| ip.to_string().starts_with("10.");
    let mut parser = HeadParser::new(HeadLimits::default());
    let cases = [
        ("", None),
        ("X-Forwarded-For: 203.0.113.9\r\n", Some("203.0.113.9")),
        // The first was written by the client itself.
        (
            "X-Forwarded-For: 1.2.3.4, 203.0.113.9, 10.0.0.1\r\n",
            Some("203.0.113.9"),
        ),
        (
            "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.1\r\n",
            Some("1.2.3.4"),
        ),
        ("X-Forwarded-For: 10.0.0.2, 10.0.0.1\r\n", Some("10.0.0.2")),
        (
            "X-Forwarded-For: 1.2.3.4, unknown, 10.0.0.1\r\n",
            Some("10.0.0.1"),
        ),
        ("X-Forwarded-For: rubbish\r\n", None),
        ("X-Forwarded-For: 203.0.113.9:5123\r\n", Some("203.0.113.9")),
        ("X-Forwarded-For: [2001:db8::1]:80\r\n", Some("2001:db8::1")),
        ("X-Forwarded-For: 2001:db8::1\r\n", Some("2001:db8::1")),
        (
            "Forwarded: proto=https; For=\"[2001:db8::2]:47\", for=10.1.1.1\r\n",
            Some("2001:db8::2"),
        ),
        ("Forwarded: for=_hidden\r\n", None),
        (
            "Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n",
            Some("5.6.7.8"),
        ),
    ];
    for (lines, client) in cases {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        assert!(parser.request(input.as_bytes()).is_ok());
        let found = parser.client(input.as_bytes(), is_trusted);
        assert_eq!(
            found.map(|ip| ip.to_string()).as_deref(),
            client,
            "{lines:?}"
        );
    }
}

#[test]
fn request_that_comes_back_is_known() {
    let policy = |random| {
        let policy = ForwardPolicy::new(ForwardOptions::default(), "http", 80);
        policy.with_loop_token(crate::http::LoopToken::new(random))
    };
    let mut parser = HeadParser::new(HeadLimits::default());
    let (own, other) = (policy(0xfeed), policy(7));
    for lines in [
        "CDN-Loop: lb-000000000000feed\r\n",
        "cdn-loop: x.example; a=b, lb-000000000000feed\r\n",
        "CDN-Loop: x\r\nCDN-Loop: lb-000000000000feed ;c\r\n",
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        assert!(parser.request(input.as_bytes()).is_ok());
        assert!(parser.is_looping(input.as_bytes(), &own), "{lines:?}");
        assert!(!parser.is_looping(input.as_bytes(), &other), "{lines:?}");
    }
}
