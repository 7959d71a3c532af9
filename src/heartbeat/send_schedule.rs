//! Times of sending: a heartbeat each interval, and over UDP its repetitions in between.
//!
//! The times are the multiples of a third of the interval since the start, so that a busy host does
//! not make the rhythm drift. A sender that was held up for longer sends once and goes on from
//! there; missed heartbeats are not made up for. Invariant: heartbeats are sent at ever later
//! wall-clock times, as the balancer requires, unless the clock was set back by so much that it
//! would be refused.

use super::wire::REPEATS;
use crate::time::Timestamp;
use std::time::Duration;

/// A wall clock that was set back by less than this is waited for.
const MAX_SET_BACK: Duration = Duration::from_secs(60);

/// The message that is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendDue {
    /// A new heartbeat, sent at this time since the Unix epoch.
    Fresh(Duration),
    /// The last one again, over UDP.
    Repetition,
}

/// Times of sending.
#[derive(Clone, Debug)]
pub struct SendSchedule {
    interval: Duration,
    next: Timestamp,
    /// Repetitions of the present heartbeat that are left.
    repetitions: u32,
    sent_at: Duration,
}

impl SendSchedule {
    /// The first heartbeat is due at once.
    #[must_use]
    pub const fn new(interval: Duration, now: Timestamp) -> Self {
        Self {
            interval,
            next: now,
            repetitions: 0,
            sent_at: Duration::ZERO,
        }
    }

    /// Returns when something is due.
    #[must_use]
    pub const fn next(&self) -> Timestamp {
        self.next
    }

    /// Returns the message due at `now`, when the wall clock shows `wall`.
    pub fn due(&mut self, wall: Duration, now: Timestamp) -> Option<SendDue> {
        let late = now.since(self.next);
        if now < self.next {
            return None;
        }
        let part = self.interval / REPEATS;
        // A repetition that is an interval late has been overtaken.
        self.next = match late < self.interval {
            true => self.next + part,
            false => now + part,
        };
        match self.repetitions.checked_sub(1) {
            Some(left) if late < self.interval => {
                self.repetitions = left;
                Some(SendDue::Repetition)
            }
            _ => {
                self.repetitions = REPEATS - 1;
                Some(SendDue::Fresh(self.stamp(wall)))
            }
        }
    }

    fn stamp(&mut self, wall: Duration) -> Duration {
        let wall = Duration::from_micros(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX));
        let later = self.sent_at + Duration::from_micros(1);
        let is_set_back = wall + MAX_SET_BACK < later;
        self.sent_at = if is_set_back { wall } else { wall.max(later) };
        self.sent_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(300);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn wall(ms: u64) -> Duration {
        Duration::from_secs(1_000_000) + Duration::from_millis(ms)
    }

    #[test]
    fn each_is_sent_three_times_over_the_interval() {
        let mut rhythm = SendSchedule::new(INTERVAL, at(0));
        for ms in 0..900 {
            let due = rhythm.due(wall(ms), at(ms));
            let expected = match (ms % 300, ms % 100) {
                (0, _) => Some(SendDue::Fresh(wall(ms))),
                (_, 0) => Some(SendDue::Repetition),
                _ => None,
            };
            assert_eq!(due, expected, "{ms}");
        }
        assert_eq!(rhythm.next(), at(900));
    }

    #[test]
    fn late_turns_do_not_make_it_drift_and_long_pauses_are_not_made_up_for() {
        let mut rhythm = SendSchedule::new(INTERVAL, at(0));
        assert_eq!(rhythm.due(wall(40), at(40)), Some(SendDue::Fresh(wall(40))));
        assert_eq!(rhythm.next(), at(100));
        assert_eq!(
            rhythm.due(wall(9_000), at(9_000)),
            Some(SendDue::Fresh(wall(9_000)))
        );
        assert_eq!(rhythm.next(), at(9_100));
    }

    #[test]
    fn stamps_grow_whatever_the_clock_does() {
        let mut rhythm = SendSchedule::new(INTERVAL, at(0));
        let mut stamp = |ms: u64, wall| match rhythm.due(wall, at(ms)) {
            Some(SendDue::Fresh(stamp)) => stamp,
            other => panic!("{other:?}"),
        };
        let first = stamp(0, wall(59_000));
        let back = stamp(1_000, wall(0));
        assert_eq!(back, first + Duration::from_micros(1));
        let far_back = Duration::from_secs(900_000);
        assert_eq!(stamp(2_000, far_back), far_back);
    }
}
