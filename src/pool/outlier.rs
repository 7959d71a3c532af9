//! Outlier detection by outcomes: failures of real exchanges, and when they suffice.
//!
//! Two rules, both relative to the rest of the pool, so that an error every backend returns (a bad
//! release, a database that is gone) ejects none:
//! * **in a row**: 5 failures without a success between them, while the others fail at most one
//!   time in ten. It finds a backend that broke, after a handful of requests;
//! * **share**: at least half of at least 20 outcomes of the last two seconds, and at least twice
//!   the share of the others. It finds a backend that fails now and then.
//!
//! The end of an exchange decides what a failure is; slow responses are none. A backend that is
//! slow but alive is left to the strategy: `least-rt` gives it less as it gets slower, which is
//! gentler than all or nothing. Only one that is far too slow is ejected, as a
//! [latency_outlier](super::latency_outlier).

use super::state_change::Cause;
use super::window::{Tally, Window};
use crate::time::Timestamp;

/// Failures in a row that eject.
const IN_A_ROW: u32 = 5;
/// Greatest failure rate of the others at which a row of failures counts.
const OTHERS_FAIL_SELDOM: f64 = 0.1;
/// Outcomes that make a share meaningful.
const ENOUGH_OUTCOMES: u32 = 20;
/// The share of failures that ejects.
const FAILS_OFTEN: f64 = 0.5;
/// Least factor of a backend's failure share over the others'.
const CLEARLY_WORSE: f64 = 2.0;

/// The evidence against one backend.
#[derive(Clone, Debug, Default)]
pub(super) struct OutlierDetector {
    /// Outcomes of the last two seconds.
    recent: Window<4>,
    in_a_row: u32,
    /// Time at which the present row of failures began.
    row_began_at: Timestamp,
}

impl OutlierDetector {
    /// An exchange ended well.
    pub(super) fn good(&mut self, now: Timestamp) {
        self.recent.add(false, now);
        self.in_a_row = 0;
    }

    /// An exchange failed.
    pub(super) fn bad(&mut self, now: Timestamp) {
        self.recent.add(true, now);
        if self.in_a_row == 0 {
            self.row_began_at = now;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
    }

    /// Returns whether it is enough, `pool` being the recent outcomes of all backends, this one
    /// included.
    pub(super) fn is_outlier(&mut self, pool: Tally, now: Timestamp) -> Option<Cause> {
        let own = self.recent.sum(now);
        let others = pool.without(own).bad_share();
        if self.in_a_row >= IN_A_ROW && others <= OTHERS_FAIL_SELDOM {
            return Some(Cause::Failures {
                count: self.in_a_row,
                within: now.since(self.row_began_at),
            });
        }
        let share = own.bad_share();
        let often = own.total() >= ENOUGH_OUTCOMES && share >= FAILS_OFTEN;
        (often && share >= others * CLEARLY_WORSE).then_some(Cause::FailureShare {
            failures: own.bad,
            outcomes: own.total(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_nanos(10_000_000_000);

    fn pool(good: u32, bad: u32) -> Tally {
        Tally { good, bad }
    }

    fn evidence(outcomes: impl IntoIterator<Item = bool>) -> OutlierDetector {
        let mut evidence = OutlierDetector::default();
        for failed in outcomes {
            if failed {
                evidence.bad(NOW);
            } else {
                evidence.good(NOW);
            }
        }
        evidence
    }

    #[test]
    fn five_in_a_row_are_enough_and_a_success_between_them_is_not() {
        let mut four = evidence([true; 4]);
        assert_eq!(four.is_outlier(pool(0, 4), NOW), None);
        let later = NOW + Duration::from_millis(200);
        four.bad(later);
        let within = Duration::from_millis(200);
        let cause = Cause::Failures { count: 5, within };
        assert_eq!(four.is_outlier(pool(0, 5), later), Some(cause));
        let mut broken = evidence([true, true, true, true, false, true, true]);
        assert_eq!(broken.is_outlier(pool(1, 6), NOW), None);
    }

    #[test]
    fn half_of_twenty_are_enough() {
        let alternating = |count: usize| evidence((0..count).map(|n| n % 2 == 1));
        assert_eq!(alternating(18).is_outlier(pool(9, 9), NOW), None);
        let cause = Cause::FailureShare {
            failures: 10,
            outcomes: 20,
        };
        assert_eq!(alternating(20).is_outlier(pool(10, 10), NOW), Some(cause));
    }

    #[test]
    fn error_of_all_backends_ejects_none() {
        let mut all = evidence([true; 40]);
        assert_eq!(all.is_outlier(pool(0, 160), NOW), None);
        assert!(all.is_outlier(pool(120, 40), NOW).is_some());
        let mut often = evidence((0..40).map(|n| n % 2 == 1));
        assert_eq!(
            often.is_outlier(pool(100, 60), NOW),
            None,
            "the others: 40 of 120"
        );
    }
}
