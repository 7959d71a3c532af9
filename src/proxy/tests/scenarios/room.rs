//! Room for newcomers at the limit of connections.

use super::*;
use crate::config::Mode;
use std::time::Duration;

impl Stage {
    /// A newcomer finds no room. Returns whether a connection makes some.
    fn make_room(&mut self) -> bool {
        let has_room = self.proxy.make_room(self.now);
        self.run();
        has_room
    }
}

const PARTIAL: &str = "GET /a HTTP/1.1\r\nHost:";

#[test]
fn idle_connections_make_room_and_then_old_partial_heads() {
    let mut stage = Stage::http(1);
    let busy = stage.ask(GET);
    let link = stage.link();
    let old = stage.ask(PARTIAL);
    stage.pass(Duration::from_millis(1_000));
    let young = stage.ask(PARTIAL);
    let idle = stage.arrive();
    stage.pass(Duration::from_millis(990));
    assert!(stage.make_room());
    assert!(stage.is_closed(idle) && !stage.is_closed(old));
    // Bytes that drip in do not make a head younger.
    stage.send(old, "x");
    assert!(!stage.make_room(), "the oldest head is 1.99 s old");
    stage.pass(Duration::from_millis(60));
    assert!(stage.make_room());
    let status_line = "HTTP/1.1 408 Request Timeout";
    assert_eq!(status(&stage.heard(old)), status_line);
    assert_eq!(stage.reason(), "head_timeout");
    // It lingers, so that the response arrives, as long as the next newcomer does not want its place.
    assert!(stage.make_room() && stage.is_closed(old));
    stage.pass(Duration::from_millis(60));
    assert!(!stage.make_room(), "the other head is 1.1 s old");
    stage.send(young, " x\r\n\r\n");
    stage.send(link, OK);
    assert_eq!(stage.heard(busy), OK);
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(young), OK);
}

#[test]
fn a_proxy_header_that_does_not_come_makes_room() {
    let mut setup = Setup::new(Mode::Http, 1);
    setup.accepts_proxy = true;
    let mut stage = setup.raise();
    let [silent, partial] = ["", "PROXY TCP4 1"].map(|sent| stage.ask(sent));
    stage.pass(Duration::from_millis(1_900));
    assert!(!stage.make_room());
    stage.pass(Duration::from_millis(100));
    for client in [silent, partial] {
        while !stage.is_closed(client) {
            assert!(stage.make_room());
        }
    }
    assert!(!stage.make_room());
}

#[test]
fn a_head_that_is_complete_makes_no_room() {
    let mut stage = Stage::http(1);
    let client = stage.ask(PARTIAL);
    stage.seconds(3);
    // Arrived, and not read yet.
    let mut world = stage.world.borrow_mut();
    world.wire_mut(client).deliver(b" x\r\n\r\n");
    let events = world.poll();
    drop(world);
    for (token, ready) in events {
        stage.proxy.ready_later(token, ready, stage.now);
    }
    assert!(!stage.proxy.make_room(stage.now));
    stage.run();
    stage.send(stage.link(), OK);
    assert_eq!(stage.heard(client), OK);
}
