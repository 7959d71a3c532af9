//! Stopping: what is idle goes at once, what is under way is finished, the rest is cut.

use super::super::invariants;
use super::*;
use std::time::Duration;

#[test]
fn idle_connections_are_closed_at_once() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    let silent = stage.client();
    stage.seconds(2);
    stage.stop();
    assert!(stage.is_closed(client) && stage.is_closed(link) && stage.is_closed(silent));
    assert!(stage.proxy.is_idle());
    invariants::check_empty(&stage.proxy);
}

#[test]
fn a_request_that_crosses_the_stop_is_served_as_the_last() {
    let (mut stage, client, _) = warmed_up(Stage::http(1));
    let (other, _) = (stage.client(), stage.stop());
    stage.pass(Duration::from_millis(300));
    stage.send(client, POST);
    stage.send(stage.link(), OK);
    let heard = stage.heard(client);
    assert!(
        heard.contains("Connection: close\r\n") && heard.ends_with("ok"),
        "{heard}"
    );
    assert_eq!(stage.fate(client), End::Finished);
    stage.end(client);
    assert!(!stage.is_closed(other));
    stage.pass(Duration::from_millis(300));
    assert!(stage.is_closed(other), "its time is over");
    assert!(stage.proxy.is_idle());
    invariants::check_empty(&stage.proxy);
}

#[test]
fn exchanges_in_flight_are_finished() {
    let mut stage = Stage::http(1);
    let (first, second) = (stage.ask(GET), stage.ask(GET));
    let links = stage.backend_conns();
    stage.send(links[0].0, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    stage.stop();
    assert!(!stage.proxy.is_idle());
    stage.send(links[0].0, "cd");
    assert!(stage.heard(first).ends_with("abcd"));
    stage.send(links[1].0, OK);
    let heard = stage.heard(second);
    assert!(
        heard.contains("Connection: close\r\n") && heard.ends_with("ok"),
        "{heard}"
    );
    assert_eq!(stage.fate(second), End::Finished);
    stage.end(second);
    // Its response, which began before the stop, did not say that it is the last.
    assert!(!stage.is_closed(first));
    stage.pass(Duration::from_millis(600));
    assert!(stage.is_closed(first) && stage.proxy.is_idle());
    invariants::check_empty(&stage.proxy);
}

#[test]
fn a_request_that_is_arriving_is_still_served() {
    let mut stage = Stage::http(1);
    let (start, rest) = GET.split_at(9);
    let client = stage.ask(start);
    stage.stop();
    stage.send(client, rest);
    stage.send(stage.link(), OK);
    assert!(stage.heard(client).ends_with("ok"));
    assert_eq!(stage.fate(client), End::Finished);
    stage.end(client);
    invariants::check_empty(&stage.proxy);
}

#[test]
fn exchanges_over_the_shutdown_timeout_are_abandoned() {
    let mut stage = Stage::http(1);
    let (waiting, reading) = (stage.ask(GET), stage.ask(GET));
    let links = stage.backend_conns();
    stage.send(links[1].0, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    let uploading = stage.ask(POST.strip_suffix("llo").unwrap());
    stage.stop();
    stage.proxy.abandon(stage.now);
    stage.world.borrow_mut().take_all();
    invariants::check_empty(&stage.proxy);
    for client in [waiting, uploading] {
        assert_eq!(
            status(&stage.heard(client)),
            "HTTP/1.1 503 Service Unavailable"
        );
    }
    assert!(stage.heard(reading).ends_with("ab"));
    let log = stage.log();
    assert_eq!(log.matches("reason=shutting_down").count(), 3);
}

#[test]
fn tunnels_are_abandoned_by_a_reset() {
    let mut stage = Stage::tcp(1);
    let client = stage.ask("hello");
    stage.send(stage.link(), "hi");
    stage.stop();
    assert!(!stage.is_closed(client));
    stage.proxy.abandon(stage.now);
    assert_eq!(stage.fate(client), End::Reset);
    assert_eq!(stage.fate(stage.link()), End::Reset);
    invariants::check_empty(&stage.proxy);
}

#[test]
fn a_connection_that_cannot_be_watched_is_closed() {
    let mut stage = Stage::http(1);
    stage.world.borrow_mut().full = true;
    let client = stage.arrive();
    assert!(stage.is_closed(client));
    stage.world.borrow_mut().full = false;
    let client = stage.client();
    stage.world.borrow_mut().full = true;
    stage.send(client, GET);
    assert_eq!(
        status(&stage.heard(client)),
        "HTTP/1.1 503 Service Unavailable"
    );
}
