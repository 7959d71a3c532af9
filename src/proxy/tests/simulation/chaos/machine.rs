//! One server that things happen to: it dies, hangs, loses its network, falls ill and recovers.

use super::super::super::super::{AdminCommand, Token};
use super::super::super::stage::{Stage, backend};
use super::super::super::wire::Wire;
use super::super::super::world::{Dial, WireId};
use super::ledger::Ledger;
use super::speech::{request_id, response, take_request};
use super::{RequestId, Rng, millis};
use crate::time::Timestamp;
use std::time::Duration;

/// The condition of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Well,
    /// It responds to every request with an error, at once.
    Sick {
        /// True if that cannot be seen from a check.
        passes_checks: bool,
    },
    /// The system accepts connections and no process reads from them, as after `kill -STOP`.
    Hung,
    /// Nothing gets through, in either direction, and nothing reports it.
    Unplugged,
    /// The process is gone, as after `kill -9`.
    Dead,
}

/// A server, and what was done to it.
pub(super) struct Machine {
    number: usize,
    condition: Condition,
    /// True if the operator lets it take part.
    is_wanted: bool,
    /// Time at which the operator has its exchanges cut off, if it is to be removed.
    cut_off_at: Option<Timestamp>,
    connections: Vec<Connection>,
    /// Time of its last death.
    dead_at: Option<Timestamp>,
    /// Time at which it was last unplugged.
    unplugged_at: Option<Timestamp>,
    /// Time at which it last was anything but well.
    unwell_at: Option<Timestamp>,
    /// Since when it has been well, and the operator wanted it.
    steady_since: Timestamp,
}

struct Connection {
    wire: WireId,
    /// Time at which its end reaches the proxy, if the machine has died.
    dies_at: Option<Timestamp>,
    unread: String,
    asked: Option<Asked>,
}

/// A request, or a check, that waits for its response.
struct Asked {
    id: Option<RequestId>,
    /// Parts still to be sent, in reverse order.
    parts: Vec<String>,
    next_at: Timestamp,
}

impl Connection {
    /// Sends the next part of a response, if it is due.
    fn speak(&mut self, wire: &mut Wire, ledger: &mut Ledger, now: Timestamp) {
        if self.dies_at.is_some() {
            return;
        }
        let Some(mut asked) = self.asked.take_if(|asked| asked.next_at <= now) else {
            return;
        };
        let part = asked.parts.pop().expect("a response");
        wire.deliver(part.as_bytes());
        if asked.parts.is_empty() {
            return;
        }
        if let Some(id) = asked.id {
            ledger.begun(id);
        }
        asked.next_at = now + Duration::from_millis(7);
        self.asked = Some(asked);
    }
}

impl Machine {
    pub(super) fn new(number: usize, now: Timestamp) -> Self {
        Self {
            number,
            condition: Condition::Well,
            is_wanted: true,
            cut_off_at: None,
            connections: Vec::new(),
            dead_at: None,
            unplugged_at: None,
            unwell_at: None,
            steady_since: now,
        }
    }

    pub(super) fn condition(&self) -> Condition {
        self.condition
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Returns whether it is removed, or to be.
    pub(super) fn is_to_go(&self) -> bool {
        self.cut_off_at.is_some()
    }

    /// Returns whether what was in flight there at `then` may have been cut off by `now`.
    pub(super) fn was_cut_off(&self, then: Timestamp, now: Timestamp) -> bool {
        self.cut_off_at.is_some_and(|at| at >= then && at <= now)
    }

    /// Returns whether it was dead at any time since `then`.
    pub(super) fn was_dead_since(&self, then: Timestamp) -> bool {
        self.condition == Condition::Dead || self.dead_at.is_some_and(|at| at >= then)
    }

    /// Returns whether it was unplugged at any time since `then`.
    pub(super) fn was_unplugged_since(&self, then: Timestamp) -> bool {
        let was = self.unplugged_at.is_some_and(|at| at >= then);
        self.condition == Condition::Unplugged || was
    }

    /// Returns whether it was anything but well at any time since `then`.
    pub(super) fn was_unwell_since(&self, then: Timestamp) -> bool {
        self.condition != Condition::Well || self.unwell_at.is_some_and(|at| at >= then)
    }

    /// Returns whether it was well, and the operator wanted it, all the time since `then`.
    pub(super) fn is_steady_since(&self, then: Timestamp) -> bool {
        self.is_wanted && self.condition == Condition::Well && self.steady_since <= then
    }

    fn responds(&self) -> bool {
        matches!(self.condition, Condition::Well | Condition::Sick { .. })
    }

    /// Returns when it does something next.
    pub(super) fn due(&self) -> Timestamp {
        let responds = self.responds();
        let connections = self.connections.iter();
        let due = connections.map(|connection| match (connection.dies_at, &connection.asked) {
            (Some(dies_at), _) => dies_at,
            (None, Some(asked)) if responds => asked.next_at,
            (None, _) => Timestamp::NEVER,
        });
        due.min().unwrap_or(Timestamp::NEVER)
    }

    /// Exchanges that the server must count here, as far as can be seen from outside.
    pub(super) fn in_flight(&self, stage: &Stage) -> usize {
        let world = stage.world.borrow();
        let connections = self.connections.iter();
        let serving = connections.filter(|connection| {
            let wire = world.wire(connection.wire);
            let is_link = matches!(wire.token(), Some(Token::BackendConn(_)));
            is_link && (wire.is_opening() || connection.asked.is_some())
        });
        serving.count()
    }
}

/// Events that change it.
impl Machine {
    pub(super) fn ordered(&mut self, order: AdminCommand, now: Timestamp) {
        match order {
            AdminCommand::Drain | AdminCommand::Disable => self.is_wanted = false,
            AdminCommand::Remove(drain) => {
                self.is_wanted = false;
                self.cut_off_at = Some(now + drain);
            }
            AdminCommand::Enable if !self.is_wanted => {
                self.is_wanted = true;
                self.cut_off_at = None;
                self.steady_since = now;
            }
            // No operator of the chaos says how well a backend is: it would hide what is tested.
            AdminCommand::Enable | AdminCommand::Hold(_) => {}
            AdminCommand::Weight(_) | AdminCommand::MaxConnections(_) => {}
        }
    }

    pub(super) fn become_of(
        &mut self,
        condition: Condition,
        stage: &Stage,
        rng: &mut Rng,
        now: Timestamp,
    ) {
        if self.condition == condition {
            return;
        }
        match self.condition {
            Condition::Dead => self.dead_at = Some(now),
            Condition::Unplugged => self.unplugged_at = Some(now),
            Condition::Well | Condition::Sick { .. } | Condition::Hung => {}
        }
        if self.condition != Condition::Well {
            self.unwell_at = Some(now);
        }
        (self.condition, self.steady_since) = (condition, now);
        let dial = match condition {
            Condition::Well | Condition::Sick { .. } | Condition::Hung => Dial::AtOnce,
            Condition::Unplugged => Dial::Later,
            Condition::Dead => Dial::Refused,
        };
        stage.world.borrow_mut().dial(backend(self.number), dial);
        match condition {
            Condition::Dead => self.die(stage, rng, now),
            Condition::Well | Condition::Sick { .. } => self.go_on(stage, rng, now),
            Condition::Hung => self.open_all(stage),
            Condition::Unplugged => {}
        }
    }

    /// Ends its connections: the proxy sees it now or soon.
    fn die(&mut self, stage: &Stage, rng: &mut Rng, now: Timestamp) {
        let mut world = stage.world.borrow_mut();
        for connection in &mut self.connections {
            let wire = world.wire_mut(connection.wire);
            if wire.is_opening() {
                wire.refuse();
            } else {
                connection.dies_at.get_or_insert(now + millis(rng, 0, 5));
            }
        }
    }

    /// Requests that came in the meantime get their responses.
    fn go_on(&mut self, stage: &Stage, rng: &mut Rng, now: Timestamp) {
        self.open_all(stage);
        for connection in &mut self.connections {
            if let Some(asked) = &mut connection.asked {
                asked.next_at = asked.next_at.max(now + millis(rng, 1, 30));
            }
        }
    }

    fn open_all(&mut self, stage: &Stage) {
        let mut world = stage.world.borrow_mut();
        for connection in &self.connections {
            let wire = world.wire_mut(connection.wire);
            if wire.is_opening() {
                wire.establish();
            }
        }
    }
}

/// Its actions.
impl Machine {
    /// The server has connected to it.
    pub(super) fn accept(&mut self, wire: WireId) {
        self.connections.push(Connection {
            wire,
            dies_at: None,
            unread: String::new(),
            asked: None,
        });
    }

    /// Does all that is due.
    pub(super) fn act(&mut self, stage: &Stage, ledger: &mut Ledger) {
        let now = stage.now;
        let responds = self.responds();
        let mut world = stage.world.borrow_mut();
        self.connections.retain_mut(|connection| {
            let wire = world.wire_mut(connection.wire);
            if wire.is_closed() {
                return false;
            }
            if connection.dies_at.is_some_and(|at| at <= now) {
                wire.reset(true);
                return false;
            }
            if responds {
                connection.speak(wire, ledger, now);
            }
            true
        });
    }

    /// Looks at what it was sent. Where it cannot read, the bytes are on their way, and the
    /// ledger knows of them all the same.
    pub(super) fn listen(&mut self, stage: &Stage, rng: &mut Rng, ledger: &mut Ledger) {
        for connection in &mut self.connections {
            let bytes = stage.heard_bytes(connection.wire);
            connection.unread += std::str::from_utf8(&bytes).expect("text");
            let Some(request) = take_request(&mut connection.unread) else {
                continue;
            };
            assert!(connection.asked.is_none(), "asked before it has responded");
            let id = request_id(&request);
            if let Some(id) = id {
                ledger.reached(id, self.number, stage.now);
            }
            let parts = response(self.condition, id, rng);
            let takes = match (self.condition, rng.below(300)) {
                (Condition::Sick { .. }, _) => millis(rng, 0, 1),
                (_, 0) if id.is_some() => millis(rng, 1_000, 4_000),
                _ => millis(rng, 1, 30),
            };
            let next_at = stage.now + takes;
            connection.asked = Some(Asked { id, parts, next_at });
        }
    }
}
