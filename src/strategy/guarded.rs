//! Keeps a strategy of the user's own from ending the balancer when it panics.
//!
//! Owns the strategy. A panic while picking becomes a pick of no backend, which the pool reports as
//! an invalid pick; a panic while learning loses one lesson. The strategy is called again
//! afterwards, with the state the panic left it in. Where panics abort the process, there is
//! nothing to catch.

use super::{BackendId, Candidate, KeySource, Memory, Rating, Settlement, Strategy, rating};
use crate::time::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The id of no backend: a pool has fewer slots.
const NO_BACKEND: BackendId = BackendId::new(u16::MAX, 0);

/// A strategy whose panics are caught.
pub(crate) struct Guarded {
    strategy: Box<dyn Strategy>,
    /// Asked once, by the thread that binds, where a panic reaches the caller.
    name: &'static str,
    spreads: bool,
    key_source: KeySource,
}

impl Guarded {
    pub(crate) fn new(strategy: Box<dyn Strategy>) -> Self {
        Self {
            name: strategy.name(),
            spreads: strategy.spreads(),
            key_source: strategy.key_source(),
            strategy,
        }
    }

    fn tell(&mut self, learn: impl FnOnce(&mut dyn Strategy)) {
        let strategy = self.strategy.as_mut();
        // The panic hook has reported it.
        let _ = catch_unwind(AssertUnwindSafe(|| learn(strategy)));
    }
}

impl Strategy for Guarded {
    fn name(&self) -> &'static str {
        self.name
    }

    fn spreads(&self) -> bool {
        self.spreads
    }

    fn key_source(&self) -> KeySource {
        self.key_source.clone()
    }

    fn pick(&mut self, candidates: &[Candidate], key: u64, now: Timestamp) -> Option<BackendId> {
        let strategy = &mut self.strategy;
        catch_unwind(AssertUnwindSafe(|| strategy.pick(candidates, key, now)))
            .unwrap_or(Some(NO_BACKEND))
    }

    fn settled(&mut self, candidates: &[Candidate], settlement: &Settlement, now: Timestamp) {
        self.tell(|strategy| strategy.settled(candidates, settlement, now));
    }

    fn holds(&self, all: &[Candidate], free: BackendId, waiting: usize, now: Timestamp) -> bool {
        let strategy = &self.strategy;
        catch_unwind(AssertUnwindSafe(|| strategy.holds(all, free, waiting, now))).unwrap_or(false)
    }

    fn memory(&self, of: Option<BackendId>) -> Memory {
        catch_unwind(AssertUnwindSafe(|| self.strategy.memory(of))).unwrap_or_default()
    }

    fn recall(&mut self, of: Option<BackendId>, memory: Memory) {
        self.tell(|strategy| strategy.recall(of, memory));
    }

    fn cleared(&mut self, backend: BackendId) {
        self.tell(|strategy| strategy.cleared(backend));
    }

    fn explain(&self, candidates: &[Candidate], key: u64, now: Timestamp) -> Vec<Rating> {
        catch_unwind(AssertUnwindSafe(|| {
            self.strategy.explain(candidates, key, now)
        }))
        .unwrap_or_else(|_| rating::rate_without_cost(candidates))
    }

    fn refreshed(&mut self, candidates: &[Candidate]) {
        self.tell(|strategy| strategy.refreshed(candidates));
    }

    fn changed(&mut self, candidates: &[Candidate], now: Timestamp) {
        self.tell(|strategy| strategy.changed(candidates, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics in every method that is called while the balancer runs.
    struct Panicking;

    #[allow(clippy::panic, reason = "panics are what is tested")]
    impl Strategy for Panicking {
        fn name(&self) -> &'static str {
            "panicking"
        }

        fn key_source(&self) -> KeySource {
            KeySource::ClientAddress
        }

        fn spreads(&self) -> bool {
            false
        }

        fn pick(&mut self, _: &[Candidate], _: u64, _: Timestamp) -> Option<BackendId> {
            panic!("pick")
        }

        fn settled(&mut self, _: &[Candidate], _: &Settlement, _: Timestamp) {
            panic!("settled")
        }

        fn holds(&self, _: &[Candidate], _: BackendId, _: usize, _: Timestamp) -> bool {
            panic!("holds")
        }

        fn memory(&self, _: Option<BackendId>) -> Memory {
            panic!("memory")
        }

        fn recall(&mut self, _: Option<BackendId>, _: Memory) {
            panic!("recall")
        }

        fn cleared(&mut self, _: BackendId) {
            panic!("cleared")
        }

        fn explain(&self, _: &[Candidate], _: u64, _: Timestamp) -> Vec<Rating> {
            panic!("explain")
        }

        fn refreshed(&mut self, _: &[Candidate]) {
            panic!("refreshed")
        }

        fn changed(&mut self, _: &[Candidate], _: Timestamp) {
            panic!("changed")
        }
    }

    #[test]
    fn panic_in_any_method_is_caught() {
        let mut guarded = Guarded::new(Box::new(Panicking));
        assert_eq!(guarded.name(), "panicking");
        assert_eq!(guarded.key_source(), KeySource::ClientAddress);
        assert!(!guarded.spreads());
        let now = Timestamp::ZERO;
        guarded.changed(&[], now);
        guarded.refreshed(&[]);
        guarded.cleared(BackendId::new(0, 0));
        guarded.recall(None, Memory([1, 2]));
        assert_eq!(guarded.memory(None), Memory::default());
        assert!(!guarded.holds(&[], BackendId::new(0, 0), 1, Timestamp::ZERO));
        let settlement = Settlement {
            backend: BackendId::new(0, 0),
            outcome: super::super::Outcome::Failure,
            dispatched_at: now,
            ahead_at_dispatch: 0,
            overtook: false,
            remaining: 0,
            is_late: false,
        };
        guarded.settled(&[], &settlement, now);
        assert!(guarded.explain(&[], 0, now).is_empty());
        assert_eq!(guarded.pick(&[], 0, now), Some(NO_BACKEND));
    }
}
