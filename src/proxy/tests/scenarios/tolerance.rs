//! Clients and backends that do what RFC 9110 and RFC 9112 allow and few expect.

use super::*;
use crate::proxy::tests::stage::backend;
use std::time::Duration;

const PUT_EXPECTING: &str = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\
    Expect: 100-continue\r\n\r\n";
const EXEC: &str = "POST /exec HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\
    Content-Length: 5\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n";
const DENIED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
const TOO_LARGE: &str =
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn backend_with_a_forbidden_trailer_stays_healthy() {
    let mut stage = Stage::http(1);
    for _ in 0..10 {
        let client = stage.ask(GET);
        let link = stage.link();
        stage.heard(link);
        stage.send(
            link,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\nContent-Length: 0\r\n\r\n",
        );
        let heard = stage.heard(client);
        assert!(heard.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{heard}");
        stage.end(client);
    }
}

#[test]
fn responses_refused_for_form_do_not_eject() {
    let mut stage = Stage::http(1);
    for _ in 0..20 {
        let client = stage.ask(POST);
        let link = stage.link();
        stage.heard(link);
        stage.send(link, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
        assert_eq!(status(&stage.heard(client)), "HTTP/1.1 502 Bad Gateway");
    }
    let client = stage.ask(GET);
    let link = stage.link();
    stage.heard(link);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn http_1_0_without_host_is_sent_with_that_of_the_backend() {
    let mut stage = Stage::http(1);
    stage.ask("OPTIONS / HTTP/1.0\r\nA: b\r\n\r\n");
    let sent = stage.heard(stage.link());
    let expected = format!("OPTIONS / HTTP/1.1\r\nHost: {}\r\nA: b\r\n", backend(0));
    assert!(sent.starts_with(&expected), "{sent}");
}

#[test]
fn http_1_0_without_host_names_the_second_backend_after_a_retry() {
    let mut stage = Stage::http(2);
    stage.dial(0, Dial::Refused);
    stage.ask("GET / HTTP/1.0\r\n\r\n");
    let sent = stage.heard(stage.link());
    assert!(
        sent.contains(&format!("\r\nHost: {}\r\n", backend(1))),
        "{sent}"
    );
    assert_eq!(sent.matches("Host: ").count(), 1, "{sent}");
}

#[test]
fn explicit_host_is_left_alone() {
    for request in [
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.0\r\n\r\n",
    ] {
        let mut stage = Stage::http(1);
        stage.ask(request);
        let sent = stage.heard(stage.link());
        assert!(sent.contains("\r\nHost: a\r\n"), "{sent}");
    }
}

#[test]
fn upgrade_with_a_body_becomes_a_tunnel_once_it_is_sent() {
    let mut stage = Stage::http(1);
    let client = stage.ask([EXEC, "hello"].concat());
    let link = stage.link();
    let sent = stage.heard(link);
    assert!(sent.contains("Upgrade: tcp\r\n"), "{sent}");
    assert!(sent.contains("Connection: Upgrade\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\nhello"), "{sent}");
    stage.send(link, [SWITCHING, "out"].concat());
    assert_eq!(stage.heard(client), [SWITCHING, "out"].concat());
    stage.send(client, "in");
    assert_eq!(stage.heard(link), "in");
}

#[test]
fn early_101_waits_for_the_body() {
    let mut stage = Stage::http(1);
    let client = stage.ask([EXEC, "he"].concat());
    let link = stage.link();
    stage.heard(link);
    stage.send(link, [SWITCHING, "out"].concat());
    assert_eq!(stage.heard(client), "");
    stage.send(client, "llo and then the tunnel");
    assert_eq!(stage.heard(client), [SWITCHING, "out"].concat());
    assert_eq!(stage.heard(link), "llo and then the tunnel");
}

#[test]
fn early_101_to_chunks_waits_for_the_last() {
    let mut stage = Stage::http(1);
    let request = EXEC.replace("Content-Length: 5", "Transfer-Encoding: chunked");
    let client = stage.ask([&request, "2\r\nhe\r\n"].concat());
    let link = stage.link();
    stage.heard(link);
    stage.send(link, SWITCHING);
    stage.send(client, "0\r\n");
    assert_eq!(stage.heard(client), "");
    stage.send(client, "\r\nraw");
    assert_eq!(stage.heard(client), SWITCHING);
    assert!(stage.heard(link).ends_with("0\r\n\r\nraw"));
}

#[test]
fn upgrade_with_a_body_that_is_declined_stays_http() {
    let mut stage = Stage::http(1);
    let client = stage.ask([EXEC, "hello", GET].concat());
    let link = stage.link();
    stage.heard(link);
    stage.send(link, DENIED);
    assert_eq!(stage.heard(client), DENIED);
    assert_eq!(stage.heard(link), GET);
}

#[test]
fn backend_has_its_time_while_the_client_waits_for_continue() {
    let mut stage = Stage::http(1);
    let client = stage.ask(PUT_EXPECTING);
    stage.heard(stage.link());
    // Beyond the body timeout, within that of the response head.
    stage.seconds(45);
    assert_eq!(stage.heard(client), "");
    stage.send(stage.link(), DENIED);
    assert!(stage.heard(client).starts_with("HTTP/1.1 401 "));
}

#[test]
fn backend_that_never_says_continue_is_at_fault() {
    let mut stage = Stage::http(1);
    let client = stage.ask(PUT_EXPECTING);
    stage.seconds(60);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 504 Gateway Timeout");
    assert_eq!(stage.reason(), "backend_timeout");
}

#[test]
fn client_has_the_body_timeout_once_it_may_send() {
    let mut stage = Stage::http(1);
    let client = stage.ask(PUT_EXPECTING);
    let link = stage.link();
    stage.seconds(45);
    stage.send(link, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(stage.heard(client), "HTTP/1.1 100 Continue\r\n\r\n");
    stage.seconds(30);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
    assert_eq!(stage.reason(), "client_timeout");
}

#[test]
fn client_that_does_not_wait_for_continue_has_the_body_timeout() {
    let mut stage = Stage::http(1);
    let client = stage.ask([PUT_EXPECTING, "he"].concat());
    stage.seconds(30);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
}

/// Bytes a client sends after its response are discarded for as long as they come.
#[test]
fn client_that_sends_before_it_reads_is_not_cut_off() {
    let mut stage = Stage::http(1);
    let length = 20_000_000;
    let client = stage.ask(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    ));
    let link = stage.link();
    stage.send_and_end(link, TOO_LARGE);
    assert!(stage.heard(client).starts_with("HTTP/1.1 413 "));
    for _ in 0..20 {
        stage.pass(Duration::from_millis(500));
        assert!(!stage.is_closed(client), "while bytes come");
        stage.send(client, vec![b'x'; 1_000_000]);
    }
    stage.seconds(6);
    assert!(stage.is_closed(client), "5 s of silence");
}

#[test]
fn slow_sender_is_discarded_for_30_seconds_and_no_longer() {
    let mut stage = Stage::http(1);
    let client = stage.ask("GET / HTTP/1.1\r\n\r\n");
    assert!(stage.heard(client).starts_with("HTTP/1.1 400 "));
    for second in 0..29 {
        assert!(!stage.is_closed(client), "after {second} s");
        stage.send(client, "x");
        stage.seconds(1);
    }
    stage.send(client, "x");
    stage.seconds(2);
    assert!(stage.is_closed(client));
}
