//! Two ends of a connection in memory, of which each call moves no more than a test allows.

use crate::tls::{Handshake, Layer, Session, Vault};
use crate::transport::{Received, Socket, Transport};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
struct Direction {
    bytes: VecDeque<u8>,
    has_ended: bool,
    /// Bytes that may be under way at once.
    room: usize,
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    inbound: Rc<RefCell<Direction>>,
    outbound: Rc<RefCell<Direction>>,
    /// Bytes that one read or write moves at most.
    pub(super) cut: usize,
}

/// Both ends of a connection.
pub(super) fn pair() -> (End, End) {
    let direction = || {
        Rc::new(RefCell::new(Direction {
            room: usize::MAX,
            ..Direction::default()
        }))
    };
    let (one, other) = (direction(), direction());
    let end = |inbound: &Rc<_>, outbound: &Rc<_>| End {
        inbound: Rc::clone(inbound),
        outbound: Rc::clone(outbound),
        cut: usize::MAX,
    };
    (end(&one, &other), end(&other, &one))
}

impl End {
    /// Lets so many bytes be under way to the other end.
    pub(super) fn limit(&self, room: usize) {
        self.outbound.borrow_mut().room = room;
    }

    /// What is under way to this end.
    pub(super) fn arriving(&self) -> Vec<u8> {
        self.inbound.borrow().bytes.iter().copied().collect()
    }

    /// Puts bytes on their way to the other end, as they are.
    pub(super) fn inject(&self, bytes: &[u8]) {
        self.outbound.borrow_mut().bytes.extend(bytes);
    }

    /// Takes all that is under way to this end.
    pub(super) fn drain_arriving(&self) -> Vec<u8> {
        self.inbound.borrow_mut().bytes.drain(..).collect()
    }

    /// Ends what is sent, whatever the layers above say.
    pub(super) fn cut_off(&self) {
        self.outbound.borrow_mut().has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        let inbound = self.inbound.borrow();
        inbound.has_ended && inbound.bytes.is_empty()
    }
}

impl Transport for End {
    type Pipe = ();

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut inbound = self.inbound.borrow_mut();
        let count = inbound.bytes.len().min(into.len()).min(self.cut);
        if count == 0 && !into.is_empty() {
            return match inbound.has_ended {
                true => Ok(0),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        for (place, byte) in into.iter_mut().zip(inbound.bytes.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut outbound = self.outbound.borrow_mut();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let room = outbound.room.saturating_sub(outbound.bytes.len());
        let count = total.min(room).min(self.cut);
        if count == 0 && total > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = parts.iter().flat_map(|part| part.iter().copied());
        outbound.bytes.extend(bytes.take(count));
        Ok(count)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.cut_off();
        Ok(())
    }

    fn reset_on_close(&mut self) {}

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn fill(&mut self, (): &mut (), _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn drain(&mut self, (): &mut (), _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A socket with a session, as a connection of the proxy has it, and what it has received.
pub(super) struct Peer {
    pub(super) socket: Socket<Layer<End>>,
    pub(super) vault: Vault,
    pub(super) received: Vec<u8>,
    pub(super) last: Option<Received>,
}

/// Everything is ready, as far as the system knows.
const READY: crate::transport::Readiness = crate::transport::Readiness {
    readable: true,
    writable: true,
    read_closed: false,
    broken: false,
};

impl Peer {
    pub(super) fn new(end: End, session: Session) -> Self {
        let vault = Vault::default();
        let mut layer = Layer::plain(end);
        layer.secure(session, &vault, b"");
        Self {
            socket: Socket::new(layer),
            vault,
            received: Vec::new(),
            last: None,
        }
    }

    pub(super) fn end(&mut self) -> &mut End {
        self.socket.io_mut().io_mut()
    }

    pub(super) fn handshake(&mut self) -> io::Result<Handshake> {
        self.socket.io_mut().handshake()
    }

    /// Reads into a buffer of `size` until nothing more is there, as events would have it: the cut
    /// of the connection makes short reads, after which an edge-triggered event announces the rest.
    pub(super) fn read(&mut self, size: usize) {
        let mut into = vec![0; size];
        while !self.end().arriving().is_empty() || self.end().has_ended() || self.socket.may_read()
        {
            self.socket.note(READY);
            if !self.socket.may_read() {
                break;
            }
            let received = self.socket.recv(&mut into);
            self.last = Some(received);
            match received {
                Received::Bytes(count) => self.received.extend_from_slice(&into[..count]),
                Received::Blocked => {}
                Received::End | Received::Failed => break,
            }
        }
    }

    /// Writes some of `bytes`. Returns how many were taken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        self.socket.note(READY);
        self.socket.send(&[IoSlice::new(bytes)]).unwrap()
    }
}

/// Takes both through the handshake, one step each in turn.
pub(super) fn shake_hands(one: &mut Peer, other: &mut Peer) -> io::Result<()> {
    for _ in 0..100_000 {
        let (first, second) = (one.handshake()?, other.handshake()?);
        if (first, second) == (Handshake::Done, Handshake::Done) {
            return Ok(());
        }
    }
    panic!(
        "the handshake does not end: {:?}, {:?}",
        one.socket, other.socket
    );
}
