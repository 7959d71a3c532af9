//! Subscribers to the events of a loop: state changes of backends, heartbeats, learned limits,
//! stalls.
//!
//! Delivery never waits. A subscriber that is too slow misses events, and one that has gone is
//! forgotten.

use crate::heartbeat::HeartbeatEvent;
use crate::pool::{LimitChange, StateChange};
use crate::telemetry::Stall;
use std::sync::mpsc::{SyncSender, TrySendError};

/// All subscribers.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    of_changes: Vec<Told>,
    of_notices: Vec<SyncSender<HeartbeatEvent>>,
    of_limits: Vec<SyncSender<LimitChange>>,
    of_stalls: Vec<SyncSender<Stall>>,
}

/// A subscriber to changes, and the number of changes it has missed.
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

    pub(super) fn add_for_limits(&mut self, limits: SyncSender<LimitChange>) {
        self.of_limits.push(limits);
    }

    pub(super) fn add_for_stalls(&mut self, stalls: SyncSender<Stall>) {
        self.of_stalls.push(stalls);
    }

    /// The change that is delivered next carries the number of missed ones.
    pub(super) fn tell_changes(&mut self, changes: Vec<StateChange>) {
        for change in changes {
            self.of_changes.retain_mut(|told| told.tell(&change));
        }
    }

    /// Missed events are counted all the same.
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

    /// A subscriber with a full queue misses some.
    pub(super) fn tell_limits(&mut self, changes: Vec<LimitChange>) {
        for change in changes {
            let is_there = |told: &SyncSender<_>| {
                !matches!(told.try_send(change), Err(TrySendError::Disconnected(_)))
            };
            self.of_limits.retain(is_there);
        }
    }

    /// A subscriber with a full queue misses this one.
    pub(super) fn tell_stall(&mut self, stall: Stall) {
        let is_there = |told: &SyncSender<_>| {
            !matches!(told.try_send(stall), Err(TrySendError::Disconnected(_)))
        };
        self.of_stalls.retain(is_there);
    }
}

impl Told {
    /// Returns whether a subscriber is left.
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
