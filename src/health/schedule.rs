//! Times of the checks of one target, and the number that have passed or failed in a row.
//!
//! Checks of different targets, and of several balancers, are spread in time: the first comes at
//! a random moment of the interval, and each interval is up to a tenth longer or shorter. While
//! checks fail, and until `rise` of them have passed, they come four times as often. Same seed,
//! same moments.

use super::{CheckFailure, CheckResult, CheckTiming};
use crate::strategy::Rng;
use crate::time::Timestamp;
use std::time::Duration;

/// Divides the interval while a target is suspect.
const SUSPECT_DIVISOR: u32 = 4;
/// Steps in which a random part of an interval is chosen.
const RANDOM_STEPS: u32 = 1 << 20;

/// A run of equal results, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStreak {
    /// So many passed in a row.
    Passed(u32),
    /// So many failed in a row, fewer than matter.
    Failing(u32),
    /// So many failed in a row, enough to matter; why the last one did.
    Fallen(u32, CheckFailure),
}

/// Moments of the next check.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextCheck {
    /// Time of the next check.
    pub(super) planned: Timestamp,
    /// The earliest moment if it is brought forward.
    pub(super) soonest: Timestamp,
}

/// The checks of one target.
#[derive(Debug)]
pub(super) struct CheckSchedule {
    rng: Rng,
    passed: u32,
    failed: u32,
    /// True if too many have failed, and too few have passed since.
    has_fallen: bool,
}

impl CheckSchedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            passed: 0,
            failed: 0,
            has_fallen: false,
        }
    }

    /// Returns when the first check comes.
    pub(super) fn first(&mut self, timing: &CheckTiming, now: Timestamp) -> NextCheck {
        NextCheck {
            planned: now + timing.interval.mul_f64(self.random()),
            soonest: now + timing.interval / SUSPECT_DIVISOR,
        }
    }

    /// Counts a finished check.
    pub(super) fn count(&mut self, result: CheckResult, timing: &CheckTiming) -> CheckStreak {
        match result {
            Ok(()) => {
                self.failed = 0;
                self.passed = self.passed.saturating_add(1);
                self.has_fallen &= self.passed < timing.rise;
                CheckStreak::Passed(self.passed)
            }
            Err(reason) => {
                self.passed = 0;
                self.failed = self.failed.saturating_add(1);
                if self.failed < timing.fall {
                    return CheckStreak::Failing(self.failed);
                }
                self.has_fallen = true;
                CheckStreak::Fallen(self.failed, reason)
            }
        }
    }

    /// Returns when the check after one that ended at `now` comes.
    pub(super) fn next(&mut self, timing: &CheckTiming, now: Timestamp) -> NextCheck {
        let random = self.random();
        let after = |interval: Duration| now + interval * 9 / 10 + (interval / 5).mul_f64(random);
        let soonest = after(timing.interval / SUSPECT_DIVISOR);
        let planned = match self.failed > 0 || self.has_fallen {
            true => soonest,
            false => after(timing.interval),
        };
        NextCheck { planned, soonest }
    }

    /// At least 0, less than 1.
    fn random(&mut self) -> f64 {
        self.rng.below(RANDOM_STEPS as usize) as f64 / f64::from(RANDOM_STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000);
    const FAILED: CheckResult = Err(CheckFailure::Timeout);
    const TIMING: CheckTiming = CheckTiming {
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        fails_late_responses: false,
    };

    #[test]
    fn three_failures_in_a_row_fall_and_a_pass_starts_anew() {
        let mut schedule = CheckSchedule::new(0);
        let mut count = |result| schedule.count(result, &TIMING);
        assert_eq!(count(FAILED), CheckStreak::Failing(1));
        assert_eq!(count(FAILED), CheckStreak::Failing(2));
        assert_eq!(count(Ok(())), CheckStreak::Passed(1));
        for failing in 1..3 {
            assert_eq!(count(FAILED), CheckStreak::Failing(failing));
        }
        let reason = CheckFailure::Timeout;
        assert_eq!(count(FAILED), CheckStreak::Fallen(3, reason));
        assert_eq!(count(FAILED), CheckStreak::Fallen(4, reason));
        assert_eq!(count(Ok(())), CheckStreak::Passed(1));
        assert_eq!(count(Ok(())), CheckStreak::Passed(2));
    }

    #[test]
    fn checks_are_spread_and_come_faster_when_in_doubt() {
        let first = |seed| CheckSchedule::new(seed).first(&TIMING, NOW).planned;
        let mut firsts: Vec<Duration> = (0..100).map(|seed| first(seed).since(NOW)).collect();
        firsts.sort();
        assert!(firsts[10] < Duration::from_millis(500), "{:?}", firsts[10]);
        let late = firsts[90];
        assert!(late > Duration::from_millis(1_500), "{late:?}");
        assert!(firsts[99] < Duration::from_secs(2));
        for seed in 0..100 {
            let mut schedule = CheckSchedule::new(seed);
            let ms = |at: Timestamp| at.since(NOW).as_millis();
            let next = schedule.next(&TIMING, NOW);
            assert!((1_800..2_200).contains(&ms(next.planned)));
            assert!((450..550).contains(&ms(next.soonest)));
            assert_eq!(schedule.count(FAILED, &TIMING), CheckStreak::Failing(1));
            let next = schedule.next(&TIMING, NOW);
            assert!((450..550).contains(&ms(next.planned)));
        }
    }

    #[test]
    fn checks_stay_fast_until_enough_have_passed() {
        let mut schedule = CheckSchedule::new(3);
        let mut next_after = |result| {
            schedule.count(result, &TIMING);
            schedule.next(&TIMING, NOW).planned.since(NOW)
        };
        let fast = Duration::from_millis(550);
        for result in [FAILED, FAILED, FAILED, Ok(())] {
            assert!(next_after(result) < fast);
        }
        assert!(next_after(Ok(())) > fast);
    }
}
