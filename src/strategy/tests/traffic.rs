//! A closed loop of traffic against an pool: so many exchanges at a time, oldest out first.

use crate::pool::{Backends, Lease};
use crate::strategy::{Outcome, StrategySpec};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// An pool under traffic.
pub(super) struct Traffic {
    pub(super) pool: Backends,
    held: VecDeque<Lease>,
    now: Timestamp,
    key: u64,
}

impl Traffic {
    pub(super) fn new(kind: &StrategySpec, weights: &[u32], seed: u64) -> Self {
        let backends = weights.iter().enumerate();
        let backends = backends.map(|(n, &weight)| (format!("s{n}"), weight));
        Self {
            pool: Backends::new(backends, kind.build(seed), seed),
            held: VecDeque::new(),
            now: Timestamp::ZERO,
            key: 0,
        }
    }

    /// Ends the oldest exchange, unless fewer than `at_a_time` are open, then begins another a
    /// millisecond later. Returns the slot it went to.
    pub(super) fn step(&mut self, at_a_time: usize) -> Option<usize> {
        self.now = self.now + Duration::from_millis(1);
        if self.held.len() >= at_a_time {
            self.end_oldest();
        }
        self.key += 1;
        let lease = self.pool.pick(self.key, &[], self.now)?;
        let candidate = &self.pool.candidates()[lease.backend().slot()];
        assert_eq!(candidate.id, lease.backend());
        assert!(candidate.live);
        let slot = candidate.id.slot();
        self.held.push_back(lease);
        Some(slot)
    }

    pub(super) fn end_all(&mut self) {
        while !self.held.is_empty() {
            self.end_oldest();
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    fn end_oldest(&mut self) {
        if let Some(lease) = self.held.pop_front() {
            let response_time = Some(self.now.since(lease.dispatched_at()));
            let outcome = Outcome::Success { response_time };
            self.pool.settle(lease, outcome, self.now);
        }
    }
}
