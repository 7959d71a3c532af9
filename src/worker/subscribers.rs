//! Who is told of what happens in a loop: changes in the lives of backends, heartbeats, stalls.
//!
//! Telling never waits. Whoever does not listen fast enough misses something, and whoever listens
//! no longer is forgotten.

use crate::heartbeat::HeartbeatEvent;
use crate::pool::StateChange;
use crate::telemetry::Stall;
use std::sync::mpsc::{SyncSender, TrySendError};

/// Those who asked to be told.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    of_changes: Vec<Told>,
    of_notices: Vec<SyncSender<HeartbeatEvent>>,
    of_stalls: Vec<SyncSender<Stall>>,
}

/// Who is told of changes, and how many he has missed.
#[derive(Debug)]
struct Told {
    changes: SyncSender<StateChange>,
    missed: u64,
}

impl Subscribers {
    pub(super) fn add(&mut self, changes: SyncSender<StateChange>) {
        self.of_changes.push(Told { changes, missed: 0 });
    }

    pub(super) fn add_for_notices(&mut self, heartbeat_events: SyncSender<HeartbeatEvent>) {
        self.of_notices.push(heartbeat_events);
    }

    pub(super) fn add_for_stalls(&mut self, stalls: SyncSender<Stall>) {
        self.of_stalls.push(stalls);
    }

    /// With the change that is delivered next, it is told how many were missed.
    pub(super) fn tell_changes(&mut self, changes: Vec<StateChange>) {
        for change in changes {
            self.of_changes.retain_mut(|told| told.tell(&change));
        }
    }

    /// What is missed is counted all the same.
    pub(super) fn tell_heartbeat_events(&mut self, heartbeat_events: Vec<HeartbeatEvent>) {
        for notice in heartbeat_events {
            let is_there = |told: &SyncSender<_>| {
                !matches!(
                    told.try_send(notice.clone()),
                    Err(TrySendError::Disconnected(_))
                )
            };
            self.of_notices.retain(is_there);
        }
    }

    /// Whoever has not taken the last ones yet knows enough.
    pub(super) fn tell_stall(&mut self, stall: Stall) {
        let is_there = |told: &SyncSender<_>| {
            !matches!(told.try_send(stall), Err(TrySendError::Disconnected(_)))
        };
        self.of_stalls.retain(is_there);
    }
}

impl Told {
    /// Returns whether there is still somebody.
    fn tell(&mut self, change: &StateChange) -> bool {
        let mut change = change.clone();
        change.missed += self.missed;
        match self.changes.try_send(change) {
            Ok(()) => self.missed = 0,
            Err(TrySendError::Full(_)) => self.missed += 1,
            Err(TrySendError::Disconnected(_)) => return false,
        }
        true
    }
}
