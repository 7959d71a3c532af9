//! How much may be done in a time: launches, verdicts, scale-in, reaping of adopted units.
//!
//! A budget is the list of moments at which it was spent; the lists that must survive a restart
//! stand in the row of the service.

use super::time::Moment;
use std::time::Duration;

/// At most so many within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) count: usize,
    pub(crate) window: Duration,
}

impl Budget {
    pub(crate) const fn new(count: usize, seconds: u64) -> Self {
        Self {
            count,
            window: Duration::from_secs(seconds),
        }
    }

    /// What is left of it now.
    pub(crate) fn left(self, spent: &[Moment], now: Moment) -> usize {
        let recent = spent
            .iter()
            .filter(|at| now.since(**at) < self.window)
            .count();
        self.count.saturating_sub(recent)
    }
}

/// Launches of a service: enough to fill it at once and to replace half of it right after, not to
/// churn it.
pub(crate) fn launches(want: usize) -> Budget {
    Budget::new(want + (want / 2).max(4), 30)
}

/// Restarts by verdict: one in 30 s, and a fifth of the service in 5 min.
pub(crate) fn verdicts(want: usize) -> [Budget; 2] {
    [Budget::new(1, 30), Budget::new((want / 5).max(1), 300)]
}

/// Servers that leave because fewer are wanted: a quarter a minute.
pub(crate) fn scale_in_left(serving: usize, spent: &[Moment], now: Moment) -> usize {
    let window = Duration::from_secs(60);
    // A quarter of what served before the first of them went.
    let gone = spent.iter().filter(|at| now.since(**at) < window).count();
    (((serving + gone) / 4).max(1)).saturating_sub(gone)
}

/// Units that were adopted and are too many. A restored backup of the database looks exactly like
/// a fleet of strangers, so they go one by one.
pub(crate) const REAPING: Budget = Budget::new(1, 600);

/// Spends one, and forgets what no window reaches back to.
pub(crate) fn spend(spent: &mut Vec<Moment>, now: Moment) {
    spent.retain(|at| now.since(*at) < Duration::from_secs(600));
    spent.push(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_comes_back_with_time() {
        let budget = Budget::new(2, 30);
        let mut spent = Vec::new();
        assert_eq!(budget.left(&spent, Moment(0)), 2);
        spend(&mut spent, Moment(1_000));
        spend(&mut spent, Moment(20_000));
        assert_eq!(budget.left(&spent, Moment(20_000)), 0);
        assert_eq!(budget.left(&spent, Moment(31_000)), 1);
        assert_eq!(budget.left(&spent, Moment(50_000)), 2);
    }

    #[test]
    fn small_fleets_may_always_do_one() {
        assert_eq!(scale_in_left(1, &[], Moment(0)), 1);
        assert_eq!(scale_in_left(40, &[], Moment(0)), 10);
        assert_eq!(scale_in_left(32, &[Moment(0); 8], Moment(1_000)), 2);
        assert_eq!(scale_in_left(32, &[Moment(0); 8], Moment(60_000)), 8);
        assert_eq!(verdicts(3)[1].count, 1);
        assert_eq!(verdicts(50)[1].count, 10);
        assert_eq!(launches(1).count, 5);
        assert_eq!(launches(40).count, 60);
    }
}
