//! Limits retries: a share of the requests of the last ten seconds, and a few.
//!
//! When a pool is overloaded, retries make the load larger, which makes more requests fail. A
//! budget bounds the load that lb adds. The few that are always allowed let a quiet balancer retry
//! at all.

use super::window::Window;
use crate::time::Timestamp;

/// Retries in ten seconds whatever the share: ten a second.
const ALWAYS: u32 = 100;

/// Requests and retries of late.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// Requests as good, repetitions as bad, of ten seconds.
    recent: Window<20>,
    /// This worker's part of the retries that are always allowed.
    always: u32,
}

impl RetryBudget {
    /// The budget of one of so many workers, for the requests that it serves.
    pub(crate) fn among(workers: usize) -> Self {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        Self {
            recent: Window::default(),
            always: ALWAYS.div_ceil(workers.max(1)),
        }
    }

    /// A request is dispatched for the first time.
    pub(crate) fn request(&mut self, now: Timestamp) {
        self.recent.add(false, now);
    }

    /// Takes one repetition out of a budget of `percent` of the requests. Returns whether there
    /// was one left.
    pub(crate) fn spend(&mut self, percent: u32, now: Timestamp) -> bool {
        let is_left = self.is_left(percent, now);
        if is_left {
            self.recent.add(true, now);
        }
        is_left
    }

    /// Returns whether there is one left.
    pub(crate) fn is_left(&mut self, percent: u32, now: Timestamp) -> bool {
        let recent = self.recent.sum(now);
        let share = u64::from(recent.good) * u64::from(percent) / 100;
        u64::from(recent.bad) < share + u64::from(self.always)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn spent(budget: &mut RetryBudget, percent: u32, now: Timestamp) -> usize {
        (0..10_000)
            .take_while(|_| budget.spend(percent, now))
            .count()
    }

    #[test]
    fn a_share_and_a_few_may_be_repeated_in_ten_seconds() {
        let now = Timestamp::from_nanos(50_000_000_000);
        let mut budget = RetryBudget::among(1);
        assert_eq!(spent(&mut budget, 20, now), 100);
        for _ in 0..1_000 {
            budget.request(now);
        }
        assert_eq!(spent(&mut budget, 20, now), 200);
        assert_eq!(spent(&mut budget, 0, now), 0);
        let later = now + Duration::from_secs(10);
        assert_eq!(spent(&mut budget, 20, later), 100, "all is forgotten");
    }
}
