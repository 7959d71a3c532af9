//! A limit on the work that strangers cause.
//!
//! To compare, pull or list entries a node goes through its store, and the question is much shorter
//! than that. Peers that have answered this node may ask as they like; all others together have so
//! many entries a second, and are refused beyond.

use std::time::Duration;

use crate::time::Timestamp;

/// Entries that are gone through at once, after a rest.
const BURST: u64 = 1_000_000;
/// Entries a second.
const RATE: u64 = 300_000;

#[derive(Debug)]
pub(crate) struct Budget {
    spent: u64,
    as_of: Timestamp,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            spent: 0,
            as_of: Timestamp::ZERO,
        }
    }
}

impl Budget {
    /// Whether there is any left. The question that uses it up may take more than that.
    pub(crate) fn is_left(&mut self, now: Timestamp) -> bool {
        let whole_ms = now.since(self.as_of).as_millis() as u64;
        self.as_of = self.as_of + Duration::from_millis(whole_ms);
        self.spent = self
            .spent
            .saturating_sub(whole_ms.saturating_mul(RATE / 1000));
        self.spent < BURST
    }

    /// Notes entries that were gone through.
    pub(crate) const fn spend(&mut self, entries: usize) {
        self.spent = self.spent.saturating_add(entries as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_time() {
        let mut budget = Budget::default();
        let mut admitted = |now| {
            let mut count = 0;
            while budget.is_left(now) && count < 10_000 {
                budget.spend(10_000);
                count += 1;
            }
            count
        };
        assert_eq!(admitted(Timestamp::ZERO), 100);
        assert_eq!(admitted(Timestamp::ZERO), 0);
        assert_eq!(admitted(Timestamp::ZERO + Duration::from_secs(1)), 30);
        assert_eq!(admitted(Timestamp::ZERO + Duration::from_secs(3600)), 100);
    }
}
