//! Messages that are too long, too many or too late are refused at the limit, and not one byte
//! before.

use super::refusals::refused;
use super::stand::{Stand, Then, sings, then};
use super::table::{Refused, assert_refused};
use crate::support::Stopwatch;
use std::time::Duration;

/// Leaks the bytes of a row that is too long to be spelled out.
fn long(text: String) -> &'static str {
    text.leak()
}

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn a_head_beyond_the_limits_is_refused() {
    let many: String = (0..101).map(|nth| format!("X-{nth}: b\r\n")).collect();
    let big = format!("X: {}\r\nY: {0}\r\nZ: {0}\r\n", "b".repeat(8_000));
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "b".repeat(20_000));
    let targets: &[Refused] = refused! { 414 "target_too_long":
        "a target beyond 8 KiB" "3" long(get(&"/".repeat(8 * 1024 + 1), ""));
        "a target without end" "3" long(format!("GET {}", "/".repeat(20_000)));
    };
    let heads: &[Refused] = refused! { 431 "head_too_large":
        "101 fields and Host" "RFC 6585 5" long(get("/", &many));
        "lines that fit, but not together" "RFC 6585 5" long(get("/", &big));
        "a line without end" "RFC 6585 5" long(endless);
        "a name without end" "RFC 6585 5"
            long(format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "b".repeat(20_000)));
    };
    let mut stand = Stand::new();
    assert_refused(&mut stand, targets);
    assert_refused(&mut stand, heads);
}

#[test]
fn a_head_within_the_limits_is_served() {
    let most: String = (0..99).map(|nth| format!("X-{nth}: b\r\n")).collect();
    let widest = format!("X: {}\r\n", "b".repeat(15 * 1024));
    let mut stand = Stand::new();
    let mut client = stand.connect();
    for (target, lines) in [(&*"/".repeat(8 * 1024), ""), ("/", &*most), ("/", &*widest)] {
        client.send(get(target, lines));
        assert_eq!(client.receive().status, 200);
        sings(&mut client).unwrap();
    }
    stand.assert_sound(Some(client));
}

/// RFC 9110, section 15.5.9: dripping bytes gains no time.
#[test]
fn a_head_that_comes_too_slowly_is_refused() {
    const LIMIT: Duration = Duration::from_millis(300);
    let mut stand = Stand::with(&["--head-timeout", "300ms"]);
    let mut client = stand.connect();
    client.set_patience(Duration::from_millis(20));
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    // Each look waits a little while for the response.
    while client.peek(1).is_empty() && watch.elapsed() < 10 * LIMIT {
        let _ = client.try_send(b"b");
    }
    assert!(watch.elapsed() >= LIMIT, "after {:?}", watch.elapsed());
    client.set_patience(super::stand::PATIENCE);
    let answer = client.receive();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (408, Some("close"))
    );
    assert_eq!(stand.reason(), "head_timeout");
    let (rest, end) = client.read_to_end();
    assert_eq!((rest.len(), then(end)), (0, Then::Closes));
    drop(client);
    stand.assert_sound(None);
}

/// A client that never sent a request is closed without a response.
#[test]
fn an_idle_connection_is_closed_in_time() {
    let mut stand = Stand::with(&["--keep-alive-timeout", "200ms"]);
    let mut silent = stand.connect();
    silent.assert_closed();
    let mut polite = stand.connect();
    sings(&mut polite).unwrap();
    polite.assert_closed();
    stand.assert_sound(None);
}
