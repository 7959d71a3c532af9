//! Bodies, in every framing and cut everywhere.

use super::*;

pub(super) const CHUNKED: &str = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
    4\r\nabcd\r\n1\r\ne\r\n0\r\nX-Sum: 5\r\n\r\n";
const OK_CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    a\r\n0123456789\r\n0\r\n\r\n";

/// Both messages of an exchange, each cut in two.
fn exchange(request: (&str, &str), answer: (&str, &str)) {
    let mut stage = Stage::http(1);
    let client = stage.ask(request.0);
    stage.send(client, request.1);
    let link = stage.link();
    assert_eq!(stage.heard(link), [request.0, request.1].concat());
    stage.send(link, answer.0);
    stage.send(link, answer.1);
    assert_eq!(stage.heard(client), [answer.0, answer.1].concat());
    // What follows shows that both ends were found where they are.
    stage.send(client, GET);
    assert_eq!(stage.heard(link), GET);
}

#[test]
fn messages_cut_at_every_byte_arrive_whole() {
    for request in [POST, CHUNKED] {
        for at in 0..request.len() {
            exchange(request.split_at(at), (OK, ""));
        }
    }
    for answer in [OK, OK_CHUNKED] {
        for at in 0..answer.len() {
            exchange((GET, ""), answer.split_at(at));
        }
    }
}

#[test]
fn messages_arrive_whole_through_narrow_connections() {
    for room in 1..40 {
        let mut stage = Stage::http(1);
        stage.dial(0, Dial::Later);
        let client = stage.client();
        stage.world.borrow_mut().wire_mut(client).room = room;
        stage.send(client, CHUNKED);
        let link = stage.link();
        stage.world.borrow_mut().wire_mut(link).room = room;
        stage.establish(link);
        assert_eq!(stage.heard(link), CHUNKED);
        stage.send(link, OK_CHUNKED);
        assert_eq!(stage.heard(client), OK_CHUNKED, "{room} bytes at a time");
    }
}

#[test]
fn a_long_body_goes_through_a_pipe_and_around_it() {
    let body: String = (0..300_000)
        .map(|i| char::from(b'a' + (i % 23) as u8))
        .collect();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    for (pipes, room) in [
        (true, 1 << 20),
        (false, 1 << 20),
        (true, 5000),
        (false, 5000),
    ] {
        let mut stage = Stage::http(1);
        stage.world.borrow_mut().pipes = pipes;
        let client = stage.ask(GET);
        stage.world.borrow_mut().wire_mut(client).room = room;
        let link = stage.link();
        stage.send(link, &answer);
        for part in body.as_bytes().chunks(70_000) {
            stage.send(link, part);
        }
        assert!(
            stage.heard(client) == [&*answer, &*body].concat(),
            "{pipes} {room}"
        );
        assert!(!stage.is_closed(link), "the link is kept");
        assert_eq!(stage.proxy.traffic.io.pipes.lent(), 0);
    }
}

#[test]
fn a_request_behind_a_body_is_not_taken_for_part_of_it() {
    for body in [POST, CHUNKED] {
        let mut stage = Stage::http(1);
        let (head, rest) = body.split_at(body.find("\r\n\r\n").unwrap() + 6);
        let client = stage.ask(head);
        stage.send(client, [rest, GET].concat());
        let link = stage.link();
        assert_eq!(stage.heard(link), body);
        stage.send(link, OK);
        assert_eq!(stage.heard(link), GET);
    }
}

#[test]
fn a_malformed_chunk_is_refused() {
    let head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for later in [false, true] {
        let mut stage = Stage::http(1);
        let client = stage.client();
        if later {
            stage.send(client, head);
            stage.send(client, "zz\r\n");
            assert!(stage.is_closed(stage.link()));
        } else {
            stage.send(client, [head, "zz\r\n"].concat());
        }
        assert_eq!(status(&stage.heard(client)), "HTTP/1.1 400 Bad Request");
        assert_eq!(stage.reason(), "bad_chunk");
    }
}

#[test]
fn client_that_leaves_during_its_body_gets_no_response() {
    let mut stage = Stage::http(1);
    let client = stage.client();
    stage.send_and_end(client, POST.strip_suffix("llo").unwrap());
    assert!(stage.is_closed(client));
    assert!(stage.is_closed(stage.link()));
    assert_eq!(stage.heard(client), "");
    assert_eq!(stage.reason(), "client_gone");
}

#[test]
fn early_response_is_complete_when_the_client_stops_its_body() {
    let mut stage = Stage::http(1);
    let client = stage.ask(POST.strip_suffix("llo").unwrap());
    let link = stage.link();
    stage.send(link, "HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\n");
    stage.end(client);
    stage.send(link, "stop");
    let heard = stage.heard(client);
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(heard.ends_with("\r\n\r\nstop"), "{heard}");
    assert_eq!(stage.reason(), "ok");
}

const EARLY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";

/// A client in the middle of a long body that has its whole response already.
fn answered_early() -> (Stage, WireId, WireId) {
    let mut stage = Stage::http(1);
    let client = stage.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n");
    let link = stage.link();
    stage.send(link, EARLY);
    assert!(stage.heard(client).ends_with("early"));
    assert_eq!(stage.fate(client), End::Finished, "it is told at once");
    stage.heard(link);
    (stage, client, link)
}

#[test]
fn a_backend_that_answers_early_gets_the_rest_of_the_body() {
    let (mut stage, client, link) = answered_early();
    for _ in 0..40 {
        stage.send(client, vec![b'x'; 10_000]);
        stage.seconds(4);
    }
    assert_eq!(stage.heard(link).len(), 400_000);
    assert!(stage.is_closed(link));
    assert!(stage.log().contains("status=200"));
    assert_eq!(stage.snapshot().backends[0].counters.errors, 0);
}

#[test]
fn a_backend_that_stops_reading_after_its_answer_costs_the_client_nothing() {
    let (mut stage, client, link) = answered_early();
    stage.stall(link, 0);
    stage.send(client, vec![b'x'; 200_000]);
    assert!(stage.world.borrow().wire(client).unread() > 0);
    stage.seconds(5);
    assert!(stage.is_closed(link));
    stage.send(client, vec![b'x'; 100_000]);
    assert_eq!(stage.world.borrow().wire(client).unread(), 0, "drained");
    assert!(!stage.is_closed(client));
    assert_eq!(stage.reason(), "ok");
    stage.seconds(5);
    assert!(stage.is_closed(client));
}

#[test]
fn a_backend_that_closes_after_its_answer_leaves_the_client_drained() {
    for reset in [false, true] {
        let (mut stage, client, link) = answered_early();
        match reset {
            true => stage.reset(link),
            false => stage.end(link),
        }
        for _ in 0..20 {
            stage.send(client, vec![b'x'; 20_000]);
            assert_eq!(stage.world.borrow().wire(client).unread(), 0);
            stage.seconds(1);
        }
        assert!(stage.is_closed(link));
        assert_eq!(stage.reason(), "ok");
    }
}

#[test]
fn a_client_that_was_told_not_to_send_its_body_is_not_waited_for() {
    let mut stage = Stage::http(1);
    let client = stage
        .ask("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let link = stage.link();
    stage.send(link, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    assert!(stage.heard(client).starts_with("HTTP/1.1 401 "));
    assert!(stage.is_closed(link));
}
