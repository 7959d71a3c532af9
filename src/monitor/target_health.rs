//! One target: its state, and the totals of its checks.

use super::{TargetEvent, TargetReport, TargetState};
use crate::health::{CheckFinished, CheckStreak};
use crate::telemetry::ResponseTimeHistogram;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// One target.
#[derive(Debug)]
pub(super) struct TargetHealth {
    pub(super) name: Arc<str>,
    state: TargetState,
    /// Passing checks in a row that bring a target back.
    rise: u32,
    checks: u64,
    times: ResponseTimeHistogram,
    /// Time of the first failing check since the target last was up.
    failing_since: Option<Timestamp>,
    outages: u64,
    down_time: Duration,
}

impl TargetHealth {
    pub(super) fn new(name: &str, rise: u32) -> Self {
        Self {
            name: name.into(),
            state: TargetState::Unknown,
            rise,
            checks: 0,
            times: ResponseTimeHistogram::default(),
            failing_since: None,
            outages: 0,
            down_time: Duration::ZERO,
        }
    }

    /// Checks that are over.
    pub(super) const fn checks(&self) -> u64 {
        self.checks
    }

    /// Counts a check. Returns the event of the check, and that of a change of state, if it makes
    /// one.
    pub(super) fn checked<K>(
        &mut self,
        finished: &CheckFinished<K>,
    ) -> (TargetEvent, Option<TargetEvent>) {
        self.checks += 1;
        let check = self.checks;
        let event = match finished.result {
            Ok(()) => {
                let took = finished.ended_at.since(finished.started_at);
                self.times.record(took);
                TargetEvent::Passed { check, took }
            }
            Err(reason) => {
                self.failing_since.get_or_insert(finished.started_at);
                TargetEvent::Failed { check, reason }
            }
        };
        let change = self.change(finished.streak, finished.ended_at);
        if let Some(state) = change.and_then(|change| change.new_state()) {
            self.state = state;
        }
        (event, change)
    }

    fn change(&mut self, streak: CheckStreak, now: Timestamp) -> Option<TargetEvent> {
        match (self.state, streak) {
            (TargetState::Unknown, CheckStreak::Passed(_)) => {
                self.failing_since = None;
                Some(TargetEvent::Up)
            }
            (TargetState::Down, CheckStreak::Passed(count)) if count >= self.rise => {
                let after = self.failing_for(now);
                self.failing_since = None;
                self.down_time += after;
                Some(TargetEvent::Back { after })
            }
            (TargetState::Up, CheckStreak::Passed(_)) => {
                self.failing_since = None;
                None
            }
            (TargetState::Up | TargetState::Unknown, CheckStreak::Fallen(count, reason)) => {
                self.outages += 1;
                Some(TargetEvent::Down {
                    reason,
                    count,
                    within: self.failing_for(now),
                })
            }
            (TargetState::Down, CheckStreak::Passed(_) | CheckStreak::Fallen(..))
            | (_, CheckStreak::Failing(_)) => None,
        }
    }

    fn failing_for(&self, now: Timestamp) -> Duration {
        self.failing_since
            .map_or(Duration::ZERO, |at| now.since(at))
    }

    /// State and totals as of `now`.
    pub(super) fn report(&self, now: Timestamp) -> TargetReport {
        let down_now = match self.state {
            TargetState::Down => self.failing_for(now),
            TargetState::Up | TargetState::Unknown => Duration::ZERO,
        };
        let times = self.times.quantiles();
        TargetReport {
            name: self.name.to_string(),
            state: self.state,
            checks: self.checks,
            passed: times.map_or(0, |times| times.samples),
            times,
            outages: self.outages,
            down_time: self.down_time + down_now,
        }
    }
}
