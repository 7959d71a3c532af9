//! Bodies far larger than the memory they may take, in both modes and both directions, also
//! when one side is slow.
//!
//! The bytes are made on one side and checked on the other; no process holds the whole.

use crate::support::{
    Backend, Content, End, Gate, Lb, Matcher, Progress, Wire, socket_buffer_bytes,
};
use std::io;
use std::thread;

/// The size of a body.
const BYTES: usize = 100 * 1000 * 1000;
/// Memory that `lb` may take, however much passes through it.
const MAX_KIB: u64 = 64 * 1024;
/// Kernel buffer of each end: fixed, or it would let their buffers grow.
const END_BYTES: usize = 64 * 1024;
/// Bytes of one body that `lb` may hold itself, pipes included.
const HELD_BYTES: u64 = 1024 * 1024;
/// Bytes a reader takes at once.
const GULP_BYTES: usize = 64 * 1024;
const SIP_BYTES: usize = 4 * 1024;
/// A chunk: odd, so that chunks and reads never agree.
const CHUNK_BYTES: usize = 10_007;

/// The framing of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}
use Framing::{Chunked, Length, UntilClose};

impl Framing {
    /// The header line that says so.
    fn line(self) -> String {
        match self {
            Length => format!("Content-Length: {BYTES}\r\n"),
            Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            UntilClose => String::new(),
        }
    }

    /// Sends the body, or what the peer takes of it.
    fn send_body(self, wire: &mut Wire, sent: &Progress) -> io::Result<()> {
        let mut content = Content::default();
        let mut left = BYTES;
        while left > 0 {
            let piece = content.next(left.min(CHUNK_BYTES));
            match self {
                Length | UntilClose => wire.try_send(piece)?,
                Chunked => wire.try_send(&chunk(piece))?,
            }
            left -= piece.len();
            sent.add(piece.len());
        }
        match self {
            Length => Ok(()),
            Chunked => wire.try_send(&chunk(b"")),
            UntilClose => {
                wire.finish();
                Ok(())
            }
        }
    }

    /// Reads the body, at most so many bytes at once, and makes sure of every byte.
    fn check_body(self, wire: &mut Wire, at_once: usize) {
        let mut matcher = Matcher::default();
        let mut bytes = vec![0; at_once];
        match self {
            Length => check_bytes(wire, BYTES, &mut bytes, &mut matcher),
            Chunked => {
                while let size @ 1.. = wire.read_chunk_size().expect("a chunk") {
                    check_bytes(wire, size, &mut bytes, &mut matcher);
                    assert_eq!(wire.read_through(b"\r\n"), Ok(b"\r\n".to_vec()));
                }
                assert_eq!(wire.read_through(b"\r\n"), Ok(b"\r\n".to_vec()));
            }
            UntilClose => {
                let end = loop {
                    match wire.read(&mut bytes) {
                        Ok(count) => matcher.check(&bytes[..count]),
                        Err(end) => break end,
                    }
                };
                assert_eq!(end, End::Closed);
            }
        }
        assert_eq!(matcher.matched(), BYTES as u64);
    }
}

/// A chunk of `data`; the last one and the end of the body if there is none.
fn chunk(data: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", data.len());
    [size.as_bytes(), data, b"\r\n"].concat()
}

fn check_bytes(wire: &mut Wire, count: usize, bytes: &mut [u8], matcher: &mut Matcher) {
    let mut left = count;
    while left > 0 {
        let room = left.min(bytes.len());
        let count = wire.read(&mut bytes[..room]).expect("more of the body");
        matcher.check(&bytes[..count]);
        left -= count;
    }
}

/// Responds with a body of this framing.
fn sends_much(framing: Framing, sent: &Progress) -> Backend {
    let sent = sent.clone();
    Backend::start(move |mut wire, _| {
        wire.fix_buffers(END_BYTES);
        wire.read_request().expect("a request");
        wire.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing.line()));
        framing.send_body(&mut wire, &sent).expect("all is taken");
    })
}

/// Takes a body of this framing, so much at once, when the gate opens.
fn takes_much(framing: Framing, at_once: usize, gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::start(move |mut wire, _| {
        wire.fix_buffers(END_BYTES);
        if framing != UntilClose {
            wire.read_head().expect("a head");
        }
        assert!(gate.wait());
        framing.check_body(&mut wire, at_once);
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright");
    })
}

/// Starts `lb` in the mode that the framing belongs to: bodies that end by closing go by tunnel.
fn start_lb(framing: Framing, backend: &Backend) -> Lb {
    match framing {
        Length | Chunked => Lb::start(&[backend.address], &[]),
        UntilClose => Lb::start_tcp(&[backend.address], &[]),
    }
}

/// Bytes that may lie between two ends while one does not read: little of it in `lb`, but the
/// kernel lets the buffers of its two sockets grow.
fn assert_held_back(lb: &Lb, underway: u64) {
    assert_modest(lb);
    let ends = 4 * END_BYTES as u64;
    let most = socket_buffer_bytes() + ends + HELD_BYTES;
    assert!(underway < most, "{underway} of at most {most} bytes");
    assert!(underway < BYTES as u64, "nothing was held back");
}

fn ask_for_much(wire: &mut Wire) {
    wire.send("GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
}

fn assert_modest(lb: &Lb) {
    let peak = lb.usage().peak_rss_kib();
    assert!(peak < MAX_KIB, "{peak} KiB of memory");
}

#[test]
fn large_response_reaches_the_client_whole() {
    for (framing, seen) in [(Length, Length), (Chunked, Chunked), (UntilClose, Chunked)] {
        let backend = sends_much(framing, &Progress::default());
        let lb = Lb::start(&[backend.address], &[]);
        let mut client = lb.connect();
        ask_for_much(&mut client);
        let head = client.read_head().expect("a head");
        assert_eq!(head.is_chunked(), seen == Chunked, "{head:?}");
        seen.check_body(&mut client, GULP_BYTES);
        assert_modest(&lb);
    }
}

#[test]
fn large_request_reaches_the_backend_whole() {
    for framing in [Length, Chunked] {
        let gate = Gate::default();
        gate.open();
        let backend = takes_much(framing, GULP_BYTES, &gate);
        let lb = Lb::start(&[backend.address], &[]);
        let mut client = lb.connect();
        client.send(format!(
            "PUT / HTTP/1.1\r\nHost: x\r\n{}\r\n",
            framing.line()
        ));
        let sent = framing.send_body(&mut client, &Progress::default());
        sent.expect("all is taken");
        assert_eq!(client.receive().text(), "right");
        assert_modest(&lb);
    }
}

#[test]
fn a_tunnel_carries_much_both_ways_at_once() {
    let both_ways = |wire: &mut Wire| {
        let mut sender = wire.another();
        thread::scope(|scope| {
            scope.spawn(|| {
                let sent = UntilClose.send_body(&mut sender, &Progress::default());
                sent.expect("all is taken");
            });
            UntilClose.check_body(wire, GULP_BYTES);
        });
    };
    let backend = Backend::start(move |mut wire, _| both_ways(&mut wire));
    let lb = Lb::start_tcp(&[backend.address], &[]);
    both_ways(&mut lb.connect());
    assert_modest(&lb);
}

/// A client that does not read holds the backend back; nothing piles up in between.
#[test]
fn a_client_that_reads_slowly_gets_all_of_it() {
    for framing in [Length, Chunked, UntilClose] {
        let sent = Progress::default();
        let backend = sends_much(framing, &sent);
        let lb = start_lb(framing, &backend);
        let mut client = lb.connect();
        client.fix_buffers(END_BYTES);
        ask_for_much(&mut client);
        let underway = sent.until_it_stops();
        assert_held_back(&lb, underway);
        client.read_head().expect("a head");
        framing.check_body(&mut client, SIP_BYTES);
        assert_modest(&lb);
    }
}

/// A backend that does not read holds the client back.
#[test]
fn a_backend_that_reads_slowly_gets_all_of_it() {
    for framing in [Length, Chunked, UntilClose] {
        let gate = Gate::default();
        let backend = takes_much(framing, SIP_BYTES, &gate);
        let lb = start_lb(framing, &backend);
        let mut client = lb.connect();
        client.fix_buffers(END_BYTES);
        if framing != UntilClose {
            client.send(format!(
                "PUT / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                framing.line()
            ));
        }
        let (mut sender, sent) = (client.another(), Progress::default());
        thread::scope(|scope| {
            scope.spawn(|| framing.send_body(&mut sender, &sent).expect("all is taken"));
            let underway = sent.until_it_stops();
            assert_held_back(&lb, underway);
            gate.open();
        });
        assert_eq!(client.receive().text(), "right");
        assert_modest(&lb);
    }
}
