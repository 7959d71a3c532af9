//! All targets of a monitor: results of checks go in, events for the user come out.
//!
//! It knows neither sockets nor clocks, nor when a target is checked: that is the
//! [`Checker`](crate::health::Checker)'s. Invariant: each finished check makes exactly one event,
//! and a second one if it changes the state of its target.

use super::target_health::TargetHealth;
use super::{MonitorEvent, MonitorReport, TargetEvent};
use crate::config::Plan;
use crate::health::CheckFinished;
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

/// Names a target: its place in the order in which they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TargetId(pub(super) usize);

/// All targets.
#[derive(Debug)]
pub(super) struct Targets {
    targets: Vec<TargetHealth>,
    /// Checks of each target, if it is not to be checked for ever.
    count: Option<u64>,
    /// Targets that will be checked again.
    unfinished: usize,
    events: Vec<MonitorEvent>,
    /// The wall-clock time at [`Timestamp::ZERO`], since the Unix epoch.
    wall_at_zero: Duration,
}

impl Targets {
    /// Targets of which nothing is known yet.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, plan: &Plan) -> Self {
        let targets: Vec<_> = names
            .map(|name| TargetHealth::new(name, plan.rise))
            .collect();
        Self {
            unfinished: targets.len(),
            targets,
            count: plan.count,
            events: Vec::new(),
            wall_at_zero: Duration::ZERO,
        }
    }

    /// Sets the time of the wall clock at `now`.
    pub(super) fn set_wall_clock(&mut self, wall: Duration, now: Timestamp) {
        self.wall_at_zero = wall.saturating_sub(now.since(Timestamp::ZERO));
    }

    /// Returns whether every target was checked as often as it should be.
    pub(super) const fn are_done(&self) -> bool {
        self.unfinished == 0
    }

    /// Takes note of a finished check. Returns whether it was the last of its target.
    pub(super) fn checked(&mut self, finished: &CheckFinished<TargetId>) -> bool {
        let Some(target) = self.targets.get_mut(finished.key.0) else {
            return true;
        };
        let (event, change) = target.checked(finished);
        let is_last = self.count.is_some_and(|count| target.checks() >= count);
        self.unfinished -= usize::from(is_last);
        for kind in [Some(event), change].into_iter().flatten() {
            self.push_event(finished.key, kind, finished.ended_at);
        }
        is_last
    }

    /// Takes the events since the last time, in order.
    pub(super) fn take_events(&mut self) -> Vec<MonitorEvent> {
        mem::take(&mut self.events)
    }

    /// States and totals as of `now`.
    pub(super) fn report(&self, now: Timestamp) -> MonitorReport {
        let targets = self.targets.iter();
        MonitorReport {
            targets: targets.map(|target| target.report(now)).collect(),
        }
    }

    fn push_event(&mut self, id: TargetId, kind: TargetEvent, now: Timestamp) {
        if let Some(target) = self.targets.get(id.0) {
            self.events.push(MonitorEvent {
                wall: self.wall_at_zero + now.since(Timestamp::ZERO),
                target: target.name.clone(),
                kind,
            });
        }
    }
}

#[cfg(test)]
mod tests;
