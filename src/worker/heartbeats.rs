//! The phase in which heartbeats are taken.
//!
//! The first of several workers listens to them; the others have nothing to do here.

use super::accept::{SHORTAGE_PAUSE, is_shortage};
use super::event_loop::EventLoop;
use crate::telemetry::TurnPhase;
use crate::time::Timestamp;

impl EventLoop {
    /// When heartbeats that have come in can be taken, if any have.
    pub(super) fn heartbeats_due(&self) -> Option<Timestamp> {
        let heartbeats = self.heartbeats.as_ref()?;
        if heartbeats.has_datagrams() {
            return Some(Timestamp::ZERO);
        }
        heartbeats.has_connections().then_some(self.accepts_from)
    }

    /// Takes heartbeats, and connections that bring them. Returns the time when that is done.
    pub(super) fn hear(&mut self, now: Timestamp) -> Timestamp {
        let is_due = self.heartbeats_due().is_some_and(|due| due <= now);
        let Some(heartbeats) = self.heartbeats.as_mut().filter(|_| is_due) else {
            return now;
        };
        heartbeats.take_datagrams(&mut self.proxy, now);
        if now >= self.accepts_from
            && let Err(error) = heartbeats.take_connections(&mut self.proxy, now)
            && is_shortage(&error)
        {
            self.accepts_from = now + SHORTAGE_PAUSE;
        }
        self.mark(TurnPhase::Heartbeats)
    }

    /// Heartbeats are compared with the wall clock, which may be set at any time.
    pub(super) fn keep_wall_clock(&mut self, now: Timestamp) {
        if self.heartbeats.is_some() {
            self.proxy.set_wall_clock(self.clock.wall(), now);
        }
    }
}
