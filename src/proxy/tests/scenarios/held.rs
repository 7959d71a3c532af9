//! Request bodies that are held before a place at a limited backend is taken.

use super::*;
use crate::config::Mode;
use crate::transport::MemoryBudget;
use std::time::Duration;

const LONG: usize = 300_000;

fn limited(max: u32) -> Stage {
    let mut stage = Stage::http(1);
    stage.limit_backends(max);
    stage
}

fn head(length: usize) -> String {
    format!("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn slow_uploads_take_no_places() {
    let mut stage = limited(2);
    let kinds = [
        head(100),
        head(LONG),
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
    ];
    let slow: Vec<_> = (0..9).map(|nth| stage.ask(&kinds[nth % 3])).collect();
    for byte in ["5", "\r", "\n", "h"] {
        for client in &slow {
            stage.send(*client, byte);
        }
        stage.pass(Duration::from_secs(1));
        let innocent = stage.ask(GET);
        stage.send(stage.link(), OK);
        assert_eq!(stage.heard(innocent), OK);
    }
    assert_eq!(stage.backend_conns().len(), 1);
    let sent = stage.heard(stage.link());
    assert_eq!(sent, GET.repeat(4), "nothing of theirs");
}

#[test]
fn a_held_body_is_sent_as_a_whole_when_it_has_come() {
    for request in [POST, &*[&head(5), "hello"].concat(), bodies::CHUNKED] {
        for at in request.find("\r\n\r\n").unwrap() + 4..request.len() {
            let mut stage = limited(1);
            let client = stage.ask(&request[..at]);
            assert_eq!(stage.backend_conns(), []);
            stage.send(client, &request[at..]);
            assert_eq!(stage.heard(stage.link()), request);
            stage.send(stage.link(), OK);
            assert_eq!(stage.heard(client), OK);
            assert_eq!(stage.proxy.traffic.pools.first().held_bodies, 0);
        }
    }
}

#[test]
fn a_long_body_takes_its_place_when_enough_has_come() {
    let mut stage = limited(1);
    let client = stage.ask(head(LONG));
    let body = vec![b'x'; LONG];
    stage.send(client, &body[..60_000]);
    assert_eq!(stage.backend_conns(), []);
    stage.send(client, &body[60_000..70_000]);
    assert_eq!(stage.heard(stage.link()).len(), head(LONG).len() + 70_000);
    stage.send(client, &body[70_000..]);
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn a_held_body_that_never_comes_or_is_malformed_is_refused() {
    let mut stage = limited(1);
    let silent = stage.ask(head(100));
    stage.send(silent, "some");
    let gone = stage.ask(head(100));
    stage.reset(gone);
    let bad = stage.ask("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    stage.send(bad, "zz\r\n");
    assert_eq!(status(&stage.heard(bad)), "HTTP/1.1 400 Bad Request");
    stage.seconds(60);
    assert_eq!(status(&stage.heard(silent)), "HTTP/1.1 408 Request Timeout");
    assert_eq!(stage.backend_conns(), []);
    assert_eq!(stage.proxy.traffic.pools.first().held_bodies, 0);
}

#[test]
fn a_client_that_waits_for_100_is_not_held() {
    let mut stage = limited(1);
    let request = "PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let client = stage.ask(request);
    stage.send(stage.link(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(stage.heard(client).contains("100 Continue"));
    stage.send(client, "hello");
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn what_is_held_is_bounded_in_total() {
    let mut stage = limited(1);
    // As many as fit, and one more, which takes the place.
    for _ in 0..1024 {
        stage.ask(head(LONG));
    }
    assert_eq!(stage.backend_conns(), []);
    stage.ask(head(LONG));
    assert_eq!(stage.backend_conns().len(), 1);
}

#[test]
fn a_held_body_can_be_sent_again() {
    let mut setup = Setup::new(Mode::Http, 2);
    setup.limits.max_retries = 1;
    let mut stage = setup.raise();
    stage.limit_backends(5);
    let client = stage.ask(head(5));
    stage.send(client, "hello");
    let first = stage.link();
    assert!(stage.heard(first).ends_with("hello"));
    stage.reset(first);
    let second = stage.link();
    assert_ne!(first, second);
    assert_eq!(stage.heard(second), [&head(5), "hello"].concat());
}

#[test]
fn without_limits_nothing_is_held() {
    let mut stage = Stage::http(1);
    stage.ask(head(100));
    assert_eq!(stage.heard(stage.link()), head(100));
}

/// What is under way takes no more, and what is new is turned away, complete or not.
#[test]
fn while_memory_is_short_nothing_is_held_or_begun() {
    let mut stage = limited(1);
    let memory = MemoryBudget::of(usize::MAX);
    stage.proxy.limit_memory(memory.clone());
    let served = stage.ask(GET);
    let (beginning, held) = (stage.ask("GET /a HTT"), stage.ask(head(5)));
    memory.set_limit(0);
    for (client, rest) in [(beginning, "P/1.1\r\nHo"), (stage.client(), GET)] {
        stage.send(client, rest);
        let heard = stage.heard(client);
        assert_eq!(status(&heard), "HTTP/1.1 503 Service Unavailable");
        assert!(heard.contains("(overloaded)"), "{heard}");
    }
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(served), OK);
    // It has its place, and its body goes on as it comes.
    stage.send(held, "he");
    assert_eq!(stage.heard(stage.link()), [GET, &head(5), "he"].concat());
    stage.send(held, "llo");
    assert_eq!(stage.heard(stage.link()), "llo");
    memory.set_limit(usize::MAX);
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(held), OK);
}
