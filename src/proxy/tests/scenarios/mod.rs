//! Whole sessions in a few lines each: actions of one peer, and what the others see of them.

mod announced;
mod bodies;
mod caught;
mod evidence;
mod health;
mod heartbeats;
mod held;
mod interim;
mod keep_alive;
mod pings;
mod pressure;
mod renewals;
mod responses;
mod retries;
mod room;
mod sticky;
mod stopping;
mod timeouts;
mod tolerance;
mod tunnels;
mod turns;
mod upgrades;

use super::setup::Setup;
use super::stage::Stage;
use super::wire::End;
use super::world::{Dial, WireId};

pub(super) const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
pub(super) const GET_10: &str = "GET /a HTTP/1.0\r\nHost: x\r\n\r\n";
pub(super) const POST: &str = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A stage on which a client has sent a request and a link is kept from it.
pub(super) fn warmed_up(mut stage: Stage) -> (Stage, WireId, WireId) {
    let client = stage.ask(GET);
    let link = stage.link();
    assert_eq!(stage.heard(link), GET);
    stage.send(link, OK);
    assert_eq!(stage.heard(client), OK);
    stage.log();
    (stage, client, link)
}

/// The status line of what a peer was sent.
pub(super) fn status(heard: &str) -> &str {
    heard.split("\r\n").next().unwrap_or_default()
}
