//! A backend moves on in its life, and all that hangs on its state with it: its candidate, its
//! ramp, what is held against it, what the strategy remembers of it.
//!
//! Every change is told as one [`StateChange`]. Which event it was that moved it, and whether it
//! may, is for the life cycle and the judgement to say.

use super::backends::Backend;
use super::latency_outlier::LatencyOutlier;
use super::life_cycle::Event;
use super::outlier::OutlierDetector;
use super::{Backends, Cause, State, StateChange};
use crate::time::Timestamp;
use std::mem;

/// Changes kept until somebody takes them.
const MAX_CHANGES: usize = 4096;

impl Backends {
    /// Takes what has changed since the last time, in order.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        mem::take(&mut self.changes)
    }

    /// Moves a backend on in its life, and its candidate with it.
    pub(super) fn advance(&mut self, slot: usize, event: Event, cause: Cause, now: Timestamp) {
        let Some(backend) = self.backends.get(slot) else {
            return;
        };
        let from = backend.state;
        let to = from.after(event, self.policy.slow_start, now);
        if self.sharing.is_some() && !self.may_move(slot, [from, to], event, cause) {
            return;
        }
        self.enter(slot, to, now);
        self.next_change = self.next_change.min(to.ends_at());
        if mem::discriminant(&from) != mem::discriminant(&to) {
            self.tell(slot, from, to, cause, now);
        }
    }

    /// Puts a backend into a state, which it came to at `at`.
    pub(super) fn enter(&mut self, slot: usize, state: State, at: Timestamp) {
        let (Some(candidate), Some(backend)) =
            (self.candidates.get_mut(slot), self.backends.get_mut(slot))
        else {
            return;
        };
        let from = mem::replace(&mut backend.state, state);
        backend.is_barred = false;
        backend.judge(candidate);
        if mem::discriminant(&from) == mem::discriminant(&state) {
            return;
        }
        backend.entered(state, at);
        match state {
            State::Probation { .. } => {
                // It has served its time; what a strategy holds against it is from before.
                self.strategy.cleared(candidate.id);
                self.ramps.try_out(slot);
            }
            State::SlowStart { .. } => self.ramps.begin(slot, at, self.policy.slow_start),
            State::Initial | State::Healthy | State::Ejected { .. } => self.ramps.end(slot),
            State::Draining | State::Disabled | State::Removed => self.ramps.end(slot),
        }
    }

    pub(super) fn tell(
        &mut self,
        slot: usize,
        from: State,
        to: State,
        cause: Cause,
        now: Timestamp,
    ) {
        if self.changes.len() >= MAX_CHANGES {
            self.missed_changes += 1;
        } else if let (Some(candidate), Some(backend)) =
            (self.candidates.get(slot), self.backends.get(slot))
        {
            self.changes.push(StateChange {
                at: now,
                backend: candidate.id,
                name: backend.name.clone(),
                from,
                to,
                cause,
                missed: mem::take(&mut self.missed_changes),
            });
        }
    }
}

impl Backend {
    /// It has come to another state: what was held against it in the one before counts no more.
    fn entered(&mut self, state: State, now: Timestamp) {
        self.is_spared = false;
        if state.is_out() {
            self.evidence = OutlierDetector::default();
            self.latency_outlier = LatencyOutlier::default();
        }
        if let State::Ejected { .. } = state {
            self.judged_from = now;
        }
    }
}
