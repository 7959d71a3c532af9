//! Fits the budget of buffers into an address space that is limited (`ulimit -v`).
//!
//! There an allocation that finds no room ends the process. How much room there is for buffers shows
//! only as the process runs: threads reserve parts of the space, and tables grow with connections.
//! So the space that other things take is measured while clients come. The budget is half of the
//! rest, as it is half of any other limit.

use crate::net::{address_space_limit, address_space_taken};
use crate::time::Timestamp;
use crate::transport::MemoryBudget;
use std::time::Duration;

/// Time between two measurements.
const EVERY: Duration = Duration::from_millis(200);

/// The limited address space of this process, and the budget that follows it.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    limit: usize,
    memory: MemoryBudget,
    /// Bytes taken by other things than buffers.
    others: usize,
    next_at: Timestamp,
}

impl AddressSpace {
    /// `None` if it is not limited.
    pub(crate) fn of_process(memory: &MemoryBudget) -> Option<Self> {
        address_space_limit().map(|limit| Self::new(limit, memory.clone()))
    }

    const fn new(limit: usize, memory: MemoryBudget) -> Self {
        Self {
            limit,
            memory,
            others: 0,
            next_at: Timestamp::ZERO,
        }
    }

    /// Measures, if it is time to.
    pub(super) fn look(&mut self, now: Timestamp) {
        if now >= self.next_at {
            self.next_at = now + EVERY;
            if let Some(taken) = address_space_taken() {
                self.fit(taken);
            }
        }
    }

    /// What freed buffers have taken is not given back to the system for sure, and is there for the
    /// next: so the share of other things is known only while buffers take the most.
    fn fit(&mut self, taken: usize) {
        let used = self.memory.used();
        if self.others == 0 || used >= self.memory.limit() / 2 {
            self.others = taken.saturating_sub(used);
        }
        let rest = self.limit.saturating_sub(self.others);
        self.memory.set_limit(rest / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Buffers;

    #[test]
    fn the_budget_is_half_of_what_others_leave() {
        let memory = MemoryBudget::of(500_000);
        let mut buffers = Buffers::default();
        buffers.count_in(memory.clone());
        let mut space = AddressSpace::new(1_000_000, memory.clone());
        space.fit(400_000);
        assert_eq!(memory.limit(), 300_000);
        // Tables have grown by 100,000 bytes besides.
        let held = buffers.take(200_000);
        space.fit(700_000);
        assert_eq!(memory.limit(), 250_000);
        // What is freed is not others'.
        buffers.give(held);
        space.fit(700_000);
        assert_eq!(memory.limit(), 250_000);
        space.fit(2_000_000);
        assert_eq!(memory.limit(), 250_000);
    }

    #[test]
    fn without_room_nothing_is_allowed() {
        let memory = MemoryBudget::of(100);
        AddressSpace::new(1_000, memory.clone()).fit(2_000);
        assert_eq!(memory.limit(), 0);
    }
}
