//! The client's data in requests to backends, and in the log.

use crate::support::{Backend, Lb};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_request_without_an_id_gets_one_of_its_own_and_others_keep_theirs() {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    let mut id_of = |lines| {
        client
            .get_with("/", lines)
            .field("x-request-id")
            .unwrap()
            .to_owned()
    };
    let made = [id_of(""), id_of("")];
    for id in &made {
        assert_eq!(id.len(), 32, "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
    assert_ne!(made[0], made[1]);
    assert_eq!(id_of("X-Request-Id: mine\r\n"), "mine");

    let off = Lb::start(&[backend.address], &["--request-id", "off"]);
    assert_eq!(off.connect().get("/").field("x-request-id"), Some("-"));
}

#[test]
fn a_trace_context_is_passed_on_as_it_came() {
    let backend = Backend::answering(|request| {
        let field = |name: &str| request.field(name).unwrap_or("-").to_owned();
        let (parent, state) = (field("traceparent"), field("tracestate"));
        let head = format!("HTTP/1.1 200 OK\r\nX-Parent: {parent}\r\nX-State: {state}\r\n");
        (head + "Content-Length: 0\r\n\r\n").into_bytes()
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let lines = format!("Traceparent: {parent}\r\nTracestate: a=1,b=2\r\n");
    let answer = client.get_with("/", &lines);
    assert_eq!(answer.field("x-parent"), Some(parent));
    assert_eq!(answer.field("x-state"), Some("a=1,b=2"));
    // None is made for a request that has none.
    assert_eq!(client.get("/").field("x-parent"), Some("-"));
}

#[test]
fn the_log_names_the_request_as_the_backend_knows_it() {
    let backend = Backend::echo();
    let args = ["--access-log", "text"];
    let mut command = Lb::command(&[backend.address], &args);
    let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
    let mut log = BufReader::new(lb.stdout.take().unwrap()).lines();
    let mut client = lb.connect();
    for lines in ["", "X-Request-Id: mine\r\n"] {
        let answer = client.get_with("/", lines);
        let id = format!(" id=\"{}\" ", answer.field("x-request-id").unwrap());
        let line = log.next().unwrap().unwrap();
        assert!(line.contains(&id), "{id}: {line}");
    }
    let long = "x".repeat(200);
    client.get_with("/", &format!("X-Request-Id: {long}\r\n"));
    let line = log.next().unwrap().unwrap();
    let kept = format!(" id=\"{}\" ", "x".repeat(128));
    assert!(line.contains(&kept), "{line}");
}

/// The lines of the head that a backend gets for a request with `lines`, under `args`.
fn forwarded(args: &[&str], lines: &str) -> Vec<String> {
    let backend = Backend::echo();
    let lb = Lb::start(&[backend.address], args);
    lb.connect().get_with("/", lines);
    let received = backend.received_text();
    received.split("\r\n").map(str::to_owned).collect()
}

fn has(lines: &[String], start: &str) -> bool {
    lines.iter().any(|line| line.starts_with(start))
}

#[test]
fn identity_fields_follow_the_flags() {
    const CLAIM: &str = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n";
    let lines = forwarded(&[], CLAIM);
    assert!(
        has(&lines, "X-Forwarded-For: 10.0.0.1, 127.0.0.1"),
        "{lines:?}"
    );
    assert!(has(&lines, "X-Forwarded-Proto: http"), "{lines:?}");
    assert!(has(&lines, "X-Forwarded-Port: "), "{lines:?}");
    assert!(
        !has(&lines, "Via:") && !has(&lines, "Forwarded:"),
        "{lines:?}"
    );

    let lines = forwarded(&["--x-forwarded-for", "replace", "--via", "on"], CLAIM);
    assert!(
        lines.contains(&"X-Forwarded-For: 127.0.0.1".to_owned()),
        "{lines:?}"
    );
    assert!(has(&lines, "Via: 1.1 lb"), "{lines:?}");

    let args = [
        "--x-forwarded-for",
        "leave",
        "--x-forwarded",
        "off",
        "--forwarded",
        "on",
    ];
    let lines = forwarded(&args, CLAIM);
    assert!(
        lines.contains(&"X-Forwarded-For: 10.0.0.1".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"X-Forwarded-Proto: https".to_owned()),
        "{lines:?}"
    );
    assert!(!has(&lines, "X-Forwarded-Port"), "{lines:?}");
    assert!(
        has(&lines, "Forwarded: for=127.0.0.1;host=\"x\";proto=http"),
        "{lines:?}"
    );
}

#[test]
fn host_is_replaced_if_configured() {
    let lines = forwarded(&["--host", "inner.example:81"], "");
    assert!(
        lines.contains(&"Host: inner.example:81".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"X-Forwarded-Host: x".to_owned()),
        "{lines:?}"
    );
    assert!(!lines.contains(&"Host: x".to_owned()), "{lines:?}");
}

/// RFC 9110, section 6.6.1: a recipient with a clock adds the `Date` that is missing.
#[test]
fn responses_without_date_get_one() {
    let backend = Backend::echo();
    for (args, expected) in [(&[][..], true), (&["--date", "off"], false)] {
        let lb = Lb::start(&[backend.address], args);
        let mut client = lb.connect();
        let response = client.get("/");
        assert_eq!(response.status, 200);
        assert_eq!(response.field("date").is_some(), expected, "{args:?}");
        let refusal = client.get_with("/", "Host: twice\r\n");
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.field("date").is_some(), expected, "{args:?}");
    }
}

#[test]
fn trusted_proxies_are_believed_and_carried_on() {
    const CLAIM: &str = "X-Forwarded-For: 203.0.113.9, 127.0.0.2\r\nX-Forwarded-Proto: https\r\n";
    let lines = forwarded(&["--trusted-proxies", "127.0.0.0/8"], CLAIM);
    let chain = "X-Forwarded-For: 203.0.113.9, 127.0.0.2, 127.0.0.1".to_owned();
    assert!(lines.contains(&chain), "{lines:?}");
    assert!(
        lines.contains(&"X-Forwarded-Proto: https".to_owned()),
        "{lines:?}"
    );
    assert!(
        !lines.contains(&"X-Forwarded-Proto: http".to_owned()),
        "{lines:?}"
    );
    let lines = forwarded(&["--trusted-proxies", "10.0.0.0/8"], CLAIM);
    assert!(
        lines.contains(&"X-Forwarded-Proto: http".to_owned()),
        "{lines:?}"
    );
}

/// A backend must not read in one field what another denies.
#[test]
fn what_a_trusted_proxy_says_in_forwarded_alone_is_in_all_fields() {
    const CLAIM: &str = "Forwarded: for=203.0.113.9;proto=https;host=shop.example\r\n";
    for (trusted, chain, host, proto) in [
        (
            "127.0.0.0/8",
            "203.0.113.9, 127.0.0.1",
            "shop.example",
            "https",
        ),
        ("10.0.0.0/8", "127.0.0.1", "x", "http"),
    ] {
        let lines = forwarded(&["--trusted-proxies", trusted], CLAIM);
        for line in [
            CLAIM.trim_end().to_owned(),
            format!("X-Forwarded-For: {chain}"),
            format!("X-Forwarded-Host: {host}"),
            format!("X-Forwarded-Proto: {proto}"),
        ] {
            assert!(lines.contains(&line), "{line} of {trusted}: {lines:?}");
        }
        let protos = lines
            .iter()
            .filter(|line| line.starts_with("X-Forwarded-Proto"));
        assert_eq!(protos.count(), 1, "{lines:?}");
    }
}

#[test]
fn log_names_the_client_that_a_trusted_proxy_names() {
    let backend = Backend::echo();
    let args = ["--access-log", "text", "--trusted-proxies", "127.0.0.1"];
    let mut command = Lb::command(&[backend.address], &args);
    let mut lb = Lb::spawn(command.stdout(Stdio::piped()));
    let mut log = BufReader::new(lb.stdout.take().unwrap()).lines();
    let mut client = lb.connect();
    for fields in [
        "X-Forwarded-For: 1.1.1.1, 203.0.113.9\r\n",
        "Forwarded: for=1.1.1.1, for=203.0.113.9;proto=https\r\n",
    ] {
        client.get_with("/", fields);
        let line = log.next().unwrap().unwrap();
        assert!(line.contains("203.0.113.9:0"), "{line}");
    }
    client.get("/");
    let line = log.next().unwrap().unwrap();
    assert!(line.contains("127.0.0.1:"), "{line}");
}

/// A request that comes back through another balancer is refused, once round.
#[test]
fn loop_through_another_balancer_is_stopped() {
    let name = format!("lb-e2e-{}-loop.sock", std::process::id());
    let path = format!("unix:{}", std::env::temp_dir().join(name).display());
    let second = Lb::start(&[], &["--backends", &path]);
    let first = Lb::start(&[second.address], &["--listen", &path]);
    let answer = first.connect().get("/");
    assert_eq!(answer.status, 508, "{answer:?}");
    assert!(answer.text().contains("(loop)"), "{answer:?}");
}
