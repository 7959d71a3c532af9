//! Bugs of the past, each stated as the right behaviour.

use super::scenarios::{GET, GET_10, OK, status};
use super::stage::Stage;
use super::wire::End;
use super::world::{Dial, WireId};

/// The events of the peers' doings come to the server in the order in which these are named.
fn turn_with(stage: &mut Stage, order: [WireId; 2]) {
    let mut events = stage.world.borrow_mut().poll();
    assert_eq!(events.len(), 2);
    if order[0] > order[1] {
        events.reverse();
    }
    stage.turn(events);
}

#[test]
fn slow_client_gets_interim_and_final_response_that_came_together() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n";
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.stall(client, 10);
    stage.send(stage.link(), [HINTS, OK].concat());
    stage.resume(client);
    assert_eq!(stage.heard(client), [HINTS, OK].concat());
}

#[test]
fn client_that_half_closes_after_a_pipelined_request_gets_its_responses() {
    let mut stage = Stage::http(1);
    let client = stage.ask([GET, GET].concat());
    let link = stage.link();
    stage
        .world
        .borrow_mut()
        .wire_mut(link)
        .deliver(OK.as_bytes());
    stage.world.borrow_mut().wire_mut(client).end();
    turn_with(&mut stage, [link, client]);
    stage.run();
    stage.send(link, OK);
    assert_eq!(stage.heard(client), [OK, OK].concat());
}

#[test]
fn an_event_for_bytes_that_were_read_already_does_not_close_an_idle_link() {
    let (head, body) = OK.split_at(OK.len() - 2);
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let link = stage.link();
    stage
        .world
        .borrow_mut()
        .wire_mut(link)
        .deliver(head.as_bytes());
    let events = stage.world.borrow_mut().poll();
    stage
        .world
        .borrow_mut()
        .wire_mut(link)
        .deliver(body.as_bytes());
    stage.turn(events);
    stage.run();
    assert_eq!(stage.heard(client), OK);
    assert!(!stage.is_closed(link));
}

#[test]
fn an_event_that_another_one_overtook_does_not_close_an_idle_link() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let link = stage.link();
    stage.stall(client, 10_000);
    let (first, rest) = (vec![b'x'; 40_000], vec![b'y'; 20_000]);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n";
    stage.send(link, [head.as_bytes(), &first].concat());
    stage.world.borrow_mut().wire_mut(link).deliver(&rest);
    stage.world.borrow_mut().wire_mut(client).room = 100_000;
    stage.world.borrow_mut().wire_mut(client).take(usize::MAX);
    turn_with(&mut stage, [client, link]);
    stage.resume(client);
    assert_eq!(stage.heard(client).len(), head.len() + 60_000);
    assert!(!stage.is_closed(link));
}

#[test]
fn bytes_left_by_a_failed_write_go_to_the_next_backend() {
    let mut stage = Stage::tcp(2);
    stage.dial(0, Dial::Later);
    let client = stage.client();
    let link = stage.link();
    stage.world.borrow_mut().wire_mut(client).deliver(b"hello");
    stage.world.borrow_mut().wire_mut(link).refuse();
    turn_with(&mut stage, [client, link]);
    stage.run();
    assert_eq!(stage.backend_conns().len(), 2);
    assert_eq!(stage.heard(stage.link()), "hello");
}

#[test]
fn the_next_backend_of_a_tunnel_gets_an_end_as_well() {
    let mut stage = Stage::tcp(2);
    let client = stage.client();
    stage.end(client);
    assert_eq!(stage.fate(stage.link()), End::Finished);
    stage.reset(stage.link());
    assert_eq!(stage.backend_conns().len(), 2);
    assert_eq!(stage.fate(stage.link()), End::Finished);
}

#[test]
fn a_flood_in_both_directions_lets_others_have_their_turn() {
    let mut stage = Stage::tcp(1);
    stage.world.borrow_mut().pipes = true;
    let client = stage.ask("hello");
    let link = stage.link();
    let flood = vec![b'x'; 8 << 20];
    for id in [client, link] {
        let mut world = stage.world.borrow_mut();
        world.wire_mut(id).room = 16 << 20;
        world.wire_mut(id).deliver(&flood);
    }
    for _ in 0..3 {
        let events = stage.world.borrow_mut().poll();
        stage.turn(events);
        assert!(stage.proxy.traffic.run_queue.len() <= 1);
    }
    assert!(
        stage.world.borrow().wire(client).unread() > 1 << 20,
        "a turn has its bound"
    );
    stage.run();
    assert_eq!(stage.heard(client).len(), flood.len());
    assert_eq!(stage.heard(link).len(), 5 + flood.len());
}

#[test]
fn large_upload_with_large_response_yields_to_other_connections() {
    let mut stage = Stage::http(1);
    let flood = vec![b'x'; 8 << 20];
    let length = flood.len();
    let client = stage.ask(format!(
        "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    ));
    let link = stage.link();
    stage.send(
        link,
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
    );
    for id in [client, link] {
        let mut world = stage.world.borrow_mut();
        world.wire_mut(id).room = 16 << 20;
        world.wire_mut(id).deliver(&flood);
    }
    for _ in 0..3 {
        let events = stage.world.borrow_mut().poll();
        stage.turn(events);
        assert!(stage.proxy.traffic.run_queue.len() <= 1);
    }
    assert!(stage.world.borrow().wire(client).unread() > 1 << 20);
    stage.run();
    assert!(stage.heard(client).len() > length);
}

#[test]
fn pipelined_requests_do_not_destroy_the_last_response() {
    let mut stage = Stage::http(1);
    let last = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let client = stage.ask(last);
    stage.send(client, GET);
    stage.stall(client, 1000);
    stage.send(stage.link(), OK);
    assert_eq!(stage.fate(client), End::Open, "it has not read all yet");
    stage.resume(client);
    assert!(stage.heard(client).ends_with("ok"));
    assert_eq!(stage.fate(client), End::Finished);
}

#[test]
fn request_to_a_stopping_proxy_does_not_destroy_the_response() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let (head, body) = OK.split_at(OK.len() - 2);
    stage.send(stage.link(), head);
    stage.stop();
    stage.send(client, GET);
    stage.stall(client, 1000);
    stage.send(stage.link(), body);
    stage.resume(client);
    assert_eq!(stage.heard(client), OK);
    // The response did not say that it is the last.
    stage.send(stage.link(), OK);
    let heard = stage.heard(client);
    assert!(heard.contains("Connection: close\r\n"), "{heard}");
    assert_eq!(stage.fate(client), End::Finished);
}

#[test]
fn a_client_that_has_ended_does_not_linger() {
    let mut stage = Stage::http(1);
    let client = stage.client();
    stage.send_and_end(client, "GET /a HTT");
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 400 Bad Request");
    assert!(stage.is_closed(client));
}

#[test]
fn flood_of_interim_responses_yields_to_other_connections() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET_10);
    let link = stage.link();
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    stage
        .world
        .borrow_mut()
        .wire_mut(link)
        .deliver(flood.as_bytes());
    let events = stage.world.borrow_mut().poll();
    stage.turn(events);
    assert_eq!(
        stage.proxy.traffic.run_queue.len(),
        1,
        "not all in one turn"
    );
    stage.run();
    stage.send(link, OK);
    assert!(stage.heard(client).ends_with("ok"));
}

#[test]
fn unread_interim_response_times_out() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.stall(client, 10);
    stage.send(stage.link(), "HTTP/1.1 103 Early Hints\r\n\r\n");
    stage.seconds(30);
    assert!(stage.is_closed(stage.link()));
    stage.seconds(30);
    assert!(stage.is_closed(client));
}

#[test]
fn an_error_that_a_write_has_met_is_not_read_as_an_end() {
    let mut stage = Stage::http(1);
    let client = stage.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    let link = stage.link();
    stage.send(link, "HTTP/1.1 200 OK\r\n\r\npart of it");
    stage.world.borrow_mut().wire_mut(client).deliver(b"def");
    stage.world.borrow_mut().wire_mut(link).reset(false);
    turn_with(&mut stage, [client, link]);
    stage.run();
    let heard = stage.heard(client);
    assert!(heard.ends_with("part of it"), "{heard}");
    assert!(stage.is_closed(client));
}

#[test]
fn client_connection_is_read_after_the_last_response() {
    let mut stage = Stage::http(1);
    let keep_alive = "GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    let client = stage.ask(keep_alive);
    stage.stall(client, 1000);
    stage.send_and_end(stage.link(), "HTTP/1.1 200 OK\r\n\r\nall of it");
    stage.send(client, keep_alive);
    stage.resume(client);
    assert!(stage.heard(client).ends_with("all of it"));
    assert_eq!(stage.fate(client), End::Finished);
}

#[test]
fn queued_request_is_dispatched_when_a_timeout_frees_a_place() {
    let mut stage = Stage::http(1);
    stage.limit_backends(1);
    let _silent = stage.ask(GET);
    stage.seconds(55);
    let waiting = stage.ask(GET);
    assert_eq!(stage.backend_conns().len(), 1);
    stage.now = stage.now + std::time::Duration::from_secs(5);
    stage.turn(Vec::new());
    assert_eq!(stage.backend_conns().len(), 2, "in the same turn");
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(waiting), OK);
}
