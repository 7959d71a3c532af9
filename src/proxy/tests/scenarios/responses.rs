//! The end of a response, and how clients of either version learn of it.

use super::*;

#[test]
fn responses_without_a_body_end_with_their_head() {
    let bodyless = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        ),
    ];
    for (method, answer) in bodyless {
        let request = GET.replace("GET", method);
        let mut stage = Stage::http(1);
        let client = stage.ask(&request);
        let link = stage.link();
        stage.send(link, answer);
        assert_eq!(stage.heard(client), answer);
        stage.send(client, GET);
        stage.send(link, OK);
        assert_eq!(stage.heard(client), OK, "after {method} and {answer}");
        assert_eq!(stage.backend_conns().len(), 1);
    }
}

#[test]
fn response_that_ends_by_closing_is_sent_in_chunks() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let link = stage.link();
    stage.send(link, "HTTP/1.1 200 OK\r\n\r\nabc");
    stage.send(link, "de");
    stage.end(link);
    let expected = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(stage.heard(client), expected);
    assert!(!stage.is_closed(client));
    assert!(stage.is_closed(link));
}

#[test]
fn an_http_1_0_client_is_sent_plain_bytes_until_the_end() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let closing = "HTTP/1.1 200 OK\r\n\r\nabcde";
    for answer in [chunked, closing] {
        let mut stage = Stage::http(1);
        let client = stage.ask(GET_10);
        stage.send_and_end(stage.link(), answer);
        let expected = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde";
        assert_eq!(stage.heard(client), expected);
        assert_eq!(stage.fate(client), End::Finished);
    }
}

#[test]
fn truncated_response_does_not_seem_complete() {
    let cases = [
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            false,
        ),
        (
            GET,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            false,
        ),
        (
            GET_10,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            false,
        ),
        (GET, "HTTP/1.1 200 OK\r\n\r\nabc", true),
        (GET_10, "HTTP/1.1 200 OK\r\n\r\nabc", true),
    ];
    for (request, answer, by_reset) in cases {
        let mut stage = Stage::http(1);
        let client = stage.ask(request);
        stage.send(stage.link(), answer);
        if by_reset {
            stage.reset(stage.link());
        } else {
            stage.end(stage.link());
        }
        let heard = stage.heard(client);
        assert!(!heard.ends_with("0\r\n\r\n"), "{heard}");
        let expected = if request == GET_10 {
            End::Reset
        } else {
            End::Finished
        };
        assert_eq!(stage.fate(client), expected, "{request} {answer}");
        assert_eq!(stage.reason(), "backend_gone");
    }
}

#[test]
fn response_may_come_before_the_request_is_complete() {
    let mut stage = Stage::http(1);
    let client = stage.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    let link = stage.link();
    stage.send(link, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nda");
    assert!(stage.heard(client).contains("Connection: close\r\n"));
    stage.send(client, "def");
    assert!(
        stage.heard(link).ends_with("\r\n\r\nabcdef"),
        "the body goes on"
    );
    stage.send(link, "ta");
    assert_eq!(stage.heard(client), "ta");
    assert_eq!(stage.fate(client), End::Finished);
    assert!(
        !stage.is_closed(client),
        "closing now could destroy the answer"
    );
    stage.send(client, "ghi");
    assert_eq!(stage.world.borrow().wire(client).unread(), 0, "thrown away");
    stage.end(client);
    assert!(stage.is_closed(client));
    assert!(stage.is_closed(link));
    assert_eq!(stage.reason(), "ok");
}

#[test]
fn backend_that_stops_reading_may_still_have_responded() {
    let mut stage = Stage::http(1);
    let client = stage.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    let link = stage.link();
    let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    stage
        .world
        .borrow_mut()
        .wire_mut(link)
        .deliver(answer.as_bytes());
    stage.world.borrow_mut().wire_mut(link).reset(false);
    stage.send(client, "def");
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 413 Too Large");
}

#[test]
fn untrustworthy_response_is_not_passed_on() {
    for answer in [
        "HTTP/1.1 2000 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Up\r\n\r\n",
    ] {
        let mut stage = Stage::http(2);
        let client = stage.ask(GET);
        stage.send(stage.link(), answer);
        assert_eq!(status(&stage.heard(client)), "HTTP/1.1 502 Bad Gateway");
        assert_eq!(stage.reason(), "bad_response");
        assert!(!stage.is_closed(client), "the request was read to its end");
        assert_eq!(stage.backend_conns().len(), 1, "asked once");
    }
}

#[test]
fn response_cut_by_a_client_that_left_leaves_the_backend() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let link = stage.link();
    stage.send(link, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    stage.reset(client);
    assert!(stage.is_closed(link));
    assert_eq!(stage.reason(), "client_gone");
}

#[test]
fn a_body_malformed_from_its_first_byte_is_a_502() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    stage.send(stage.link(), format!("{head}0x5\r\nhello\r\n0\r\n\r\n"));
    let heard = stage.heard(client);
    assert!(heard.starts_with("HTTP/1.1 502 "), "{heard}");
    assert_eq!(stage.reason(), "bad_response");
    assert!(!stage.is_closed(client), "it can ask again");
}
