//! The scheduler of checks: many targets, each checked again and again.
//!
//! Events, opened sockets and `now` go in; [`CheckAction`]s come out. The owner calls
//! [`next_action`](Checker::next_action) until there is none, after each event and at each
//! [`next_wakeup`](Checker::next_wakeup), and opens the sockets it requests. Checks use sockets of
//! their own, so that they neither wait for traffic nor disturb it.
//!
//! Invariant: each target has at most one check under way, and each check that began ends in
//! exactly one [`CheckFinished`], unless it is postponed or its target removed.

mod action;
mod target;

pub use action::{CheckAction, CheckFinished, CheckId, OpenSocket};

use super::schedule::{CheckSchedule, NextCheck};
use super::{CheckFailure, CheckResult, CheckTarget};
use crate::time::Timestamp;
use crate::timers::{Fired, Wheel};
use crate::transport::{Readiness, Transport};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::time::Duration;
use target::{Phase, Progress, Shortage, Target};

/// The time after which a socket that was not to be had is asked for again.
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The checks of many targets. `K` is what the owner calls a target, `T` a socket.
#[derive(Debug)]
pub struct Checker<K, T> {
    targets: HashMap<CheckId, Target<K, T>>,
    wheel: Wheel<CheckId>,
    fired: Vec<CheckId>,
    /// Targets that wait for a socket. One that needs none any more is passed over.
    opens: VecDeque<CheckId>,
    finished: VecDeque<CheckFinished<K>>,
    next_id: u32,
}

/// Targets.
impl<K: Copy + PartialEq, T: Transport> Checker<K, T> {
    /// A checker without targets.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            targets: HashMap::new(),
            wheel: Wheel::new(now),
            fired: Vec::new(),
            opens: VecDeque::new(),
            finished: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Adds a target, to be checked for the first time at a moment of the first interval that
    /// `seed` decides.
    pub fn add(&mut self, key: K, spec: CheckTarget, seed: u64, now: Timestamp) -> CheckId {
        let mut schedule = CheckSchedule::new(seed);
        let first = schedule.first(&spec.timing, now);
        self.insert(key, spec, schedule, seed, first)
    }

    /// Adds a target, to be checked for the first time at `first`.
    pub fn add_at(&mut self, key: K, spec: CheckTarget, seed: u64, first: Timestamp) -> CheckId {
        let first = NextCheck {
            planned: first,
            soonest: first,
        };
        self.insert(key, spec, CheckSchedule::new(seed), seed, first)
    }

    fn insert(
        &mut self,
        key: K,
        spec: CheckTarget,
        schedule: CheckSchedule,
        seed: u64,
        first: NextCheck,
    ) -> CheckId {
        let id = CheckId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut target = Target::new(key, spec, schedule, seed);
        target.soonest = first.soonest;
        self.targets.insert(id, target);
        self.set_deadline(id, first.planned);
        id
    }

    /// Ends the checks of a target. Its connection, if there is one, is closed.
    pub fn remove(&mut self, id: CheckId) {
        self.targets.remove(&id);
    }

    /// Ends the checks of the target with this name, if it is checked.
    pub fn forget(&mut self, key: K) {
        if let Some(id) = self.find(key) {
            self.remove(id);
        }
    }

    /// Ends the checks of all targets.
    pub fn clear(&mut self) {
        self.targets.clear();
        self.opens.clear();
        self.finished.clear();
    }

    /// Moves the deadlines of all targets later by `by`: nothing was read for that long.
    pub fn postpone_all(&mut self, by: Duration) {
        for target in self.targets.values_mut() {
            target.deadline.postpone(by);
        }
    }

    /// Returns whether a target of this name is checked.
    pub fn contains(&self, key: K) -> bool {
        self.find(key).is_some()
    }

    /// Brings the next check of a target forward, to a quarter of the interval after the last.
    pub fn hasten(&mut self, key: K, now: Timestamp) {
        if let Some(id) = self.find(key)
            && let Some(target) = self.targets.get(&id)
            && let Phase::Resting = target.phase
        {
            let soon = target.deadline.at().min(target.soonest);
            self.set_deadline(id, soon.max(now));
        }
    }

    /// Looks at every target; called for the rare cases only.
    fn find(&self, key: K) -> Option<CheckId> {
        let mut targets = self.targets.iter();
        let (id, _) = targets.find(|(_, target)| target.key == key)?;
        Some(*id)
    }
}

/// Time.
impl<K: Copy + PartialEq, T: Transport> Checker<K, T> {
    /// Returns when [`expire`](Self::expire) and [`next_action`](Self::next_action) have something
    /// to do; `None`: only after events.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        match self.opens.is_empty() && self.finished.is_empty() {
            true => self.wheel.next_wakeup(),
            false => Some(Timestamp::ZERO),
        }
    }

    /// Begins checks that are due, and ends those that took too long.
    pub fn expire(&mut self, now: Timestamp) {
        let mut fired = mem::take(&mut self.fired);
        self.wheel.expire(now, &mut fired);
        for id in fired.drain(..) {
            let Some(target) = self.targets.get_mut(&id) else {
                continue;
            };
            match target.deadline.fired(now) {
                Fired::Idle => {}
                Fired::Rearm(at) => self.wheel.arm(id, at),
                Fired::Due => self.deadline_passed(id, now),
            }
        }
        self.fired = fired;
    }

    fn deadline_passed(&mut self, id: CheckId, now: Timestamp) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let (progress, is_connected) = match &target.phase {
            Phase::Resting => {
                target.phase = Phase::Due;
                return self.opens.push_back(id);
            }
            Phase::Due => return,
            Phase::Opening(progress) | Phase::Short(progress, _) => (*progress, false),
            Phase::Open(progress, attempt) => (*progress, attempt.is_connected()),
        };
        let count = target.spec.addresses.len();
        let is_over = now >= progress.started_at + target.spec.timing.timeout;
        if let Phase::Short(_, shortage) = target.phase {
            match (is_over, shortage) {
                (false, _) => {
                    target.phase = Phase::Opening(progress);
                    return self.opens.push_back(id);
                }
                (true, Shortage::Own) => return self.postpone(id, now),
                (true, Shortage::Target) => {}
            }
        }
        if !is_over && !is_connected && progress.tried + 1 < count {
            return self.try_next_address(id, now);
        }
        if !is_connected {
            target.order.timed_out(count);
        }
        self.finish(id, Err(CheckFailure::Timeout), now);
    }

    fn set_deadline(&mut self, id: CheckId, at: Timestamp) {
        if let Some(target) = self.targets.get_mut(&id)
            && let Some(at) = target.deadline.set(at)
        {
            self.wheel.arm(id, at);
        }
    }
}

/// One check.
impl<K: Copy + PartialEq, T: Transport> Checker<K, T> {
    /// The next action. A check whose first socket is requested begins at `now`.
    pub fn next_action(&mut self, now: Timestamp) -> Option<CheckAction<K>> {
        loop {
            if let Some(finished) = self.finished.pop_front() {
                return Some(CheckAction::Finished(finished));
            }
            let id = self.opens.pop_front()?;
            if let Some(open) = self.open(id, now) {
                return Some(CheckAction::Open(open));
            }
        }
    }

    fn open(&mut self, id: CheckId, now: Timestamp) -> Option<OpenSocket<K>> {
        let target = self.targets.get_mut(&id)?;
        let progress = match target.phase {
            Phase::Due => {
                target.sequence = target.sequence.wrapping_add(1);
                Progress {
                    started_at: now,
                    tried: 0,
                }
            }
            Phase::Opening(progress) => progress,
            Phase::Resting | Phase::Short(..) | Phase::Open(..) => return None,
        };
        target.phase = Phase::Opening(progress);
        let (tried, count) = (progress.tried, target.spec.addresses.len());
        let Some((_, address)) = target.address(tried) else {
            self.finish(id, Err(CheckFailure::Unreachable), now);
            return None;
        };
        let open = OpenSocket {
            id,
            key: target.key,
            address: address.clone(),
            transport: target.spec.settings.kind.transport(),
        };
        let left = (progress.started_at + target.spec.timing.timeout).since(now);
        let share = target.order.share(tried, count, left);
        self.set_deadline(id, now + share);
        Some(open)
    }

    /// The requested socket, or the reason why there is none. Where there is none at this moment, it
    /// is asked for again until the time of the check is over: a target that has no room for so long
    /// has timed out, while a check for which our own side lacks the means is postponed.
    pub fn opened(&mut self, id: CheckId, io: io::Result<T>, scratch: &mut [u8], now: Timestamp) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let Phase::Opening(progress) = target.phase else {
            return;
        };
        let io = match io {
            Ok(io) => io,
            Err(error) => {
                return match Shortage::of(&error) {
                    Some(shortage) => self.ask_again(id, progress, shortage, now),
                    None => self.try_next_address(id, now),
                };
            }
        };
        let Some(mut attempt) = target.attempt(progress, io) else {
            return;
        };
        let result = attempt.start(scratch);
        target.phase = Phase::Open(progress, attempt);
        self.advanced(id, result, now);
    }

    /// There is no socket at this moment: asks for one a little later.
    fn ask_again(&mut self, id: CheckId, progress: Progress, shortage: Shortage, now: Timestamp) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.phase = Phase::Short(progress, shortage);
            let until = progress.started_at + target.spec.timing.timeout;
            self.set_deadline(id, until.min(now + ASKS_AGAIN_AFTER));
        }
    }

    /// Takes an event for the socket of a check.
    pub fn ready(&mut self, id: CheckId, ready: Readiness, scratch: &mut [u8], now: Timestamp) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let Phase::Open(progress, attempt) = &mut target.phase else {
            return;
        };
        let (progress, was_connected) = (*progress, attempt.is_connected());
        let result = attempt.ready(ready, scratch);
        let is_connected = attempt.is_connected() || result == Some(Ok(()));
        if is_connected && !was_connected {
            if let Some((place, _)) = target.address(progress.tried) {
                target.order.connected(place);
            }
            // The connection is there; what remains of the time is for the response.
            let until = progress.started_at + target.spec.timing.timeout;
            self.set_deadline(id, until);
        }
        self.advanced(id, result, now);
    }

    fn advanced(&mut self, id: CheckId, result: Option<CheckResult>, now: Timestamp) {
        match result {
            None => {}
            Some(Err(CheckFailure::Unreachable)) => self.try_next_address(id, now),
            Some(result) => self.finish(id, result, now),
        }
    }

    fn try_next_address(&mut self, id: CheckId, now: Timestamp) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let Some(progress) = target.progress() else {
            return;
        };
        let tried = progress.tried + 1;
        if tried >= target.spec.addresses.len() {
            return self.finish(id, Err(CheckFailure::Unreachable), now);
        }
        target.phase = Phase::Opening(Progress { tried, ..progress });
        self.opens.push_back(id);
    }

    /// Leaves a check out, without a result; the next one comes after the usual interval.
    pub fn postpone(&mut self, id: CheckId, now: Timestamp) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.phase = Phase::Resting;
            self.plan_next(id, now);
        }
    }

    fn finish(&mut self, id: CheckId, result: CheckResult, now: Timestamp) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let Some(progress) = target.progress() else {
            return;
        };
        target.phase = Phase::Resting;
        let timing = &target.spec.timing;
        let is_late = now.since(progress.started_at) > timing.timeout;
        let result = match is_late && timing.fails_late_responses {
            true => Err(CheckFailure::Timeout),
            false => result,
        };
        self.finished.push_back(CheckFinished {
            id,
            key: target.key,
            result,
            streak: target.schedule.count(result, timing),
            started_at: progress.started_at,
            ended_at: now,
        });
        self.plan_next(id, now);
    }

    fn plan_next(&mut self, id: CheckId, now: Timestamp) {
        if let Some(target) = self.targets.get_mut(&id) {
            let next = target.schedule.next(&target.spec.timing, now);
            target.soonest = next.soonest;
            self.set_deadline(id, next.planned);
        }
    }
}

#[cfg(test)]
mod tests;
