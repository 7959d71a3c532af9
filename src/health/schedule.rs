//! When a backend is checked, and what its checks amount to.
//!
//! Checks of different backends, and of several balancers, are spread in time: the first comes
//! at a random moment of the interval, and each interval is up to a tenth longer or shorter.
//! While a backend is suspect, they come four times as often. Same seed, same moments.

use super::Verdict;
use crate::pool::CheckFailure;
use crate::strategy::Rng;
use crate::time::Timestamp;
use std::time::Duration;

/// While a backend is suspect, the interval is divided by this.
const FASTER: u32 = 4;

/// How often, and how many in a row mean something.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// From one check to the next.
    pub interval: Duration,
    /// Passing checks in a row that undo failing ones.
    pub rise: u32,
    /// Failing checks in a row that eject.
    pub fall: u32,
}

/// What a check amounts to, with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// It passed, the so manyth in a row.
    Passed(u32),
    /// It failed, the so manyth in a row, and that is not too many.
    Failing(u32),
    /// It failed, and that is too many in a row.
    Fell(u32, CheckFailure),
}

/// The checks of one backend.
#[derive(Debug)]
pub struct Schedule {
    rhythm: Rhythm,
    rng: Rng,
    passed: u32,
    failed: u32,
}

impl Schedule {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(rhythm: Rhythm, seed: u64) -> Self {
        Self {
            rhythm,
            rng: Rng::new(seed),
            passed: 0,
            failed: 0,
        }
    }

    /// When the first check comes.
    pub fn first(&mut self, now: Timestamp) -> Timestamp {
        now + self.random_part(self.rhythm.interval)
    }

    /// A check is over. Counts it.
    pub fn count(&mut self, verdict: Verdict) -> Tally {
        match verdict {
            Ok(()) => {
                self.failed = 0;
                self.passed = self.passed.saturating_add(1);
                Tally::Passed(self.passed)
            }
            Err(reason) => {
                self.passed = 0;
                self.failed = self.failed.saturating_add(1);
                match self.failed >= self.rhythm.fall {
                    true => Tally::Fell(self.failed, reason),
                    false => Tally::Failing(self.failed),
                }
            }
        }
    }

    /// When the check after the one that is over comes; sooner if the backend is suspect, for
    /// its failing checks or for what else is known.
    pub fn next(&mut self, is_suspect: bool, now: Timestamp) -> Timestamp {
        let interval = match is_suspect || self.failed > 0 {
            true => self.rhythm.interval / FASTER,
            false => self.rhythm.interval,
        };
        now + interval * 9 / 10 + self.random_part(interval / 5)
    }

    /// Passing checks in a row that undo failing ones.
    #[must_use]
    pub const fn rise(&self) -> u32 {
        self.rhythm.rise
    }

    fn random_part(&mut self, of: Duration) -> Duration {
        let nanos = usize::try_from(of.as_nanos()).unwrap_or(usize::MAX);
        Duration::from_nanos(self.rng.below(nanos) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000);
    const FAILED: Verdict = Err(CheckFailure::Timeout);

    fn schedule(seed: u64) -> Schedule {
        let rhythm = Rhythm {
            interval: Duration::from_secs(2),
            rise: 2,
            fall: 3,
        };
        Schedule::new(rhythm, seed)
    }

    #[test]
    fn three_failures_in_a_row_fall_and_a_pass_starts_anew() {
        let mut schedule = schedule(0);
        assert_eq!(schedule.count(FAILED), Tally::Failing(1));
        assert_eq!(schedule.count(FAILED), Tally::Failing(2));
        assert_eq!(schedule.count(Ok(())), Tally::Passed(1));
        for failing in 1..3 {
            assert_eq!(schedule.count(FAILED), Tally::Failing(failing));
        }
        let reason = CheckFailure::Timeout;
        assert_eq!(schedule.count(FAILED), Tally::Fell(3, reason));
        assert_eq!(schedule.count(FAILED), Tally::Fell(4, reason));
        assert_eq!(schedule.count(Ok(())), Tally::Passed(1));
        assert_eq!(schedule.count(Ok(())), Tally::Passed(2));
    }

    #[test]
    fn checks_are_spread_and_come_faster_when_in_doubt() {
        let mut firsts: Vec<Duration> = (0..100)
            .map(|seed| schedule(seed).first(NOW).since(NOW))
            .collect();
        firsts.sort();
        assert!(firsts[10] < Duration::from_millis(500), "{:?}", firsts[10]);
        assert!(
            firsts[90] > Duration::from_millis(1_500),
            "{:?}",
            firsts[90]
        );
        assert!(firsts[99] < Duration::from_secs(2));
        for seed in 0..100 {
            let mut schedule = schedule(seed);
            let ms = |at: Timestamp| at.since(NOW).as_millis();
            assert!((1_800..2_200).contains(&ms(schedule.next(false, NOW))));
            assert!((450..550).contains(&ms(schedule.next(true, NOW))));
            assert_eq!(schedule.count(FAILED), Tally::Failing(1));
            assert!((450..550).contains(&ms(schedule.next(false, NOW))));
        }
    }
}
