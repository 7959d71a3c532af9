//! The real binary on a free port, asked over real connections.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    reason = "a client needs a socket, and a test that cannot go on should say where"
)]

mod client;

use client::{Backend, Client};

#[test]
fn curl_gets_the_bare_number() {
    let backend = Backend::start(&["--term-us", "0", "--name", "pi-test"]);
    let answer = backend.connect().get("/100", "Accept: */*");
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("3.13159"), "{}", answer.body);
    assert_eq!(answer.header("x-served-by"), Some("pi-test"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn programs_get_json_and_browsers_a_page() {
    let backend = Backend::start(&["--term-us", "0"]);
    let mut client = backend.connect();
    let json = client.get("/100", "Accept: application/json");
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert!(
        json.body.contains("\"precision\":100,\"pi\":3.13159"),
        "{}",
        json.body
    );
    assert!(
        json.body
            .contains(&format!("\"server\":\"pi-{}\"", backend.address.port()))
    );
    let page = client.get("/100", "Accept: text/html,*/*;q=0.8");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.body.contains("<b>3.1</b><i>315929"), "{}", page.body);
}

#[test]
fn ping_sum_and_index_answer() {
    let backend = Backend::start(&["--term-us", "0"]);
    let mut client = backend.connect();
    assert_eq!(client.get("/ping", "Accept: text/html").body, "pong\n");
    assert_eq!(
        client.get("/?first=7&second=7", "").body,
        "sum 14\nrandom 7\n"
    );
    assert!(client.get("/", "").body.contains("/?first=2&second=3"));
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_sentence() {
    let backend = Backend::start(&["--term-us", "0"]);
    let mut client = backend.connect();
    for (target, status) in [
        ("/0", 400),
        ("/100001", 400),
        ("/abc", 400),
        ("/?first=2", 400),
        ("/a/b", 404),
    ] {
        let answer = client.get(target, "");
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.body.ends_with(".\n"), "{target}: {}", answer.body);
    }
    let answer = client.ask("POST /100 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD"))
    );
    assert_eq!(
        client.get("/ping", "").status,
        200,
        "the connection outlives refusals"
    );
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let backend = Backend::start(&["--term-us", "0"]);
    let mut client = backend.connect();
    let length = client
        .get("/100", "")
        .header("content-length")
        .map(str::to_owned);
    let head = client.head("/100");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), length.as_deref());
    assert_eq!(
        client.get("/ping", "").body,
        "pong\n",
        "no stray body was left behind"
    );
}

#[test]
fn a_request_id_is_echoed() {
    let backend = Backend::start(&["--term-us", "0"]);
    let mut client = backend.connect();
    let answer = client.get("/ping", "X-Request-Id: 7f-01");
    assert_eq!(answer.header("x-request-id"), Some("7f-01"));
    let split = client.get("/ping", "X-Request-Id: a\nX-Evil: 1");
    assert_eq!(
        (split.header("x-request-id"), split.header("x-evil")),
        (None, None)
    );
    assert_eq!(client.get("/ping", "").header("x-request-id"), None);
}

#[test]
fn sixty_four_kept_connections_are_served_in_turn() {
    let backend = Backend::start(&["--term-us", "0"]);
    let mut clients: Vec<Client> = (0..64).map(|_| backend.connect()).collect();
    for terms in 1..=3 {
        ask_all(&mut clients, terms);
    }
}

/// tiny_http strands connections of a burst that follows on closed ones.
#[test]
fn regression_a_burst_after_closed_connections_is_served_whole() {
    let backend = Backend::start(&["--term-us", "0"]);
    for round in 1..=10 {
        let mut few: Vec<Client> = (0..2).map(|_| backend.connect()).collect();
        ask_all(&mut few, round);
        drop(few);
        let mut burst: Vec<Client> = (0..32).map(|_| backend.connect()).collect();
        ask_all(&mut burst, round);
    }
}

/// Sends on every connection first, then reads every answer.
fn ask_all(clients: &mut [Client], terms: u32) {
    clients
        .iter_mut()
        .for_each(|client| client.send_get(&format!("/{terms}"), ""));
    for client in clients {
        let answer = client.receive(true);
        assert_eq!(answer.status, 200);
        let pi: f64 = answer.body.trim().parse().expect("a number");
        let error = (pi - std::f64::consts::PI).abs();
        assert!(
            error < 1.0 / f64::from(terms),
            "{pi} is not Pi of {terms} terms"
        );
    }
}

#[test]
fn a_port_in_use_is_one_clear_line_and_exit_code_2() {
    let backend = Backend::start(&[]);
    let port = backend.address.port().to_string();
    let output = Backend::command(&["--port", &port]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "pi-backend: cannot listen on {}: the port is in use\n",
        backend.address
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert!(output.stdout.is_empty());
}
