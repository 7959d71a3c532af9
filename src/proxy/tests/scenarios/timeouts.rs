//! Waits, their timeouts, and the consequences.

use super::*;
use crate::config::Mode;

#[test]
fn a_head_has_to_arrive_in_time_however_it_drips() {
    let mut stage = Stage::http(1);
    let client = stage.client();
    for byte in GET.bytes().take(4) {
        assert_eq!(stage.heard(client), "");
        stage.send(client, [byte]);
        stage.seconds(3);
    }
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
    assert_eq!(stage.reason(), "head_timeout");
}

#[test]
fn silent_client_is_closed_without_a_response() {
    let (mut stage, client, _) = warmed_up(Stage::http(1));
    stage.seconds(59);
    assert!(!stage.is_closed(client));
    stage.seconds(1);
    assert!(stage.is_closed(client));
    assert_eq!(stage.heard(client), "");
    assert_eq!(stage.log(), "", "and without a record");
}

#[test]
fn a_body_that_stops_coming_ends_the_exchange() {
    let mut stage = Stage::http(1);
    let client = stage.ask(POST.strip_suffix("llo").unwrap());
    stage.seconds(20);
    stage.send(client, "l");
    stage.seconds(20);
    assert_eq!(stage.heard(client), "");
    stage.seconds(10);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 408 Request Timeout");
    assert!(stage.is_closed(stage.link()));
    assert_eq!(stage.reason(), "client_timeout");
}

#[test]
fn silent_backend_times_out() {
    let mut stage = Stage::http(2);
    let client = stage.ask(GET);
    stage.seconds(59);
    assert_eq!(stage.heard(client), "");
    stage.seconds(1);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 504 Gateway Timeout");
    assert_eq!(
        stage.backend_conns().len(),
        1,
        "it may be at work: nobody else is asked"
    );
    assert!(!stage.is_closed(client));
    assert_eq!(stage.reason(), "backend_timeout");
}

#[test]
fn backend_that_stops_sending_is_cut_off() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.send(
        stage.link(),
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    );
    stage.seconds(40);
    stage.send(stage.link(), "d");
    stage.seconds(40);
    assert!(!stage.is_closed(client));
    stage.seconds(20);
    assert!(stage.is_closed(client));
    assert_eq!(stage.reason(), "backend_timeout");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.stall(client, 20);
    stage.send(stage.link(), OK);
    assert!(
        !stage.is_closed(stage.link()),
        "the backend is free meanwhile"
    );
    stage.seconds(60);
    assert!(stage.is_closed(client));
    assert_eq!(stage.reason(), "client_timeout");
}

#[test]
fn a_connection_that_is_not_established_is_tried_elsewhere() {
    let mut stage = Stage::http(2);
    stage.dial(0, Dial::Later);
    let client = stage.ask(POST);
    let first = stage.link();
    stage.seconds(3);
    assert!(stage.is_closed(first));
    assert_eq!(stage.heard(stage.link()), POST);
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), OK);
}

#[test]
fn connections_that_are_never_established_end_in_504() {
    let mut stage = Stage::http(2);
    stage.dial(0, Dial::Later);
    stage.dial(1, Dial::Later);
    let client = stage.ask(GET);
    stage.seconds(3);
    stage.seconds(3);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 504 Gateway Timeout");
    assert_eq!(stage.reason(), "connect_timeout");
}

#[test]
fn idle_links_are_closed_after_a_while() {
    let (mut stage, _, link) = warmed_up(Stage::http(1));
    stage.seconds(29);
    assert!(!stage.is_closed(link));
    stage.seconds(1);
    assert!(stage.is_closed(link));
}

#[test]
fn lingering_client_is_closed_after_5_s_of_silence() {
    let mut stage = Stage::http(1);
    let client = stage.ask("nonsense\r\n\r\n");
    stage.seconds(4);
    stage.send(client, "more of it");
    stage.seconds(4);
    assert!(!stage.is_closed(client));
    stage.seconds(1);
    assert!(stage.is_closed(client));
}

#[test]
fn a_silent_tunnel_is_closed() {
    let mut stage = Stage::tcp(1);
    let client = stage.ask("hello");
    stage.seconds(3599);
    stage.send(stage.link(), "hi");
    stage.seconds(3599);
    assert!(!stage.is_closed(client));
    stage.seconds(1);
    assert!(stage.is_closed(client));
    assert!(stage.is_closed(stage.link()));
}

#[test]
fn each_timeout_is_the_one_that_was_set() {
    let mut setup = Setup::new(Mode::Http, 1);
    setup.timeouts.first_byte = std::time::Duration::from_secs(7);
    let mut stage = setup.raise();
    let client = stage.ask(GET);
    stage.seconds(7);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 504 Gateway Timeout");
}

#[test]
fn a_client_cannot_make_a_silent_backend_be_waited_for_longer() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    for _ in 0..5 {
        stage.seconds(11);
        stage.send(client, "G");
    }
    stage.seconds(6);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 504 Gateway Timeout");
}

#[test]
fn a_body_that_never_stops_moving_is_not_timed_out() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let link = stage.link();
    let body = vec![b'x'; 12 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stage.world.borrow_mut().wire_mut(client).room = 16 << 20;
    stage.send(link, &head);
    stage.world.borrow_mut().wire_mut(link).deliver(&body);
    for _ in 0..9 {
        let events = stage.world.borrow_mut().poll();
        stage.turn(events);
        stage.now = stage.now + std::time::Duration::from_secs(11);
    }
    stage.run();
    assert_eq!(stage.heard(client).len(), head.len() + body.len());
}

#[test]
fn connections_that_come_and_go_do_not_fill_the_wheel() {
    let (mut stage, client, link) = warmed_up(Stage::http(1));
    for _ in 0..300 {
        let client = stage.ask(GET);
        // A backend that closes after each response, so that links come and go as well.
        let link = stage.backend_conns().last().expect("a link").0;
        stage.send_and_end(link, OK);
        assert_eq!(stage.heard(client), OK);
        stage.end(client);
        stage.pass(std::time::Duration::from_millis(100));
    }
    assert!(stage.is_closed(link) && !stage.is_closed(client));
    // Two clients at once and two links, each waiting to be idle for too long and before that for
    // something that comes sooner.
    let armed = stage.proxy.traffic.timers.len();
    assert!(armed <= 8, "{armed} entries");
}

#[test]
fn reused_slot_has_a_deadline_of_its_own() {
    let (mut stage, first, _) = warmed_up(Stage::http(1));
    stage.seconds(30);
    stage.end(first);
    assert!(stage.is_closed(first));
    let second = stage.client();
    stage.seconds(59);
    assert!(
        !stage.is_closed(second),
        "the time of the first is no matter"
    );
    stage.seconds(1);
    assert!(stage.is_closed(second));
    // What the second left is over when the third comes.
    stage.seconds(100);
    let third = stage.client();
    stage.seconds(30);
    stage.send(third, "G");
    stage.seconds(9);
    assert_eq!(stage.heard(third), "");
    stage.seconds(1);
    assert_eq!(status(&stage.heard(third)), "HTTP/1.1 408 Request Timeout");
}
