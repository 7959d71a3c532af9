//! Connections in TCP mode.

use super::*;

#[test]
fn bytes_go_both_ways_and_either_side_may_speak_first() {
    let mut stage = Stage::tcp(1);
    let client = stage.client();
    let link = stage.link();
    stage.send(link, "220 ready\r\n");
    assert_eq!(stage.heard(client), "220 ready\r\n");
    stage.send(client, "HELO\r\n");
    assert_eq!(stage.heard(link), "HELO\r\n");
}

#[test]
fn one_side_may_end_and_the_other_go_on() {
    for client_first in [true, false] {
        let mut stage = Stage::tcp(1);
        let client = stage.client();
        let link = stage.link();
        let (first, second) = if client_first {
            (client, link)
        } else {
            (link, client)
        };
        stage.send_and_end(first, "that is all");
        assert_eq!(stage.heard(second), "that is all");
        assert_eq!(stage.fate(second), End::Finished);
        assert_eq!(stage.fate(first), End::Open);
        stage.send(second, "but ");
        stage.send_and_end(second, "wait");
        assert_eq!(stage.heard(first), "but wait");
        assert_eq!(stage.fate(first), End::Finished);
        assert!(stage.is_closed(first) && stage.is_closed(second));
        assert_eq!(stage.reason(), "ok");
    }
}

#[test]
fn a_client_that_ends_while_the_connection_opens_is_heard_out() {
    let mut stage = Stage::tcp(1);
    stage.dial(0, Dial::Later);
    let client = stage.client();
    stage.send_and_end(client, "quick");
    let link = stage.link();
    stage.establish(link);
    assert_eq!(stage.heard(link), "quick");
    assert_eq!(stage.fate(link), End::Finished);
    stage.send_and_end(link, "done");
    assert_eq!(stage.heard(client), "done");
    assert_eq!(stage.fate(client), End::Finished);
}

#[test]
fn a_break_is_not_taken_for_an_end() {
    for client_breaks in [true, false] {
        let mut stage = Stage::tcp(1);
        let client = stage.ask("hello");
        let link = stage.link();
        stage.send(link, "hi");
        let (breaks, other) = if client_breaks {
            (client, link)
        } else {
            (link, client)
        };
        stage.reset(breaks);
        assert_eq!(stage.fate(other), End::Reset);
        assert!(stage.is_closed(breaks));
        let reason = if client_breaks {
            "client_gone"
        } else {
            "backend_gone"
        };
        assert_eq!(stage.reason(), reason);
    }
}

#[test]
fn client_is_closed_when_no_backend_can_be_reached() {
    let mut stage = Stage::tcp(2);
    stage.dial(0, Dial::Refused);
    stage.dial(1, Dial::Refused);
    let client = stage.client();
    assert!(stage.is_closed(client));
    assert_eq!(stage.reason(), "connect_failed");
}

#[test]
fn bulk_goes_through_pipes_that_are_given_back() {
    let mut stage = Stage::tcp(1);
    stage.world.borrow_mut().pipes = true;
    let client = stage.client();
    let link = stage.link();
    let bulk: Vec<u8> = (0..600_000u32).map(|i| (i % 251) as u8).collect();
    stage.stall(link, 50_000);
    stage.send(client, &bulk);
    assert_eq!(stage.proxy.traffic.io.pipes.lent(), 1, "bytes wait in it");
    stage.end(client);
    stage.resume(link);
    assert!(stage.heard_bytes(link) == bulk);
    assert_eq!(stage.fate(link), End::Finished);
    assert_eq!(
        stage.proxy.traffic.io.pipes.lent(),
        0,
        "a tunnel at rest holds none"
    );
}

#[test]
fn the_response_time_runs_from_the_first_byte_to_the_first_that_follows() {
    let mut stage = Stage::tcp(1);
    let client = stage.client();
    stage.seconds(5);
    stage.send(client, "ping");
    stage.pass(std::time::Duration::from_millis(30));
    stage.send(stage.link(), "pong");
    stage.end(stage.link());
    stage.end(client);
    assert!(stage.log().contains("first_byte_ms=30.000"));
}
