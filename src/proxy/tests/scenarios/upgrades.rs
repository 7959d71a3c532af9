//! Connections that become another protocol after 101.

use super::*;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\n\r\n";

#[test]
fn after_101_bytes_go_both_ways() {
    let mut stage = Stage::http(1);
    let client = stage.ask(UPGRADE);
    let link = stage.link();
    assert_eq!(stage.heard(link), UPGRADE);
    stage.send(link, SWITCHING);
    assert_eq!(stage.heard(client), SWITCHING);
    stage.send(client, "\u{1}frame");
    assert_eq!(stage.heard(link), "\u{1}frame");
    stage.send_and_end(link, "\u{2}answer");
    assert_eq!(stage.heard(client), "\u{2}answer");
    assert_eq!(stage.fate(client), End::Finished);
    stage.send_and_end(client, "bye");
    assert_eq!(stage.heard(link), "bye");
    assert!(stage.is_closed(client) && stage.is_closed(link));
    assert!(stage.log().contains("status=101"));
}

#[test]
fn bytes_in_the_same_packet_are_not_lost() {
    let mut stage = Stage::http(1);
    let client = stage.ask([UPGRADE, "early frame"].concat());
    let link = stage.link();
    assert_eq!(stage.heard(link), UPGRADE, "not before the backend agrees");
    stage.send(link, [SWITCHING, "first frame"].concat());
    assert_eq!(stage.heard(client), [SWITCHING, "first frame"].concat());
    assert_eq!(stage.heard(link), "early frame");
}

#[test]
fn declined_upgrade_stays_http() {
    let mut stage = Stage::http(1);
    let client = stage.ask([UPGRADE, GET].concat());
    let link = stage.link();
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
    assert_eq!(stage.heard(link), [UPGRADE, GET].concat());
}

#[test]
fn upgrade_without_a_request_is_not_relayed() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.send(stage.link(), SWITCHING);
    assert_eq!(status(&stage.heard(client)), "HTTP/1.1 502 Bad Gateway");
}

#[test]
fn a_tunnel_after_101_that_breaks_is_reset() {
    let mut stage = Stage::http(1);
    let client = stage.ask(UPGRADE);
    stage.send(stage.link(), SWITCHING);
    stage.reset(stage.link());
    assert_eq!(stage.fate(client), End::Reset);
}
