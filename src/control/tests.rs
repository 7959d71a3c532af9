//! The admin interface on scripted sockets, with a clock moved by hand.

use super::conns::{AdminConnId, AdminConns, Feed, MAX_CONNS};
use super::journal::{Journal, KEPT};
use super::response::Response;
use crate::config::Tokens;
use crate::time::Timestamp;
use crate::transport::{Readiness, Transport};
use serde_json::json;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

/// One end of a connection: what is to be read, and what was written.
#[derive(Debug, Default)]
struct Script {
    input: VecDeque<u8>,
    has_ended: bool,
    written: Vec<u8>,
    /// Bytes that are taken before writing would block.
    room: usize,
}

#[derive(Clone, Debug, Default)]
struct Scripted(Rc<RefCell<Script>>);

impl Transport for Scripted {
    type Pipe = ();

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        if script.input.is_empty() {
            return match script.has_ended {
                true => Ok(0),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let count = into.len().min(script.input.len());
        for (to, from) in into.iter_mut().zip(script.input.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let count = all.len().min(script.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        script.room -= count;
        script.written.extend_from_slice(&all[..count]);
        Ok(count)
    }

    fn send_last(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(parts)
    }

    fn fill(&mut self, (): &mut (), _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn drain(&mut self, (): &mut (), _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&mut self) {}

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn local_address(&self) -> Option<std::net::SocketAddr> {
        None
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

const READABLE: Readiness = Readiness {
    readable: true,
    writable: false,
    read_closed: false,
    broken: false,
};
const WRITABLE: Readiness = Readiness {
    readable: false,
    writable: true,
    read_closed: false,
    broken: false,
};

struct Stage {
    conns: AdminConns<Scripted>,
    scratch: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        Self {
            conns: AdminConns::new(),
            scratch: vec![0; 64],
        }
    }

    fn connect(&mut self, room: usize, now: Timestamp) -> (AdminConnId, Scripted) {
        let id = self.conns.make_room(now).expect("room");
        let peer = Scripted::default();
        peer.0.borrow_mut().room = room;
        self.conns.accepted(id, peer.clone(), now);
        (id, peer)
    }

    /// Sends bytes, and returns the paths of the requests that were read.
    fn send(
        &mut self,
        (id, peer): &(AdminConnId, Scripted),
        bytes: &[u8],
        now: Timestamp,
    ) -> usize {
        peer.0.borrow_mut().input.extend(bytes);
        self.conns.ready(*id, READABLE, now);
        self.requests(now)
    }

    /// Answers the requests that can be read. Returns how many.
    fn requests(&mut self, now: Timestamp) -> usize {
        let mut count = 0;
        for _ in 0..1_000 {
            if !self.conns.has_unread() {
                return count;
            }
            if let Some((id, request)) = self.conns.next_request(&mut self.scratch, now) {
                count += 1;
                let body = json!({ "path": request.path });
                self.conns.respond(id, &Response::json(200, &body), now);
            }
        }
        panic!("it finds no rest");
    }
}

fn written(peer: &Scripted) -> String {
    String::from_utf8(std::mem::take(&mut peer.0.borrow_mut().written)).unwrap()
}

const GET: &[u8] = b"GET /v1/pools HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn requests_are_read_however_they_are_cut() {
    let mut stage = Stage::new();
    let conn = stage.connect(usize::MAX, at(0));
    let two = [GET, GET].concat();
    for (nth, byte) in two.iter().enumerate() {
        let expected = usize::from((nth + 1) % GET.len() == 0);
        assert_eq!(stage.send(&conn, &[*byte], at(0)), expected, "{nth}");
    }
    assert_eq!(stage.send(&conn, &two, at(0)), 2, "one after another");
    assert_eq!(written(&conn.1).matches("HTTP/1.1 200 OK").count(), 4);
    assert_eq!(stage.send(&conn, b"nonsense\r\n\r\n", at(0)), 0);
    let refused = written(&conn.1);
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert_eq!(stage.conns.len(), 0, "it is of no further use");
}

#[test]
fn a_request_a_pause_and_a_response_have_limits_of_time() {
    let mut stage = Stage::new();
    let slow = stage.connect(usize::MAX, at(0));
    stage.send(&slow, &GET[..20], at(8));
    stage.conns.expire(at(17));
    assert_eq!(stage.conns.len(), 1, "ten seconds from the first byte");
    stage.send(&slow, &GET[20..30], at(17));
    stage.conns.expire(at(18));
    assert_eq!(stage.conns.len(), 0, "dripping gains no time");

    let deaf = stage.connect(10, at(20));
    assert_eq!(stage.send(&deaf, GET, at(20)), 1);
    assert_eq!(stage.conns.next_wakeup(), at(30));
    deaf.1.0.borrow_mut().room = 10;
    stage.conns.ready(deaf.0, WRITABLE, at(29));
    stage.conns.expire(at(30));
    assert_eq!(stage.conns.len(), 1, "it has taken some");
    stage.conns.expire(at(39));
    assert_eq!(stage.conns.len(), 0);

    let idle = stage.connect(usize::MAX, at(50));
    assert_eq!(stage.send(&idle, GET, at(50)), 1);
    stage.conns.expire(at(109));
    assert_eq!(stage.conns.len(), 1);
    stage.conns.postpone(Duration::from_secs(5));
    stage.conns.expire(at(110));
    assert_eq!(stage.conns.len(), 1, "nothing was read for five seconds");
    stage.conns.expire(at(115));
    assert_eq!(stage.conns.len(), 0);
}

#[test]
fn at_the_limit_the_idlest_makes_room_and_no_other() {
    let mut stage = Stage::new();
    let busy: Vec<_> = (1..MAX_CONNS)
        .map(|_| {
            let conn = stage.connect(usize::MAX, at(0));
            stage.send(&conn, &GET[..5], at(0));
            conn
        })
        .collect();
    let idle = stage.connect(usize::MAX, at(0));
    let newcomer = stage.connect(usize::MAX, at(1));
    assert_eq!(stage.conns.len(), MAX_CONNS);
    assert_eq!(stage.send(&idle, GET, at(1)), 0, "it was closed");
    stage.send(&newcomer, &GET[..5], at(1));
    assert!(stage.conns.make_room(at(0)).is_none(), "all are at work");
    assert_eq!(stage.send(&busy[0], &GET[5..], at(0)), 1);
    // The longest slow one gives way.
    stage.send(&busy[0], &GET[..5], at(1));
    stage.connect(usize::MAX, at(1));
    assert_eq!(stage.send(&busy[1], &GET[5..], at(1)), 0, "it was closed");
    assert_eq!(stage.send(&busy[2], &GET[5..], at(1)), 1);
}

#[test]
fn a_client_that_ends_with_its_request_is_answered_and_closed() {
    for requests in [1, 3] {
        let mut stage = Stage::new();
        let client = stage.connect(usize::MAX, at(0));
        client.1.0.borrow_mut().has_ended = true;
        client.1.0.borrow_mut().input.extend(GET.repeat(requests));
        let with_end = Readiness {
            read_closed: true,
            ..READABLE
        };
        stage.conns.ready(client.0, with_end, at(0));
        assert_eq!(stage.requests(at(0)), requests);
        assert_eq!(stage.conns.len(), 0);
        let written = client.1.0.borrow().written.clone();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written.matches("HTTP/1.1 200").count(), requests);
        assert_eq!(written.matches("Connection: close").count(), 1);
    }
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_and_the_others_are_not() {
    let mut stage = Stage::new();
    let subscribe = |stage: &mut Stage, room| {
        let conn = stage.connect(room, at(0));
        conn.1.0.borrow_mut().input.extend(GET);
        stage.conns.ready(conn.0, READABLE, at(0));
        let (id, _) = stage.conns.next_request(&mut stage.scratch, at(0)).unwrap();
        stage.conns.stream(id, Feed::Events, b": start\n\n", at(0));
        conn
    };
    let reads = subscribe(&mut stage, usize::MAX);
    let stalls = subscribe(&mut stage, 200);
    assert_eq!(stage.conns.subscribers(), 2);
    let event = [b'x'; 1_000];
    for _ in 0..300 {
        stage.conns.publish(&event, at(1));
    }
    assert_eq!(stage.conns.subscribers(), 1);
    assert!(written(&reads.1).len() > 300_000);
    assert!(written(&stalls.1).len() <= 200);
    reads.1.0.borrow_mut().has_ended = true;
    stage.conns.ready(reads.0, READABLE, at(2));
    assert_eq!(stage.requests(at(2)), 0);
    assert_eq!(stage.conns.len(), 0, "it has closed");
}

#[test]
fn figures_go_to_those_who_watch_alone() {
    let mut stage = Stage::new();
    let follow = |stage: &mut Stage, feed, start: &[u8]| {
        let conn = stage.connect(usize::MAX, at(0));
        conn.1.0.borrow_mut().input.extend(GET);
        stage.conns.ready(conn.0, READABLE, at(0));
        let (id, _) = stage.conns.next_request(&mut stage.scratch, at(0)).unwrap();
        stage.conns.stream(id, feed, start, at(0));
        conn
    };
    // It begins with more than may wait later on, as a large pool does.
    let large = vec![b'x'; 600_000];
    let watches = follow(&mut stage, Feed::Live, &large);
    let follows = follow(&mut stage, Feed::Events, b": start\n\n");
    assert_eq!((stage.conns.subscribers(), stage.conns.watchers()), (2, 1));
    stage.conns.publish_figures(b"figures\n\n", at(1));
    stage.conns.publish(b"event\n\n", at(1));
    assert!(written(&watches.1).ends_with("figures\n\nevent\n\n"));
    assert!(written(&follows.1).ends_with(": start\n\nevent\n\n"));
}

#[test]
fn a_file_is_sent_in_parts_as_the_client_takes_them() {
    static FILE: [u8; 50_000] = [b'f'; 50_000];
    let mut stage = Stage::new();
    let conn = stage.connect(1_000, at(0));
    conn.1.0.borrow_mut().input.extend(GET);
    stage.conns.ready(conn.0, READABLE, at(0));
    let (id, _) = stage.conns.next_request(&mut stage.scratch, at(0)).unwrap();
    let file = Response::fixed("text/plain", &FILE);
    stage.conns.respond(id, &file, at(0));
    assert_eq!(conn.1.0.borrow().written.len(), 1_000);
    conn.1.0.borrow_mut().room = usize::MAX;
    stage.conns.ready(conn.0, WRITABLE, at(1));
    let all = written(&conn.1);
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Length: 50000"), "{head}");
    assert_eq!(body.as_bytes(), FILE);
    // The connection carries the next request.
    assert_eq!(stage.send(&conn, GET, at(2)), 1);
}

#[test]
fn tokens_are_read_and_not_shown() {
    let tokens = Tokens::parse(b"# all\nread 0123456789abcdef\n\nfedcba9876543210\n").unwrap();
    assert_eq!(format!("{tokens:?}"), "2 tokens");
    for bad in [
        &b""[..],
        b"# none",
        b"short",
        b"read short",
        b"admin 0123456789abcdef",
        b"\xff",
    ] {
        assert_eq!(Tokens::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn the_journal_keeps_the_last_and_says_when_some_are_gone() {
    let mut journal = Journal::default();
    assert_eq!(journal.after(0).1.count(), 0);
    for nth in 1..=KEPT + 5 {
        journal.add("test", Duration::from_secs(9), json!({ "nth": nth }));
    }
    assert_eq!(journal.last(), KEPT as u64 + 5);
    let (is_cut, events) = journal.after(2);
    assert!(is_cut && events.count() == KEPT);
    let (is_cut, mut events) = journal.after(KEPT as u64 + 4);
    let (seq, text) = events.next().unwrap();
    assert_eq!((is_cut, seq), (false, KEPT as u64 + 5));
    assert!(
        text.contains(r#""kind":"test""#) && text.contains(r#""at":9.0"#),
        "{text}"
    );
}
