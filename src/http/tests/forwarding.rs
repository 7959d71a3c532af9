//! What is said of the client and its way to the backend, and what is believed of it.

use super::super::{ForwardOptions, ForwardPolicy, ForwardedFor, Peer};
use super::writing::{SILENT, sent_with};
use super::*;

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
