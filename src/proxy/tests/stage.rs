//! A server, the world around it, and a clock moved by hand.
//!
//! The server runs until nothing is left to do after each thing that happens, as a loop would,
//! and what must always hold is checked after each of its turns.

use super::super::Proxy;
use super::super::network::Token;
use super::invariants;
use super::network::{Shared, SimNetwork, SimStream};
use super::setup::Setup;
use super::wire::End;
use super::world::{Dial, WireId};
use crate::config::Mode;
use crate::telemetry::Snapshot;
use crate::time::Timestamp;
use crate::transport::Readiness;
use std::net::SocketAddr;
use std::time::Duration;

/// More turns than any one event can keep the server busy for.
const MAX_TURNS: usize = 300;
/// More calls than any one turn can make here.
const MAX_CALLS_PER_TURN: usize = 4000;

/// The address of the backend with this number.
pub(super) fn backend(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5000 + number as u16))
}

/// A server at work.
pub(super) struct Stage {
    pub(super) proxy: Proxy<SimNetwork>,
    pub(super) world: Shared,
    pub(super) now: Timestamp,
}

/// Events around the proxy.
impl Stage {
    pub(super) fn http(backends: usize) -> Self {
        Setup::new(Mode::Http, backends).raise()
    }

    pub(super) fn tcp(backends: usize) -> Self {
        Setup::new(Mode::Tcp, backends).raise()
    }

    /// A client connects.
    pub(super) fn client(&mut self) -> WireId {
        let id = self.arrive();
        self.run();
        id
    }

    /// A client connects, and the server is not yet called again.
    pub(super) fn arrive(&mut self) -> WireId {
        let id = self.world.borrow_mut().accept();
        let stream = SimStream::new(&self.world, id);
        let address = SocketAddr::from(([192, 0, 2, 1], 1024 + id.0 as u16));
        let accepted = self.proxy.accepted(stream, address, 0, self.now);
        assert_eq!(accepted.is_err(), self.world.borrow().full);
        id
    }

    /// A client connects and sends `bytes`.
    pub(super) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> WireId {
        let id = self.client();
        self.send(id, bytes);
        id
    }

    /// A peer sends bytes, in one packet.
    pub(super) fn send(&mut self, id: WireId, bytes: impl AsRef<[u8]>) {
        self.world.borrow_mut().wire_mut(id).deliver(bytes.as_ref());
        self.run();
    }

    /// A peer ends what it sends.
    pub(super) fn end(&mut self, id: WireId) {
        self.world.borrow_mut().wire_mut(id).end();
        self.run();
    }

    /// A peer sends bytes and ends, in one packet.
    pub(super) fn send_and_end(&mut self, id: WireId, bytes: impl AsRef<[u8]>) {
        self.world.borrow_mut().wire_mut(id).deliver(bytes.as_ref());
        self.end(id);
    }

    /// A peer tears its connection down.
    pub(super) fn reset(&mut self, id: WireId) {
        self.world.borrow_mut().wire_mut(id).reset(false);
        self.run();
    }

    /// Backends are given at most so many exchanges at once.
    pub(super) fn limit_backends(&mut self, most: u32) {
        let candidates = self
            .proxy
            .traffic
            .pools
            .first()
            .backends
            .candidates()
            .iter();
        for id in candidates.map(|c| c.id).collect::<Vec<_>>() {
            self.proxy
                .traffic
                .pools
                .get_mut(crate::pool::PoolId::FIRST)
                .backends
                .set_max_in_flight(id, most);
        }
    }

    pub(super) fn dial(&mut self, number: usize, dial: Dial) {
        self.world.borrow_mut().dial(backend(number), dial);
    }

    pub(super) fn establish(&mut self, id: WireId) {
        self.world.borrow_mut().wire_mut(id).establish();
        self.run();
    }

    pub(super) fn refuse(&mut self, id: WireId) {
        self.world.borrow_mut().wire_mut(id).refuse();
        self.run();
    }

    /// A peer reads nothing more, and the system takes only `room` bytes for it.
    pub(super) fn stall(&mut self, id: WireId, room: usize) {
        let mut world = self.world.borrow_mut();
        let wire = world.wire_mut(id);
        (wire.stalled, wire.room) = (true, room);
    }

    /// A peer that stalled reads on.
    pub(super) fn resume(&mut self, id: WireId) {
        self.world.borrow_mut().wire_mut(id).stalled = false;
        self.run();
    }

    /// Time passes.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.run();
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        // Deadlines are met within a tick of the wheel.
        self.pass(Duration::from_secs(seconds) + Duration::from_millis(20));
    }

    pub(super) fn stop(&mut self) {
        self.proxy.stop(self.now);
        self.run();
    }
}

/// Running the server.
impl Stage {
    /// Lets the server work until nothing is due.
    pub(super) fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            self.world.borrow_mut().take_all();
            let events = self.world.borrow_mut().poll();
            let quiet = events.is_empty() && !self.is_due();
            self.turn(events);
            if quiet && !self.is_due() && !self.has_events() {
                return;
            }
        }
        panic!("the server finds no rest");
    }

    /// One turn of the loop.
    pub(super) fn turn(&mut self, events: Vec<(Token, Readiness)>) {
        let calls = self.world.borrow().calls;
        let is_idle = events.is_empty() && !self.is_due();
        for (token, readiness) in events {
            self.proxy.ready(token, readiness, self.now);
        }
        self.proxy.finish_turn(self.now);
        let calls = self.world.borrow().calls - calls;
        assert!(calls <= MAX_CALLS_PER_TURN, "{calls} calls in one turn");
        assert!(!is_idle || calls == 0, "{calls} calls for no reason");
        invariants::check(&self.proxy);
    }

    fn is_due(&self) -> bool {
        self.proxy.next_wakeup() <= self.now
    }

    fn has_events(&self) -> bool {
        self.world.borrow().has_events()
    }
}

/// Observations of the peers.
impl Stage {
    /// Returns the bytes a peer was sent since it last looked.
    pub(super) fn heard(&self, id: WireId) -> String {
        String::from_utf8_lossy(&self.heard_bytes(id)).into_owned()
    }

    pub(super) fn heard_bytes(&self, id: WireId) -> Vec<u8> {
        std::mem::take(&mut self.world.borrow_mut().wire_mut(id).taken)
    }

    /// Returns how the server has ended what it sends to a peer.
    pub(super) fn fate(&self, id: WireId) -> End {
        self.world.borrow().wire(id).server_end()
    }

    pub(super) fn is_closed(&self, id: WireId) -> bool {
        self.world.borrow().wire(id).is_closed()
    }

    /// The connections made to backends so far, and the number of the backend of each.
    pub(super) fn backend_conns(&self) -> Vec<(WireId, usize)> {
        let world = self.world.borrow();
        let dialled = world.ids().filter_map(|id| {
            let address = world.wire(id).dialled?;
            Some((id, usize::from(address.port()) - 5000))
        });
        dialled.collect()
    }

    /// The connection to a backend that was made last.
    pub(super) fn link(&self) -> WireId {
        self.backend_conns()
            .last()
            .expect("a connection to a backend")
            .0
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.proxy.view().snapshot(self.now)
    }

    /// The lines of the access log since it was last read.
    pub(super) fn log(&mut self) -> String {
        String::from_utf8(self.proxy.take_log_lines()).unwrap()
    }

    /// The reason in the last line of the access log.
    pub(super) fn reason(&mut self) -> String {
        let log = self.log();
        let (_, reason) = log.rsplit_once("reason=").expect("a line in the log");
        reason.trim_end().to_owned()
    }
}
