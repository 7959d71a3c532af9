//! What one connection may do in a turn, and in which order connections have their turns.

use super::super::super::Progress;
use super::*;
use std::time::Duration;

const UPLOADS: usize = 8;
/// More than a connection may move in a turn, whatever its framing.
const FLOOD_BYTES: usize = 2 << 20;
const CHUNKED_HEAD: &str = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const LENGTH_HEAD: &str = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n";

/// Each way to send a body, and the bytes of it that may be read at once: framing is dearer.
fn kinds() -> [(&'static str, String, usize); 4] {
    let extensions = format!("1;{}\r\nx\r\n", "e".repeat(4000));
    let large = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    [
        (CHUNKED_HEAD, "1\r\nx\r\n".into(), 72 * 1024),
        (CHUNKED_HEAD, extensions, 72 * 1024),
        (CHUNKED_HEAD, large, 264 * 1024),
        (LENGTH_HEAD, "x".into(), 264 * 1024),
    ]
}

/// Uploads on their way, each with a flood at hand that the server has not been told of.
fn flooded(head: &str, piece: &str) -> (Stage, Vec<WireId>) {
    let mut stage = Stage::http(1);
    stage.world.borrow_mut().pipes = true;
    let clients: Vec<_> = (0..UPLOADS).map(|_| stage.ask(head)).collect();
    let flood = piece.repeat(FLOOD_BYTES.div_ceil(piece.len()));
    for client in &clients {
        let mut world = stage.world.borrow_mut();
        world.wire_mut(*client).deliver(flood.as_bytes());
    }
    (stage, clients)
}

fn unread(stage: &Stage, clients: &[WireId]) -> Vec<usize> {
    let world = stage.world.borrow();
    let wires = clients.iter().map(|id| world.wire(*id));
    wires.map(|wire| wire.unread()).collect()
}

#[test]
fn an_upload_has_a_bounded_part_in_a_turn_whatever_its_framing() {
    for (head, piece, most) in kinds() {
        let (mut stage, clients) = flooded(head, &piece);
        let events = stage.world.borrow_mut().poll();
        let before = unread(&stage, &clients);
        for (token, ready) in &events {
            stage.proxy.ready(*token, *ready, stage.now);
            // An event is no second turn.
            stage.proxy.ready(*token, *ready, stage.now);
        }
        let after = unread(&stage, &clients);
        for (before, after) in before.iter().zip(&after) {
            let moved = before - after;
            assert!((1..=most).contains(&moved), "{moved} of {:.20}", piece);
        }
        assert_eq!(stage.proxy.runnable(), UPLOADS, "{:.20}", piece);
        stage.run();
        assert_eq!(unread(&stage, &clients), [0; UPLOADS]);
    }
}

#[test]
fn what_yielded_goes_on_in_turn() {
    for (head, piece, most) in kinds() {
        let (mut stage, clients) = flooded(head, &piece);
        let events = stage.world.borrow_mut().poll();
        for (token, ready) in events {
            stage.proxy.ready(token, ready, stage.now);
        }
        for _ in 0..3 * UPLOADS {
            assert!(stage.proxy.resume_yielded(stage.now));
            stage.world.borrow_mut().take_all();
        }
        let left = unread(&stage, &clients);
        let (least, largest) = (left.iter().min().unwrap(), left.iter().max().unwrap());
        assert!(largest - least <= most, "{left:?} of {:.20}", piece);
    }
}

#[test]
fn a_newcomer_comes_before_those_that_go_on() {
    let (head, piece, _) = &kinds()[0];
    let (mut stage, clients) = flooded(head, piece);
    let events = stage.world.borrow_mut().poll();
    for (token, ready) in events {
        stage.proxy.ready(token, ready, stage.now);
    }
    let newcomer = stage.arrive();
    stage
        .world
        .borrow_mut()
        .wire_mut(newcomer)
        .deliver(GET.as_bytes());
    let events = stage.world.borrow_mut().poll();
    for (token, ready) in events {
        stage.proxy.ready_later(token, ready, stage.now);
    }
    let before = unread(&stage, &clients);
    // Only noted so far; then it is all there is of newcomers.
    assert_eq!(unread(&stage, &[newcomer]), [GET.len()]);
    while stage.proxy.resume_new(stage.now) {}
    assert_eq!(unread(&stage, &[newcomer]), [0]);
    assert_eq!(unread(&stage, &clients), before);
    stage.world.borrow_mut().take_all();
    assert_eq!(stage.heard(stage.link()), GET);
}

#[test]
fn events_noted_for_later_lose_nothing() {
    let mut stage = Stage::http(1);
    stage.dial(0, Dial::Later);
    let client = stage.arrive();
    let later = |stage: &mut Stage| {
        let events = stage.world.borrow_mut().poll();
        for (token, ready) in events {
            stage.proxy.ready_later(token, ready, stage.now);
            stage.proxy.ready_later(token, ready, stage.now);
        }
        assert!(stage.proxy.runnable() <= 1, "once, however many events");
        stage.proxy.finish_turn(stage.now);
        stage.world.borrow_mut().take_all();
    };
    stage
        .world
        .borrow_mut()
        .wire_mut(client)
        .deliver(GET.as_bytes());
    later(&mut stage);
    let link = stage.link();
    stage.world.borrow_mut().wire_mut(link).establish();
    later(&mut stage);
    assert_eq!(stage.heard(link), GET);
    stage
        .world
        .borrow_mut()
        .wire_mut(link)
        .deliver(OK.as_bytes());
    later(&mut stage);
    assert_eq!(stage.heard(client), OK);
    // The end of a kept connection is known at once, not in its turn.
    stage.world.borrow_mut().wire_mut(link).end();
    let events = stage.world.borrow_mut().poll();
    for (token, ready) in events {
        stage.proxy.ready_later(token, ready, stage.now);
    }
    stage.send(client, GET);
    assert_eq!(stage.backend_conns().len(), 2);
}

#[test]
fn deadlines_and_closes_of_many_are_dealt_with_in_steps() {
    let mut stage = Stage::http(1);
    let clients: Vec<_> = (0..100).map(|_| stage.ask("GET /a")).collect();
    stage.now = stage.now + Duration::from_secs(60);
    let mut steps = 0;
    while stage.proxy.expire_deadlines(stage.now) == Progress::More {
        steps += 1;
        let log = stage.log();
        assert!(log.lines().count() <= 16, "{log}");
    }
    assert!(steps >= 5, "{steps}");
    for client in &clients {
        stage.world.borrow_mut().wire_mut(*client).reset(false);
    }
    let events = stage.world.borrow_mut().poll();
    for (token, ready) in events {
        stage.proxy.ready(token, ready, stage.now);
    }
    let mut open = stage.proxy.open_clients();
    while stage.proxy.close_some() == Progress::More {
        assert!(open - stage.proxy.open_clients() <= 16);
        open = stage.proxy.open_clients();
    }
    assert_eq!(stage.proxy.open_clients(), 0);
}

#[test]
fn exchanges_of_a_silent_backend_go_to_others_in_their_turns() {
    let mut stage = Stage::http(2);
    let clients: Vec<_> = (0..40).map(|_| stage.ask(GET)).collect();
    let backends = &stage.proxy.traffic.pools.first().backends;
    let first = backends.candidates()[0].id;
    let pool = crate::pool::PoolId::FIRST;
    let before = stage.backend_conns().len();
    stage
        .proxy
        .traffic
        .redispatch_waiting(pool, first, stage.now);
    assert_eq!(stage.backend_conns().len(), before, "none at once");
    assert!(stage.proxy.runnable() > 0);
    stage.run();
    let after = stage.backend_conns();
    assert!(after.len() > before, "{clients:?}");
    assert!(after[before..].iter().all(|(_, number)| *number == 1));
}
