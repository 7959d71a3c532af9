//! HTTP mode, when all goes well: every request gets its own response.

use crate::support::{Backend, Client, Lb, Pi};
use std::thread;

#[test]
fn one_connection_carries_a_thousand_requests() {
    let pi = Pi::start_many(1);
    let lb = Lb::start(&Pi::addresses(&pi), &[]);
    let mut client = lb.connect();
    for nth in 0..1_000 {
        get_own_response(&mut client, "/1", &nth.to_string());
    }
}

#[test]
fn sixty_four_clients_at_once_each_get_their_own_responses() {
    let backends: Vec<_> = (0..4).map(|_| Backend::echo()).collect();
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let lb = Lb::start(&addresses, &[]);
    thread::scope(|scope| {
        for who in 0..64 {
            let mut client = lb.connect();
            scope.spawn(move || {
                for nth in 0..200 {
                    let id = format!("{who}-{nth}");
                    let target = format!("/of/{id}");
                    let body = get_own_response(&mut client, &target, &id);
                    assert_eq!(body, format!("GET {target}"));
                }
            });
        }
    });
    lb.assert_serves();
}

/// Sends a GET with an id and makes sure that the response bears it. Returns the body.
#[track_caller]
fn get_own_response(client: &mut Client, target: &str, id: &str) -> String {
    let answer = client.get_with(target, &format!("X-Request-Id: {id}\r\n"));
    assert_eq!(answer.status, 200, "{id}: {answer:?}");
    assert_eq!(answer.field("x-request-id"), Some(id));
    answer.text()
}

#[test]
fn a_hundred_pipelined_requests_are_served_in_order() {
    let backends: Vec<_> = (0..3).map(|_| Backend::echo()).collect();
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let lb = Lb::start(&addresses, &["--strategy", "round-robin"]);
    let mut client = lb.connect();
    let request = |nth| match nth % 3 {
        0 => format!("POST /{nth} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"),
        _ => format!("GET /{nth} HTTP/1.1\r\nHost: x\r\n\r\n"),
    };
    client.send((0..100).map(request).collect::<String>());
    for nth in 0..100 {
        let method = if nth % 3 == 0 { "POST" } else { "GET" };
        assert_eq!(client.receive().text(), format!("{method} /{nth}"));
    }
    client.finish();
    client.assert_closed();
}

#[test]
fn response_that_ends_by_closing_reaches_the_client_whole_and_leaves_it_connected() {
    let backend = Backend::start(|mut wire, _| {
        if wire.read_request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\n\r\nno length, ");
            wire.send("only an end");
        }
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!(answer.text(), "no length, only an end");
        assert!(answer.message.is_chunked(), "{answer:?}");
    }
    let mut old = lb.connect();
    old.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    let answer = old.receive();
    assert_eq!(answer.text(), "no length, only an end");
    assert!(!answer.message.is_chunked(), "{answer:?}");
}

#[test]
fn bodies_of_both_framings_pass_in_both_directions() {
    let backend = Backend::answering(|request| {
        let body = request.text();
        let answer = match request.word(1) {
            "/chunked" => format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
            _ => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        };
        format!("HTTP/1.1 200 OK\r\n{answer}").into_bytes()
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    for target in ["/chunked", "/length"] {
        assert_eq!(
            client.post(target, b"with a length").text(),
            "with a length"
        );
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nin \r\n6\r\nchunks\r\n0\r\n\r\n"
        ));
        assert_eq!(client.receive().text(), "in chunks");
    }
    assert_eq!(backend.connections(), 1, "the connection is used again");
}

#[test]
fn a_message_sent_byte_by_byte_is_the_same_message() {
    let backend = Backend::start(|mut wire, _| {
        while let Some(request) = wire.read_request() {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                request.body.len(),
                request.text()
            );
            answer.bytes().for_each(|byte| wire.send([byte]));
        }
    });
    let lb = Lb::start(&[backend.address], &[]);
    let mut client = lb.connect();
    let request = "POST /drip HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4\r\ndrip\r\n5\r\n drop\r\n0\r\n\r\n";
    for _ in 0..3 {
        request.bytes().for_each(|byte| client.send([byte]));
        assert_eq!(client.receive().text(), "drip drop");
    }
}
