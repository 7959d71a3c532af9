//! Interim responses: 100 Continue and other 1xx.

use super::*;

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
