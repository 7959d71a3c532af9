//! One target: how it stands, and what its checks came to so far.

use super::{News, Standing, TargetReport};
use crate::config::Plan;
use crate::health::{Rhythm, Schedule, Tally, Verdict};
use crate::telemetry::ResponseTimeHistogram;
use crate::time::Timestamp;
use crate::timers::Deadline;
use std::sync::Arc;
use std::time::Duration;

/// What a target waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The time of its next check.
    Resting,
    /// Its check to be begun.
    Due,
    /// The end of its check.
    Checking {
        /// When it was begun.
        since: Timestamp,
    },
    /// Nothing: it was checked as often as it should be.
    Done,
}

/// One target.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) name: Arc<str>,
    pub(super) phase: Phase,
    pub(super) deadline: Deadline,
    pub(super) schedule: Schedule,
    standing: Standing,
    checks: u64,
    times: ResponseTimeHistogram,
    /// When the first of the failing checks was begun that have not been undone.
    failing_since: Option<Timestamp>,
    outages: u64,
    down_time: Duration,
}

impl Watched {
    pub(super) fn new(name: &str, plan: &Plan, seed: u64) -> Self {
        let rhythm = Rhythm {
            interval: plan.interval,
            rise: plan.rise,
            fall: plan.fall,
        };
        Self {
            name: name.into(),
            phase: Phase::Resting,
            deadline: Deadline::new(),
            schedule: Schedule::new(rhythm, seed),
            standing: Standing::Unknown,
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

    pub(super) fn is_down(&self) -> bool {
        self.standing == Standing::Down
    }

    /// A check that was begun at `since` is over. Returns what is to be told of it: the check,
    /// and a change, if it makes one.
    pub(super) fn checked(
        &mut self,
        verdict: Verdict,
        since: Timestamp,
        now: Timestamp,
    ) -> (News, Option<News>) {
        self.checks += 1;
        let check = self.checks;
        let news = match verdict {
            Ok(()) => {
                let took = now.since(since);
                self.times.record(took);
                News::Passed { check, took }
            }
            Err(reason) => {
                self.failing_since.get_or_insert(since);
                News::Failed { check, reason }
            }
        };
        let tally = self.schedule.count(verdict);
        let change = self.change(tally, now);
        if let Some(standing) = change.and_then(|change| change.change()) {
            self.standing = standing;
        }
        (news, change)
    }

    /// What a tally changes.
    fn change(&mut self, tally: Tally, now: Timestamp) -> Option<News> {
        match (self.standing, tally) {
            (Standing::Unknown, Tally::Passed(_)) => {
                self.failing_since = None;
                Some(News::Up)
            }
            (Standing::Down, Tally::Passed(count)) if count >= self.schedule.rise() => {
                let after = self.failing_for(now);
                self.failing_since = None;
                self.down_time += after;
                Some(News::Back { after })
            }
            (Standing::Up, Tally::Passed(_)) => {
                self.failing_since = None;
                None
            }
            (Standing::Up | Standing::Unknown, Tally::Fell(count, reason)) => {
                self.outages += 1;
                Some(News::Down {
                    reason,
                    count,
                    within: self.failing_for(now),
                })
            }
            (Standing::Down, Tally::Passed(_) | Tally::Fell(..)) | (_, Tally::Failing(_)) => None,
        }
    }

    fn failing_for(&self, now: Timestamp) -> Duration {
        self.failing_since
            .map_or(Duration::ZERO, |at| now.since(at))
    }

    /// All of it.
    pub(super) fn report(&self, now: Timestamp) -> TargetReport {
        let down_now = match self.standing {
            Standing::Down => self.failing_for(now),
            Standing::Up | Standing::Unknown => Duration::ZERO,
        };
        let times = self.times.quantiles();
        TargetReport {
            name: self.name.to_string(),
            standing: self.standing,
            checks: self.checks,
            passed: times.map_or(0, |times| times.samples),
            times,
            outages: self.outages,
            down_time: self.down_time + down_now,
        }
    }
}
