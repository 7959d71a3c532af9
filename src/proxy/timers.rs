//! The deadlines of connections and exchanges, on one timer wheel.
//!
//! Deadlines live here by slot, not with their owners: a slot that is reused finds its entry on the
//! wheel still armed, so connections that come and go do not fill the wheel. Clearing a deadline
//! when its owner goes is the invariant that makes a fired one belong to the slot's occupant.

use crate::ids::{BackendConnId, ClientConnId, ExchangeId};
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired, Wheel};
use std::time::Duration;

/// The purpose of an entry of the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The slot of a client connection.
    Client(u32),
    /// The slot of a backend connection.
    Backend(u32),
    /// The slot of an exchange.
    Exchange(u32),
    /// All health checks, which keep their own deadlines.
    HealthChecks,
    /// All heartbeats, which keep their own deadlines.
    Heartbeats,
}

impl From<ClientConnId> for Timer {
    fn from(id: ClientConnId) -> Self {
        Self::Client(id.slot() as u32)
    }
}

impl From<BackendConnId> for Timer {
    fn from(id: BackendConnId) -> Self {
        Self::Backend(id.slot() as u32)
    }
}

impl From<ExchangeId> for Timer {
    fn from(id: ExchangeId) -> Self {
        Self::Exchange(id.slot() as u32)
    }
}

/// All deadlines of a proxy.
#[derive(Debug)]
pub(super) struct Timers {
    wheel: Wheel<Timer>,
    clients: Vec<Deadline>,
    backends: Vec<Deadline>,
    exchanges: Vec<Deadline>,
    /// Entries that are due and have not been looked at. Mostly empty.
    fired: Vec<Timer>,
    /// Number of them that have been taken.
    taken: usize,
}

impl Timers {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            wheel: Wheel::new(now),
            clients: Vec::new(),
            backends: Vec::new(),
            exchanges: Vec::new(),
            fired: Vec::new(),
            taken: 0,
        }
    }

    /// Sets or moves the deadline of a connection or exchange.
    #[inline]
    pub(super) fn set(&mut self, owner: impl Into<Timer>, at: Timestamp) {
        let timer = owner.into();
        let Some((deadlines, slot)) = self.deadlines(timer) else {
            return;
        };
        if slot >= deadlines.len() {
            deadlines.resize_with(slot + 1, Deadline::new);
        }
        let armed = deadlines
            .get_mut(slot)
            .and_then(|deadline| deadline.set(at));
        if let Some(at) = armed {
            self.wheel.arm(timer, at);
        }
    }

    /// Clears the deadline of a connection or exchange.
    pub(super) fn clear(&mut self, owner: impl Into<Timer>) {
        if let Some((deadlines, slot)) = self.deadlines(owner.into())
            && let Some(deadline) = deadlines.get_mut(slot)
        {
            deadline.clear();
        }
    }

    /// Moves all deadlines of connections and exchanges later by `by`.
    pub(super) fn postpone(&mut self, by: Duration) {
        let all = [&mut self.clients, &mut self.backends, &mut self.exchanges];
        for deadline in all.into_iter().flatten() {
            deadline.postpone(by);
        }
    }

    /// Returns when a client connection is due; [`Timestamp::NEVER`] if it has no deadline.
    pub(super) fn at(&self, client: ClientConnId) -> Timestamp {
        let deadline = self.clients.get(client.slot());
        deadline.map_or(Timestamp::NEVER, Deadline::at)
    }

    /// Arms the wheel for an owner that keeps its own deadline.
    pub(super) fn arm(&mut self, timer: Timer, at: Timestamp) {
        self.wheel.arm(timer, at);
    }

    /// Gets the due entries of the wheel ready for [`next_fired`](Self::next_fired).
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.wheel.expire(now, &mut self.fired);
    }

    /// Takes the next due entry.
    pub(super) fn next_fired(&mut self) -> Option<Timer> {
        let next = self.fired.get(self.taken).copied();
        match next {
            Some(_) => self.taken += 1,
            None => {
                self.fired.clear();
                self.taken = 0;
            }
        }
        next
    }

    /// Returns whether the deadline behind an entry of the wheel is due; if it was moved, the
    /// wheel is armed again. For an owner that keeps its own deadline, always true.
    pub(super) fn is_due(&mut self, timer: Timer, now: Timestamp) -> bool {
        let Some((deadlines, slot)) = self.deadlines(timer) else {
            return true;
        };
        match deadlines.get_mut(slot).map(|deadline| deadline.fired(now)) {
            None | Some(Fired::Idle) => false,
            Some(Fired::Due) => true,
            Some(Fired::Rearm(at)) => {
                self.wheel.arm(timer, at);
                false
            }
        }
    }

    /// Returns the time at which the next entry of the wheel comes out.
    pub(super) fn next_wakeup(&self) -> Timestamp {
        self.wheel.next_wakeup().unwrap_or(Timestamp::NEVER)
    }

    /// Returns whether the time of any entry may have come.
    pub(super) fn is_any_due(&self, now: Timestamp) -> bool {
        self.taken < self.fired.len() || self.wheel.is_behind(now)
    }

    /// Entries on the wheel.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.wheel.len()
    }

    #[inline]
    fn deadlines(&mut self, timer: Timer) -> Option<(&mut Vec<Deadline>, usize)> {
        let (deadlines, slot) = match timer {
            Timer::Client(slot) => (&mut self.clients, slot),
            Timer::Backend(slot) => (&mut self.backends, slot),
            Timer::Exchange(slot) => (&mut self.exchanges, slot),
            Timer::HealthChecks | Timer::Heartbeats => return None,
        };
        Some((deadlines, slot as usize))
    }
}
