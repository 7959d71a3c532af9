//! Panic by load: ejecting must not cost more than it saves.
//!
//! A backend that is ejected for its responses leaves its share to the others. If their queues then
//! grow far beyond what they were, requests time out there that it might have served: so it has
//! its trial early. Queues are compared with what they were when it was ejected, not with a
//! number: fifty in flight are much for a server that does one thing at a time and nothing for
//! one that does a hundred. Refused: a limit on how long an ejection lasts. Where the others do
//! have room, a backend that fails again and again is best left alone for long.
//!
//! Where the others cannot bear its share at all, its trials that fail would leave them in a queue
//! that only grows, until all that was waited for is given up. So an exchange that would wait in a
//! queue for more than a third of the time after which exchanges are given up goes to a backend
//! that is out, the *reserve*: it may fail there, but keeps the queue of the others short enough. A
//! queue is long where the oldest exchange and the last response have both taken that long; a
//! tunnel is old without any queue. Refused: taking the whole backend back, which gives it its whole
//! share of failures, and looking for a backend with a shorter queue first, in which all queues
//! grow long together.
//!
//! A pick compares two numbers; all else is done when a backend is ejected or brought back.

use super::backend::Backend;
use super::members::Members;
use crate::strategy::Candidate;
use std::time::Duration;

/// Factor on the exchanges in flight before, from which there is no room.
const TIMES: u32 = 2;
/// ...and so many more besides.
const MORE: u32 = 4;
/// The part of the time after which exchanges are given up that makes a queue long.
const LONG_PART: u32 = 3;

/// The crowd at the backends that are left.
#[derive(Debug)]
pub(super) struct Crowd {
    /// In flight at a picked backend from which on those ejected for their responses are tried
    /// again; the maximum while there are none.
    from: u32,
    /// True while a backend is out that does respond.
    has_reserve: bool,
    /// After how long an exchange was last given up; zero before the first.
    timeout: Duration,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            from: u32::MAX,
            has_reserve: false,
            timeout: Duration::ZERO,
        }
    }
}

/// Overflow into the reserve.
impl Crowd {
    /// Returns whether there is a backend that is out and does respond.
    #[inline]
    pub(super) const fn has_reserve(&self) -> bool {
        self.has_reserve
    }

    /// An exchange was given up after so long.
    pub(super) const fn timed_out(&mut self, after: Duration) {
        self.timeout = after;
    }

    /// Returns whether a queue is long in which an exchange has been for `oldest`.
    pub(super) fn is_long(&self, oldest: Duration) -> bool {
        !self.timeout.is_zero() && oldest > self.timeout / LONG_PART
    }
}

impl Crowd {
    /// Returns whether so many in flight at a backend show that the others have no room.
    #[inline]
    pub(super) const fn is_seen_at(&self, in_flight: u32) -> bool {
        in_flight >= self.from
    }

    /// A backend was ejected or has come back: from how many in flight on the others are crowded.
    pub(super) fn measure(&mut self, members: &Members) {
        let mut reserve = members.backends.iter();
        self.has_reserve = reserve.any(|it| it.state.is_out() && it.state.responds());
        let mut pool = members.backends.iter().zip(&members.candidates);
        if !pool.clone().any(|(it, _)| it.state.is_out_for_answers()) {
            self.from = u32::MAX;
            return;
        }
        let in_service = |(backend, candidate): (&Backend, &Candidate)| {
            backend.is_open().then_some(u64::from(candidate.in_flight))
        };
        let (mut count, mut sum) = (0, 0);
        for in_flight in pool.by_ref().filter_map(in_service) {
            count += 1;
            sum += in_flight;
        }
        let mean = (sum / count.max(1)) as u32;
        let crowded_from = mean.saturating_mul(TIMES).saturating_add(MORE);
        // A second one that is ejected is no reason to bear longer queues than the first.
        self.from = self.from.min(crowded_from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_long_by_the_time_after_which_exchanges_are_given_up() {
        let mut crowd = Crowd::default();
        let hour = Duration::from_secs(3_600);
        assert!(!crowd.is_long(hour), "none was given up yet");
        crowd.timed_out(Duration::from_secs(6));
        assert!(!crowd.is_long(Duration::from_secs(2)));
        assert!(crowd.is_long(Duration::from_millis(2_001)));
    }
}
