//! All connections between the server and its peers, and what the system does as it likes.

use super::super::network::Token;
use super::wire::Wire;
use crate::strategy::Rng;
use crate::transport::Readiness;
use std::io;
use std::net::SocketAddr;

/// Names a connection of a [`World`], in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct WireId(pub(super) usize);

/// The fate of an attempt to connect to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// Established when `connect` returns.
    AtOnce,
    /// Under way until [`Wire::establish`], [`Wire::refuse`], or for ever.
    Later,
    /// `connect` itself fails.
    Refused,
    /// The process has no descriptor left.
    Shortage,
    /// The backlog of a UNIX socket is full.
    NoRoom,
    /// All local ports for the address are taken.
    NoPort,
}

/// All connections, and what is decided for those to come.
#[derive(Debug, Default)]
pub(super) struct World {
    wires: Vec<Wire>,
    /// Those in which something can still happen, so that a long story costs no more each day.
    live: Vec<usize>,
    dials: Vec<(SocketAddr, Dial)>,
    /// System calls made so far.
    pub(super) calls: usize,
    /// True if all far ends read only on demand.
    pub(super) slow: bool,
    /// True if registering fails.
    pub(super) full: bool,
    /// True if pipes are lent.
    pub(super) pipes: bool,
    /// Decides what a system may do as it likes. `None`: it does the simplest.
    pub(super) whims: Option<Rng>,
}

/// The near ends.
impl World {
    pub(super) fn connect(&mut self, address: SocketAddr) -> io::Result<WireId> {
        self.calls += 1;
        let dial = self.dials.iter().find(|(a, _)| *a == address);
        let is_established = match dial.map_or(Dial::AtOnce, |(_, dial)| *dial) {
            Dial::AtOnce => true,
            Dial::Later => false,
            Dial::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Dial::Shortage => return Err(io::Error::from_raw_os_error(24)),
            Dial::NoPort => return Err(io::ErrorKind::AddrInUse.into()),
            Dial::NoRoom => return Err(io::ErrorKind::WouldBlock.into()),
        };
        Ok(self.add(Wire::dialled(address, is_established)))
    }

    pub(super) fn register(&mut self, id: WireId, token: Token) -> io::Result<()> {
        self.calls += 1;
        if self.full {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.wires[id.0].register(token);
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

    /// Returns whether the system is in the mood, one time in `odds`.
    pub(super) fn whim(&mut self, odds: usize) -> bool {
        self.whims.as_mut().is_some_and(|rng| rng.below(odds) == 0)
    }

    /// `max`, or less where the system may do less than requested, but never nothing.
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

    fn add(&mut self, mut wire: Wire) -> WireId {
        wire.stalled = self.slow;
        self.live.push(self.wires.len());
        self.wires.push(wire);
        WireId(self.wires.len() - 1)
    }
}

/// The view and the decisions of a test.
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

    /// The connections that the server has begun since `known` wires were known.
    pub(super) fn dialled_since(&self, known: &mut usize) -> Vec<(WireId, SocketAddr)> {
        let first = std::mem::replace(known, self.wires.len());
        let news = self.wires[first..].iter().zip(first..);
        let dialled = news.filter_map(|(wire, id)| Some((WireId(id), wire.dialled?)));
        dialled.collect()
    }

    /// A client connects.
    pub(super) fn accept(&mut self) -> WireId {
        self.add(Wire::accepted())
    }

    /// Decides what becomes of connections to `address` from now on.
    pub(super) fn dial(&mut self, address: SocketAddr, dial: Dial) {
        self.dials.retain(|(known, _)| *known != address);
        self.dials.push((address, dial));
    }

    /// Every far end that does not stall reads all there is.
    pub(super) fn take_all(&mut self) {
        for wire in &self.live {
            let wire = &mut self.wires[*wire];
            if !wire.stalled {
                wire.take(usize::MAX);
            }
        }
    }

    /// The events that are due, in the order of the wires.
    pub(super) fn poll(&mut self) -> Vec<(Token, Readiness)> {
        let wires = &mut self.wires;
        self.live.retain(|wire| !wires[*wire].is_over());
        let live = self.live.iter();
        live.filter_map(|wire| wires[*wire].event()).collect()
    }

    /// Returns whether an event is due.
    pub(super) fn has_events(&self) -> bool {
        self.live.iter().any(|wire| self.wires[*wire].is_due())
    }
}
