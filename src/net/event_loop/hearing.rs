//! Heartbeats in the loop: taken each turn, and what people should know of them passed on.
//!
//! The first of several workers listens; the others have nothing to do here.

use super::{EventLoop, SHORTAGE_PAUSE, is_shortage};
use crate::time::Timestamp;
use std::sync::mpsc::TrySendError;

impl EventLoop {
    /// When heartbeats that have come in can be taken, if any have.
    pub(super) fn heartbeats_due(&self) -> Option<Timestamp> {
        let heartbeats = self.heartbeats.as_ref()?;
        if heartbeats.has_datagrams() {
            return Some(Timestamp::ZERO);
        }
        heartbeats.has_connections().then_some(self.accepts_from)
    }

    /// Takes heartbeats, and connections that bring them.
    pub(super) fn hear(&mut self) {
        let Some(heartbeats) = &mut self.heartbeats else {
            return;
        };
        let now = self.clock.now();
        heartbeats.take_datagrams(&mut self.server, now);
        if now >= self.accepts_from
            && let Err(error) = heartbeats.take_connections(&mut self.server, now)
            && is_shortage(&error)
        {
            self.accepts_from = now + SHORTAGE_PAUSE;
        }
    }

    /// Heartbeats are compared with the wall clock, which may be set at any time.
    pub(super) fn keep_wall_clock(&mut self) {
        if self.heartbeats.is_some() {
            self.server
                .set_wall_clock(self.clock.wall(), self.clock.now());
        }
    }

    /// Whoever does not listen fast enough misses notices; all are counted in the snapshot.
    pub(super) fn tell_notices(&mut self) {
        for notice in self.server.take_notices() {
            self.notified.retain(|notices| {
                let told = notices.try_send(notice.clone());
                !matches!(told, Err(TrySendError::Disconnected(_)))
            });
        }
    }
}
