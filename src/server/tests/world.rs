//! Connections between the server and its peers, as memory.
//!
//! The near end of a [`Wire`] is a non-blocking socket as the server knows it; the far end is
//! whatever a test does. Readiness is reported as epoll does it edge-triggered: a *change* makes
//! a wire due for one event, which tells its state at the time of asking. So an event may come
//! for bytes that were read already, and none comes twice for bytes that were not.

use super::super::network::Token;
use crate::balance::Rng;
use crate::relay::Readiness;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// Names a connection of a [`World`], in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct WireId(pub(super) usize);

/// What becomes of the attempt to connect to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// Established when `connect` returns.
    AtOnce,
    /// Under way until [`World::establish`], [`World::refuse`], or for ever.
    Later,
    /// `connect` itself fails.
    Refused,
    /// The process has no descriptor left.
    Shortage,
}

/// How the server sees a connection begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    UnderWay,
    Done,
    Refused,
}

/// How one side has ended what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It may send more.
    Open,
    /// In order, after all it sent.
    Finished,
    /// The connection is torn down in both directions.
    Reset,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    /// Whom the server connected to; `None` if it was accepted.
    pub(super) dialled: Option<SocketAddr>,
    opening: Opening,
    inbound: VecDeque<u8>,
    inbound_end: End,
    outbound: VecDeque<u8>,
    outbound_end: End,
    /// Bytes that wait for the far end before the near end has to.
    pub(super) room: usize,
    /// Whether the far end reads only when told to.
    pub(super) stalled: bool,
    /// What the far end has read.
    pub(super) taken: Vec<u8>,
    token: Option<Token>,
    changed: bool,
    /// Whether the near end was told to wait for room.
    starved: bool,
    /// Whether the near end still has to learn of the failure.
    error_due: bool,
    resets_on_close: bool,
    closed: bool,
}

/// All connections, and what is decided for those to come.
#[derive(Debug, Default)]
pub(super) struct World {
    wires: Vec<Wire>,
    dials: Vec<(SocketAddr, Dial)>,
    /// System calls made so far.
    pub(super) calls: usize,
    /// Whether registering fails.
    pub(super) full: bool,
    /// Whether pipes are lent.
    pub(super) pipes: bool,
    /// Decides what a system may do as it likes. `None`: it does the simplest.
    pub(super) whims: Option<Rng>,
}

/// Room of a connection that nobody narrowed.
const ROOM: usize = 4 * 1024 * 1024;

impl Wire {
    fn new(dialled: Option<SocketAddr>, opening: Opening) -> Self {
        Self {
            dialled,
            opening,
            inbound: VecDeque::new(),
            inbound_end: End::Open,
            outbound: VecDeque::new(),
            outbound_end: End::Open,
            room: ROOM,
            stalled: false,
            taken: Vec::new(),
            token: None,
            changed: false,
            starved: false,
            error_due: false,
            resets_on_close: false,
            closed: false,
        }
    }

    fn is_dead(&self) -> bool {
        self.opening == Opening::Refused || self.inbound_end == End::Reset
    }

    /// What an event would say now.
    fn readiness(&self) -> Readiness {
        if self.opening == Opening::UnderWay {
            return Readiness::default();
        }
        let dead = self.is_dead();
        let read_closed = dead || self.inbound_end != End::Open;
        Readiness {
            readable: read_closed || !self.inbound.is_empty(),
            writable: dead || self.outbound.len() < self.room,
            read_closed,
            broken: dead || (read_closed && self.outbound_end != End::Open),
        }
    }

    /// The error of a dead connection is told once; after that nothing comes and nothing goes.
    fn take_error(&mut self) -> Option<io::Error> {
        let due = std::mem::take(&mut self.error_due);
        due.then(|| match self.opening {
            Opening::Refused => io::ErrorKind::ConnectionRefused.into(),
            Opening::UnderWay | Opening::Done => io::ErrorKind::ConnectionReset.into(),
        })
    }
}

/// The near end: what the server calls.
impl Wire {
    fn recv(&mut self, max: usize) -> io::Result<Vec<u8>> {
        if self.opening == Opening::UnderWay {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = max.min(self.inbound.len());
        if count > 0 {
            return Ok(self.inbound.drain(..count).collect());
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        match self.inbound_end {
            End::Open if !self.is_dead() => Err(io::ErrorKind::WouldBlock.into()),
            End::Open | End::Finished | End::Reset => Ok(Vec::new()),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.outbound_end, End::Open, "written after its end");
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        if self.is_dead() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let free = match self.opening {
            Opening::UnderWay => 0,
            Opening::Done | Opening::Refused => self.room.saturating_sub(self.outbound.len()),
        };
        let count = free.min(bytes.len());
        self.starved |= count < bytes.len();
        self.outbound.extend(&bytes[..count]);
        match count {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(count),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.outbound_end = End::Finished;
        self.changed = true;
        Ok(())
    }

    /// As a system does it: closing with bytes unread resets, and then what is on its way to the
    /// far end may be lost.
    fn close(&mut self) {
        assert!(!self.closed, "closed twice");
        self.closed = true;
        self.token = None;
        if self.resets_on_close || !self.inbound.is_empty() {
            self.outbound_end = End::Reset;
            self.outbound.clear();
        } else if self.outbound_end == End::Open {
            self.outbound_end = End::Finished;
        }
    }
}

/// The near ends.
impl World {
    pub(super) fn connect(&mut self, address: SocketAddr) -> io::Result<WireId> {
        self.calls += 1;
        let dial = self.dials.iter().find(|(a, _)| *a == address);
        let opening = match dial.map_or(Dial::AtOnce, |(_, dial)| *dial) {
            Dial::AtOnce => Opening::Done,
            Dial::Later => Opening::UnderWay,
            Dial::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Dial::Shortage => return Err(io::Error::from_raw_os_error(24)),
        };
        Ok(self.add(Wire::new(Some(address), opening)))
    }

    pub(super) fn register(&mut self, id: WireId, token: Token) -> io::Result<()> {
        self.calls += 1;
        if self.full {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let wire = &mut self.wires[id.0];
        wire.token = Some(token);
        wire.changed = true;
        Ok(())
    }

    pub(super) fn recv(&mut self, id: WireId, max: usize) -> io::Result<Vec<u8>> {
        self.interrupt()?;
        self.wires[id.0].recv(max)
    }

    pub(super) fn send(&mut self, id: WireId, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt()?;
        self.wires[id.0].send(bytes)
    }

    pub(super) fn finish(&mut self, id: WireId) -> io::Result<()> {
        self.calls += 1;
        self.wires[id.0].finish()
    }

    pub(super) fn reset_on_close(&mut self, id: WireId) {
        self.wires[id.0].resets_on_close = true;
    }

    pub(super) fn take_error(&mut self, id: WireId) -> Option<io::Error> {
        self.wires[id.0].take_error()
    }

    pub(super) fn close(&mut self, id: WireId) {
        self.wires[id.0].close();
    }

    /// Whether the system is in the mood, one time in `odds`.
    pub(super) fn whim(&mut self, odds: usize) -> bool {
        self.whims.as_mut().is_some_and(|rng| rng.below(odds) == 0)
    }

    /// `max`, or less where the system may do less than it was asked to, but never nothing.
    pub(super) fn at_most(&mut self, max: usize) -> usize {
        let less = self.whim(2);
        match &mut self.whims {
            Some(rng) if less => 1 + rng.below(max),
            Some(_) | None => max,
        }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.whim(50) {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }

    fn add(&mut self, wire: Wire) -> WireId {
        self.wires.push(wire);
        WireId(self.wires.len() - 1)
    }
}

/// The far ends.
impl World {
    pub(super) fn wire(&self, id: WireId) -> &Wire {
        &self.wires[id.0]
    }

    pub(super) fn wire_mut(&mut self, id: WireId) -> &mut Wire {
        &mut self.wires[id.0]
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = WireId> + use<> {
        (0..self.wires.len()).map(WireId)
    }

    /// A client connects.
    pub(super) fn accept(&mut self) -> WireId {
        self.add(Wire::new(None, Opening::Done))
    }

    /// Decides what becomes of connections to `address` from now on.
    pub(super) fn dial(&mut self, address: SocketAddr, dial: Dial) {
        self.dials.retain(|(known, _)| *known != address);
        self.dials.push((address, dial));
    }

    pub(super) fn establish(&mut self, id: WireId) {
        let wire = &mut self.wires[id.0];
        wire.opening = Opening::Done;
        wire.changed = true;
    }

    pub(super) fn refuse(&mut self, id: WireId) {
        let wire = &mut self.wires[id.0];
        wire.opening = Opening::Refused;
        (wire.changed, wire.error_due) = (true, true);
    }

    /// The far end sends bytes. They reach nobody if the near end is closed.
    pub(super) fn deliver(&mut self, id: WireId, bytes: &[u8]) {
        let wire = &mut self.wires[id.0];
        assert_eq!(wire.inbound_end, End::Open, "sent after its end");
        if wire.closed {
            wire.outbound_end = End::Reset;
            wire.outbound.clear();
        } else if !bytes.is_empty() {
            wire.inbound.extend(bytes);
            wire.changed = true;
        }
    }

    /// The far end sends no more.
    pub(super) fn end(&mut self, id: WireId) {
        let wire = &mut self.wires[id.0];
        if wire.inbound_end == End::Open {
            wire.inbound_end = End::Finished;
            wire.changed = true;
        }
    }

    /// The far end tears the connection down. What it had sent and was not read may be lost.
    pub(super) fn reset(&mut self, id: WireId, loses_what_it_sent: bool) {
        let wire = &mut self.wires[id.0];
        wire.inbound_end = End::Reset;
        (wire.changed, wire.error_due) = (true, true);
        wire.outbound.clear();
        if loses_what_it_sent {
            wire.inbound.clear();
        }
    }

    /// The far end reads up to `max` bytes.
    pub(super) fn take(&mut self, id: WireId, max: usize) -> usize {
        let wire = &mut self.wires[id.0];
        let count = max.min(wire.outbound.len());
        wire.taken.extend(wire.outbound.drain(..count));
        if wire.starved && wire.outbound.len() < wire.room {
            (wire.starved, wire.changed) = (false, true);
        }
        count
    }

    /// Every far end that does not stall reads all there is.
    pub(super) fn take_all(&mut self) {
        for id in self.ids() {
            if !self.wire(id).stalled {
                self.take(id, usize::MAX);
            }
        }
    }

    /// The events that are due, in the order of the wires.
    pub(super) fn poll(&mut self) -> Vec<(Token, Readiness)> {
        let due = self.wires.iter_mut().filter_map(|wire| {
            let changed = std::mem::take(&mut wire.changed);
            let readiness = wire.readiness();
            let token = wire.token.filter(|_| changed)?;
            (readiness != Readiness::default()).then_some((token, readiness))
        });
        due.collect()
    }
}

/// What the far end can see.
impl Wire {
    /// How the server has ended what it sends; in order only when all of it has been read.
    pub(super) fn server_end(&self) -> End {
        match self.outbound_end {
            End::Finished if !self.outbound.is_empty() => End::Open,
            end => end,
        }
    }

    /// Whether the near end is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether an event is due.
    pub(super) fn is_due(&self) -> bool {
        self.changed && self.token.is_some() && self.readiness() != Readiness::default()
    }

    /// Bytes sent that the server has not read.
    pub(super) fn unread(&self) -> usize {
        self.inbound.len()
    }
}
