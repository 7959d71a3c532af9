//! The core of a monitor: when each target is checked, and what is told of it.
//!
//! It knows neither sockets nor clocks: it says which checks are to be begun or given up, and is
//! told when one was begun and what it found. Invariant: of each target at most one check is
//! under way, and each check that was begun ends in exactly one event that tells of it.

use super::watched::{Phase, Watched};
use super::{Event, News, Report};
use crate::config::Plan;
use crate::health::Verdict;
use crate::pool::CheckFailure;
use crate::time::Timestamp;
use crate::timers::{Fired, Wheel};
use std::mem;
use std::time::Duration;

/// Names a target: its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetId(pub(crate) usize);

/// What is to be done for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin a check as soon as possible, and say so by [`Watch::begun`].
    Begin(TargetId),
    /// Give its check up: it took too long, and counts as failed.
    GiveUp(TargetId),
}

/// All targets.
#[derive(Debug)]
pub struct Watch {
    targets: Vec<Watched>,
    plan: Plan,
    wheel: Wheel<TargetId>,
    due: Vec<TargetId>,
    /// Targets that will be checked again.
    unfinished: usize,
    events: Vec<Event>,
    /// The wall-clock time at [`Timestamp::ZERO`], since the Unix epoch.
    wall_at_zero: Duration,
}

impl Watch {
    /// Nothing is known of any target. Their first checks are spread over one interval, in the
    /// order of `names`, beginning at once.
    pub fn new<'a>(
        names: impl ExactSizeIterator<Item = &'a str>,
        plan: Plan,
        seed: u64,
        now: Timestamp,
    ) -> Self {
        let count = names.len();
        let targets = names.zip(0..);
        let targets = targets.map(|(name, nth): (_, u64)| Watched::new(name, &plan, seed ^ nth));
        let mut watch = Self {
            targets: targets.collect(),
            plan,
            wheel: Wheel::new(now),
            due: Vec::new(),
            unfinished: count,
            events: Vec::new(),
            wall_at_zero: Duration::ZERO,
        };
        let share = plan.interval / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut first = now;
        for nth in 0..count {
            watch.set_deadline(TargetId(nth), first);
            first = first + share;
        }
        watch
    }

    /// Tells what the wall clock shows at `now`.
    pub fn set_wall_clock(&mut self, wall: Duration, now: Timestamp) {
        self.wall_at_zero = wall.saturating_sub(now.since(Timestamp::ZERO));
    }

    /// When [`pass_time`](Self::pass_time) has something to do, at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.wheel.next_wakeup()
    }

    /// Whether every target was checked as often as it should be.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.unfinished == 0
    }

    /// What is to be done, now that it is so late.
    pub fn pass_time(&mut self, now: Timestamp) -> Vec<Step> {
        let mut due = mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        let steps = due.drain(..).filter_map(|id| self.fired(id, now));
        let steps = steps.collect();
        self.due = due;
        steps
    }

    fn fired(&mut self, id: TargetId, now: Timestamp) -> Option<Step> {
        let target = self.targets.get_mut(id.0)?;
        match target.deadline.fired(now) {
            Fired::Idle => None,
            Fired::Rearm(at) => {
                self.wheel.arm(id, at);
                None
            }
            Fired::Due => match target.phase {
                Phase::Resting => {
                    target.phase = Phase::Due;
                    Some(Step::Begin(id))
                }
                Phase::Checking { .. } => {
                    self.checked(id, Err(CheckFailure::Timeout), now);
                    Some(Step::GiveUp(id))
                }
                Phase::Due | Phase::Done => None,
            },
        }
    }

    /// A check is begun at `now`.
    pub fn begun(&mut self, id: TargetId, now: Timestamp) {
        if let Some(target) = self.targets.get_mut(id.0)
            && target.phase == Phase::Due
        {
            target.phase = Phase::Checking { since: now };
            self.set_deadline(id, now + self.plan.timeout);
        }
    }

    /// The check that was begun is over. One that took too long has failed, whatever it found.
    pub fn checked(&mut self, id: TargetId, verdict: Verdict, now: Timestamp) {
        let Some(target) = self.targets.get_mut(id.0) else {
            return;
        };
        let Phase::Checking { since } = target.phase else {
            return;
        };
        let verdict = match now.since(since) > self.plan.timeout {
            true => Err(CheckFailure::Timeout),
            false => verdict,
        };
        let (news, change) = target.checked(verdict, since, now);
        self.tell(id, news, now);
        if let Some(change) = change {
            self.tell(id, change, now);
        }
        self.plan_next(id, now);
    }

    /// The check could not be begun for lack of means of our own: it counts for nothing.
    pub fn postponed(&mut self, id: TargetId, now: Timestamp) {
        self.plan_next(id, now);
    }

    /// Takes what is to be told, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        mem::take(&mut self.events)
    }

    /// How all targets stand.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> Report {
        let targets = self.targets.iter();
        Report {
            targets: targets.map(|target| target.report(now)).collect(),
        }
    }

    fn plan_next(&mut self, id: TargetId, now: Timestamp) {
        let Some(target) = self.targets.get_mut(id.0) else {
            return;
        };
        if self
            .plan
            .count
            .is_some_and(|count| target.checks() >= count)
        {
            target.phase = Phase::Done;
            target.deadline.clear();
            self.unfinished -= 1;
            return;
        }
        target.phase = Phase::Resting;
        let next = target.schedule.next(target.is_down(), now);
        self.set_deadline(id, next);
    }

    fn set_deadline(&mut self, id: TargetId, at: Timestamp) {
        if let Some(target) = self.targets.get_mut(id.0)
            && let Some(at) = target.deadline.set(at)
        {
            self.wheel.arm(id, at);
        }
    }

    fn tell(&mut self, id: TargetId, news: News, now: Timestamp) {
        if let Some(target) = self.targets.get(id.0) {
            self.events.push(Event {
                wall: self.wall_at_zero + now.since(Timestamp::ZERO),
                target: target.name.clone(),
                news,
            });
        }
    }
}

#[cfg(test)]
mod tests;
