//! A network in memory: what the server calls, and the far ends that a case moves.
//!
//! Readiness is reported as epoll does it edge-triggered: a change makes a connection due for one
//! event. Reads and writes do less than they could by chance, but never nothing.

use crate::random::Random;
use lb::internal::address::Address;
use lb::internal::proxy::{Network, Token};
use lb::internal::transport::{Pipes, Readiness, Transport};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

/// Unread bytes at which a writer must wait.
const ROOM_BYTES: usize = 700;

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    /// True if the proxy made it.
    pub(crate) is_link: bool,
    inbound: VecDeque<u8>,
    inbound_ended: bool,
    /// Everything the server wrote and the far end took.
    pub(crate) taken: Vec<u8>,
    outbound: VecDeque<u8>,
    outbound_ended: bool,
    is_reset: bool,
    error_due: bool,
    starved: bool,
    changed: bool,
    token: Option<Token>,
    /// True if the proxy has dropped it.
    pub(crate) is_closed: bool,
    breaks_on_close: bool,
}

/// All connections, by number.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) wires: Vec<Wire>,
    random: Random,
    /// One connection in so many is refused; 0: none.
    pub(crate) refuses_one_in: usize,
    /// True if reads and writes may do less than they could.
    pub(crate) is_moody: bool,
    pub(crate) calls: usize,
    pub(crate) pipes_lent: usize,
}

pub(crate) type Shared = Rc<RefCell<World>>;

impl World {
    pub(crate) fn new(random: Random) -> Shared {
        Rc::new(RefCell::new(Self {
            wires: Vec::new(),
            random,
            refuses_one_in: 0,
            is_moody: true,
            calls: 0,
            pipes_lent: 0,
        }))
    }

    pub(crate) fn add(&mut self, is_link: bool) -> usize {
        self.wires.push(Wire {
            is_link,
            inbound: VecDeque::new(),
            inbound_ended: false,
            taken: Vec::new(),
            outbound: VecDeque::new(),
            outbound_ended: false,
            is_reset: false,
            error_due: false,
            starved: false,
            changed: false,
            token: None,
            is_closed: false,
            breaks_on_close: false,
        });
        self.wires.len() - 1
    }

    /// `max`, or less, but not nothing.
    fn at_most(&mut self, max: usize) -> usize {
        match self.is_moody && self.random.one_in(3) {
            true => 1 + self.random.below(max),
            false => max,
        }
    }

    /// The far end sends.
    pub(crate) fn send(&mut self, nth: usize, bytes: &[u8]) {
        let wire = &mut self.wires[nth];
        if !wire.is_closed && !wire.inbound_ended && !wire.is_reset && !bytes.is_empty() {
            wire.inbound.extend(bytes);
            wire.changed = true;
        }
    }

    /// The far end sends no more.
    pub(crate) fn end(&mut self, nth: usize) {
        let wire = &mut self.wires[nth];
        wire.changed |= !wire.inbound_ended;
        wire.inbound_ended = true;
    }

    /// The far end tears it down.
    pub(crate) fn reset(&mut self, nth: usize) {
        let wire = &mut self.wires[nth];
        if !wire.is_closed && !wire.is_reset {
            (wire.is_reset, wire.error_due, wire.changed) = (true, true, true);
            wire.outbound.clear();
        }
    }

    /// The far end takes what is there.
    pub(crate) fn take(&mut self, nth: usize) {
        let wire = &mut self.wires[nth];
        wire.taken.extend(wire.outbound.drain(..));
        wire.changed |= std::mem::take(&mut wire.starved);
    }

    /// The events that are due.
    pub(crate) fn poll(&mut self) -> Vec<(Token, Readiness)> {
        let due = self.wires.iter_mut().filter_map(|wire| {
            let changed = std::mem::take(&mut wire.changed);
            let token = wire.token.filter(|_| changed && !wire.is_closed)?;
            Some((token, wire.readiness()))
        });
        due.collect()
    }
}

impl Wire {
    fn readiness(&self) -> Readiness {
        let read_closed = self.inbound_ended || self.is_reset;
        Readiness {
            readable: read_closed || !self.inbound.is_empty(),
            writable: self.is_reset || self.outbound.len() < ROOM_BYTES,
            read_closed,
            broken: self.is_reset || (read_closed && self.outbound_ended),
        }
    }

    /// Returns whether the proxy has ended it in order and the far end has seen that.
    pub(crate) fn is_ended(&self) -> bool {
        self.outbound.is_empty() && (self.outbound_ended || (self.is_closed && !self.is_broken()))
    }

    /// Returns whether the proxy or the far end has torn it down.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_reset || (self.is_closed && self.breaks_on_close)
    }
}

/// The near end of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    world: Shared,
    nth: usize,
}

impl Stream {
    pub(crate) fn new(world: &Shared, nth: usize) -> Self {
        let world = Rc::clone(world);
        Self { world, nth }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let wire = &mut self.world.borrow_mut().wires[self.nth];
        assert!(!wire.is_closed, "closed twice");
        wire.is_closed = true;
        // Closing with bytes unread resets, as in a kernel.
        if !wire.inbound.is_empty() {
            wire.breaks_on_close = true;
            wire.outbound.clear();
        }
    }
}

fn recv(world: &mut World, nth: usize, max: usize) -> io::Result<Vec<u8>> {
    world.calls += 1;
    let max = world.at_most(max);
    let wire = &mut world.wires[nth];
    if !wire.inbound.is_empty() {
        let count = max.min(wire.inbound.len());
        // A read that is not filled has drained the socket: a shortened one must be reported.
        let bytes = wire.inbound.drain(..count).collect();
        wire.changed |= !wire.inbound.is_empty();
        return Ok(bytes);
    }
    match (std::mem::take(&mut wire.error_due), wire.inbound_ended) {
        (true, _) => Err(ErrorKind::ConnectionReset.into()),
        (false, true) => Ok(Vec::new()),
        (false, false) if wire.is_reset => Ok(Vec::new()),
        (false, false) => Err(ErrorKind::WouldBlock.into()),
    }
}

fn send(world: &mut World, nth: usize, bytes: &[u8]) -> io::Result<usize> {
    world.calls += 1;
    let max = world.at_most(bytes.len());
    let wire = &mut world.wires[nth];
    assert!(!wire.outbound_ended, "written after its end");
    if std::mem::take(&mut wire.error_due) {
        return Err(ErrorKind::ConnectionReset.into());
    }
    if wire.is_reset {
        return Err(ErrorKind::BrokenPipe.into());
    }
    let room = ROOM_BYTES.saturating_sub(wire.outbound.len());
    let count = max.min(room);
    wire.starved |= count < bytes.len();
    wire.outbound.extend(&bytes[..count]);
    match count {
        0 => Err(ErrorKind::WouldBlock.into()),
        _ => Ok(count),
    }
}

impl Transport for Stream {
    type Pipe = VecDeque<u8>;

    fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = recv(&mut self.world.borrow_mut(), self.nth, into.len())?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        send(&mut self.world.borrow_mut(), self.nth, &bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        let wire = &mut self.world.borrow_mut().wires[self.nth];
        if wire.is_reset {
            return Err(ErrorKind::NotConnected.into());
        }
        (wire.outbound_ended, wire.changed) = (true, true);
        Ok(())
    }

    fn reset_on_close(&mut self) {
        self.world.borrow_mut().wires[self.nth].breaks_on_close = true;
    }

    fn take_error(&mut self) -> Option<io::Error> {
        let wire = &mut self.world.borrow_mut().wires[self.nth];
        let due = std::mem::take(&mut wire.error_due);
        due.then(|| ErrorKind::ConnectionReset.into())
    }

    fn fill(&mut self, pipe: &mut VecDeque<u8>, max: usize) -> io::Result<usize> {
        let bytes = recv(&mut self.world.borrow_mut(), self.nth, max)?;
        pipe.extend(&bytes);
        Ok(bytes.len())
    }

    fn drain(&mut self, pipe: &mut VecDeque<u8>, max: usize) -> io::Result<usize> {
        let bytes: Vec<u8> = pipe.iter().copied().take(max).collect();
        let sent = send(&mut self.world.borrow_mut(), self.nth, &bytes)?;
        pipe.drain(..sent);
        Ok(sent)
    }
}

/// Source of pipes.
pub(crate) struct PipeStore(pub(crate) Shared);

impl Pipes for PipeStore {
    type Pipe = VecDeque<u8>;

    fn take(&mut self) -> Option<VecDeque<u8>> {
        self.0.borrow_mut().pipes_lent += 1;
        Some(VecDeque::new())
    }

    fn give(&mut self, _: VecDeque<u8>, _: usize) {
        self.0.borrow_mut().pipes_lent -= 1;
    }
}

/// The network as the server sees it.
pub(crate) struct Memory(pub(crate) Shared);

impl Network for Memory {
    type Stream = Stream;
    type Pipe = VecDeque<u8>;
    type Pipes = PipeStore;

    fn connect(&mut self, _: &Address) -> io::Result<Stream> {
        let mut world = self.0.borrow_mut();
        let odds = world.refuses_one_in;
        if odds > 0 && world.random.one_in(odds) {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let nth = world.add(true);
        Ok(Stream::new(&self.0, nth))
    }

    fn register(&mut self, stream: &mut Stream, token: Token) -> io::Result<()> {
        let wire = &mut self.0.borrow_mut().wires[stream.nth];
        (wire.token, wire.changed) = (Some(token), true);
        Ok(())
    }
}
