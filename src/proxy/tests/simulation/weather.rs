//! Actions of a simulated world on the proxy and its peers: turns, time, and trouble.

use super::super::stage::backend;
use super::*;

/// Whether peers may be at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Peers are slow and cut what they send, but honest, and no wait is too long.
    Calm,
    /// Anything may happen.
    Storm,
}

/// More calls than one turn of a simulated server can make.
const MAX_CALLS_PER_TURN: usize = 2000;

/// A stage, and the dice that decide what happens on it.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) backends: usize,
    /// True if all peers send and read as much as they can.
    hurries: bool,
}

impl Scene {
    pub(super) fn new(mode: Mode, seed: u64, weather: Weather) -> Self {
        let mut rng = Rng::new(seed);
        let backends = 1 + rng.below(4);
        let mut setup = Setup::new(mode, backends);
        setup.limits.max_idle_per_backend = rng.below(4);
        setup.limits.queue_limit = 1000;
        let mut stage = setup.raise();
        {
            let mut world = stage.world.borrow_mut();
            world.slow = true;
            world.pipes = rng.below(3) > 0;
            world.whims = Some(Rng::new(rng.next()));
        }
        if rng.below(4) == 0 {
            stage.limit_backends(1 + rng.below(3) as u32);
        }
        let mut scene = Self {
            stage,
            rng,
            weather,
            backends,
            hurries: false,
        };
        scene.change_dials();
        scene
    }

    /// True one time in `odds`.
    pub(super) fn chance(&mut self, odds: usize) -> bool {
        self.rng.below(odds) == 0
    }

    /// The same, but never in a calm.
    pub(super) fn mishap(&mut self, odds: usize) -> bool {
        self.weather == Weather::Storm && self.chance(odds)
    }

    /// A part of `whole` bytes: often all of them, never none unless there is none.
    pub(super) fn part(&mut self, whole: usize) -> usize {
        match self.rng.below(3) {
            _ if self.hurries => whole,
            0 => whole,
            1 => whole.min(1 + self.rng.below(8)),
            _ => whole.min(1 + self.rng.below(whole.max(1))),
        }
    }

    /// One turn of the proxy. `between` is called after some of its events, so that later events
    /// of the turn may be stale.
    pub(super) fn turn(&mut self, mut between: impl FnMut(&mut Self)) {
        let mut events = self.stage.world.borrow_mut().poll();
        for last in (1..events.len()).rev() {
            events.swap(last, self.rng.below(last + 1));
        }
        let calls = self.stage.world.borrow().calls;
        for (token, readiness) in events {
            self.stage.proxy.ready(token, readiness, self.stage.now);
            if self.chance(6) {
                between(self);
            }
        }
        self.stage.proxy.finish_turn(self.stage.now);
        let calls = self.stage.world.borrow().calls - calls;
        assert!(calls <= MAX_CALLS_PER_TURN, "{calls} calls in one turn");
        invariants::check(&self.stage.proxy);
    }

    /// Time passes: hardly any, but in a storm it may be minutes.
    pub(super) fn pass(&mut self) {
        let millis = if self.mishap(10) {
            self.rng.below(100_000)
        } else {
            self.rng.below(40)
        };
        self.stage.now = self.stage.now + std::time::Duration::from_millis(millis as u64);
    }

    /// The fate of connections to each backend from now on.
    pub(super) fn change_dials(&mut self) {
        for number in 0..self.backends {
            let dial = match self.rng.below(4) {
                0 if self.weather == Weather::Storm => Dial::Refused,
                1 => Dial::AtOnce,
                _ if self.mishap(20) => Dial::Shortage,
                _ => Dial::Later,
            };
            self.stage.world.borrow_mut().dial(backend(number), dial);
        }
    }

    /// From now on no peer is slow.
    pub(super) fn hurry(&mut self) {
        self.hurries = true;
        let ids: Vec<WireId> = self.stage.world.borrow().ids().collect();
        for wire in ids {
            self.narrow(wire);
        }
    }

    /// A client connects, with a window of its own.
    pub(super) fn connect(&mut self) -> WireId {
        let wire = self.stage.arrive();
        self.narrow(wire);
        wire
    }

    /// Gives a connection less room, often.
    pub(super) fn narrow(&mut self, wire: WireId) {
        let room = match self.rng.below(3) {
            _ if self.hurries => 1 << 20,
            0 => 1 + self.rng.below(100),
            1 => 1000 + self.rng.below(20_000),
            _ => 1 << 20,
        };
        self.stage.world.borrow_mut().wire_mut(wire).room = room;
    }

    /// A peer sends part of `out`.
    pub(super) fn send_part(&mut self, wire: WireId, out: &mut Vec<u8>) {
        let rest = out.split_off(self.part(out.len()));
        self.stage.world.borrow_mut().wire_mut(wire).deliver(out);
        *out = rest;
    }

    /// A peer reads part of what it was sent.
    pub(super) fn take_part(&mut self, wire: WireId) -> Vec<u8> {
        let most = self.part(1 << 16);
        self.stage.world.borrow_mut().wire_mut(wire).take(most);
        self.stage.heard_bytes(wire)
    }

    pub(super) fn end(&mut self, wire: WireId) {
        self.stage.world.borrow_mut().wire_mut(wire).end();
    }

    pub(super) fn reset(&mut self, wire: WireId) {
        let loses = self.chance(2);
        self.stage.world.borrow_mut().wire_mut(wire).reset(loses);
    }

    /// Returns whether a peer may still send on its connection.
    pub(super) fn may_send(&self, wire: WireId) -> bool {
        self.stage.world.borrow().wire(wire).may_send()
    }

    /// The connections the server has opened since `known` wires were known.
    pub(super) fn new_links(&mut self, known: &mut usize) -> Vec<WireId> {
        let links = self.stage.backend_conns();
        let news: Vec<WireId> = links.iter().skip(*known).map(|(id, _)| *id).collect();
        *known = links.len();
        for wire in &news {
            self.narrow(*wire);
        }
        news
    }

    /// Settles a connection that is being established. Returns whether it is usable.
    pub(super) fn open(&mut self, wire: WireId) -> bool {
        if !self.stage.world.borrow().wire(wire).is_opening() {
            return true;
        }
        if self.mishap(4) {
            self.stage.world.borrow_mut().wire_mut(wire).refuse();
        } else if !self.mishap(8) && self.chance(2) {
            self.stage.world.borrow_mut().wire_mut(wire).establish();
        }
        false
    }

    /// Lets go: the peers are gone and hours pass. Nothing may be left of anything.
    pub(super) fn leave(&mut self) {
        let ids: Vec<WireId> = self.stage.world.borrow().ids().collect();
        for wire in ids {
            let (opening, sends) = {
                let world = self.stage.world.borrow();
                let wire = world.wire(wire);
                (wire.is_opening(), wire.may_send())
            };
            match self.rng.below(3) {
                _ if opening => self.stage.world.borrow_mut().wire_mut(wire).refuse(),
                0 if sends => self.reset(wire),
                1 if sends => self.end(wire),
                // It stays and does nothing more.
                _ => {}
            }
        }
        for number in 0..self.backends {
            let mut world = self.stage.world.borrow_mut();
            world.dial(backend(number), Dial::Refused);
        }
        for _ in 0..6 {
            self.stage.run();
            self.stage.seconds(3600);
        }
        invariants::check_empty(&self.stage.proxy);
    }
}
