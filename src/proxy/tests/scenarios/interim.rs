//! Interim responses: 100 Continue and other 1xx.

use super::*;
use crate::config::Mode;
use std::time::Duration;

const EXPECTING: &str = "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
    Content-Length: 5\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n";

#[test]
fn continue_travels_before_the_body() {
    let mut stage = Stage::http(1);
    let client = stage.ask(EXPECTING);
    let link = stage.link();
    assert_eq!(stage.heard(link), EXPECTING);
    stage.send(link, CONTINUE);
    assert_eq!(stage.heard(client), CONTINUE);
    stage.send(client, "hello");
    assert_eq!(stage.heard(link), "hello");
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
    stage.send(client, GET);
    assert_eq!(stage.heard(link), GET, "both connections go on");
}

#[test]
fn a_body_that_is_not_wanted_is_not_waited_for() {
    let mut stage = Stage::http(1);
    let client = stage.ask(EXPECTING);
    stage.send(
        stage.link(),
        "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n",
    );
    let heard = stage.heard(client);
    assert_eq!(status(&heard), "HTTP/1.1 413 Too Large");
    assert!(heard.contains("Connection: close\r\n"), "{heard}");
    assert_eq!(stage.fate(client), End::Finished);
    assert!(stage.is_closed(stage.link()));
}

#[test]
fn interim_responses_are_passed_on_alone_or_with_the_final_one() {
    for parts in [vec![HINTS, HINTS, OK], vec![&*[HINTS, HINTS, OK].concat()]] {
        let mut stage = Stage::http(1);
        let client = stage.ask(GET);
        for part in &parts {
            stage.send(stage.link(), part);
        }
        assert_eq!(stage.heard(client), [HINTS, HINTS, OK].concat());
    }
}

#[test]
fn http_1_0_client_gets_no_interim_response() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET_10);
    stage.send(stage.link(), [HINTS, OK].concat());
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 200 OK");
}

#[test]
fn nothing_is_retried_after_an_interim_response() {
    let mut stage = Stage::http(2);
    let client = stage.ask(GET);
    stage.send(stage.link(), HINTS);
    stage.reset(stage.link());
    assert_eq!(stage.backend_conns().len(), 1);
    let heard = stage.heard(client);
    let answer = heard.strip_prefix(HINTS).unwrap();
    assert_eq!(status(answer), "HTTP/1.1 502 Bad Gateway");
}

/// The reason of an exchange that is over.
fn ended(stage: &mut Stage) -> Option<String> {
    let log = stage.log();
    let (_, reason) = log.rsplit_once("reason=")?;
    Some(reason.trim_end().to_owned())
}

/// Sends an interim response every 4 seconds. Returns the seconds that the exchange took, and why it
/// ended.
fn hinted(stage: &mut Stage, interim: &str) -> (u64, String) {
    for seconds in 1..=100 {
        if seconds % 4 == 0 {
            stage.send(stage.link(), interim);
        }
        stage.seconds(1);
        if let Some(reason) = ended(stage) {
            return (seconds, reason);
        }
    }
    panic!("held for 100 s");
}

fn with_short_timeouts() -> Stage {
    let mut setup = Setup::new(Mode::Http, 1);
    setup.timeouts.first_byte = Duration::from_secs(10);
    setup.timeouts.body = Duration::from_secs(20);
    setup.raise()
}

#[test]
fn interim_responses_do_not_extend_the_wait_for_the_final_one() {
    const PROCESSING: &str = "HTTP/1.1 102 Processing\r\n\r\n";
    for interim in [HINTS, CONTINUE, PROCESSING, "HTTP/1.1 199 Odd\r\n\r\n"] {
        for request in [GET, GET_10, POST] {
            let mut stage = with_short_timeouts();
            stage.ask(request);
            let end = (10, "backend_timeout".to_owned());
            assert_eq!(hinted(&mut stage, interim), end, "{request} {interim}");
        }
    }
}

#[test]
fn a_client_that_is_slow_to_take_interim_responses_does_not_extend_it() {
    let mut stage = with_short_timeouts();
    let client = stage.ask(GET);
    let reason = (0..6).find_map(|_| {
        stage.stall(client, 10);
        stage.send(stage.link(), HINTS);
        stage.seconds(1);
        stage.resume(client);
        stage.seconds(1);
        ended(&mut stage)
    });
    assert_eq!(reason.as_deref(), Some("backend_timeout"));
}

#[test]
fn interim_responses_do_not_extend_the_wait_for_the_body() {
    let mut stage = with_short_timeouts();
    stage.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    let end = (20, "client_timeout".to_owned());
    assert_eq!(hinted(&mut stage, HINTS), end);
}

#[test]
fn a_continue_begins_the_wait_for_the_body_and_its_end_that_for_the_response() {
    let mut stage = with_short_timeouts();
    let client = stage.ask(EXPECTING);
    stage.seconds(9);
    stage.send(stage.link(), CONTINUE);
    stage.seconds(19);
    stage.send(client, "hello");
    stage.seconds(9);
    assert!(!stage.is_closed(client));
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), [CONTINUE, OK].concat());
}
