//! What the operator changes of a whole pool while it serves: its strategy, what was learned, and how
//! well a backend is said to be.

use super::latency_outlier::LatencyOutlier;
use super::life_cycle::Event;
use super::outlier::OutlierDetector;
use super::{Backends, Cause, Hold, Pool};
use crate::strategy::{BackendId, Memory, Strategy};
use crate::time::Timestamp;

impl Backends {
    /// Picks by another strategy from now on. It has learned nothing yet; exchanges that the one before
    /// has picked are settled with it.
    pub fn set_strategy(&mut self, strategy: Box<dyn Strategy>, now: Timestamp) {
        self.picker.replace(strategy);
        let candidates = &self.members.candidates;
        self.picker.strategy.changed(candidates, now);
        self.forget_memory();
    }

    /// What the strategies of all workers have learned together is of the one before, or to be
    /// forgotten.
    fn forget_memory(&mut self) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        sharing.shared_load.memory().remember(Memory::default());
        for (slot, backend) in self.members.backends.iter_mut().enumerate() {
            backend.memory = Memory::default();
            if let Some(row) = sharing.shared_load.row(slot) {
                row.memory().remember(Memory::default());
            }
        }
    }

    /// Forgets how long responses take, and what is held against backends because of it.
    pub fn forget_times(&mut self) {
        self.detection.slow_response_nanos = 0;
        for backend in &mut self.members.backends {
            backend.latency_outlier = LatencyOutlier::default();
            backend.evidence = OutlierDetector::default();
        }
    }

    /// Says how well a backend is, whatever is measured; `None` leaves it to measurements again. Returns
    /// whether there is such a backend.
    pub fn hold(&mut self, backend: BackendId, hold: Option<Hold>, now: Timestamp) -> bool {
        let slot = backend.slot();
        if self.members.backend(backend).is_none() {
            return false;
        }
        if let Some(known) = self.members.backends.get_mut(slot) {
            known.hold = hold;
        }
        let event = match hold {
            Some(_) => Event::Held,
            None => Event::Released,
        };
        self.advance(slot, event, Cause::Operator, now);
        true
    }

    /// The number of the worker it belongs to, from 0.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.sharing.as_ref().map_or(0, |sharing| sharing.worker)
    }
}

impl Pool {
    /// Picks by another strategy from now on.
    pub(crate) fn set_strategy(&mut self, strategy: Box<dyn Strategy>, now: Timestamp) {
        self.key_source = strategy.key_source();
        self.backends.set_strategy(strategy, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::State;
    use crate::strategy::{LeastResponseTime, NToOne, Outcome, StrategySpec};
    use std::time::Duration;

    fn pool(spec: &StrategySpec) -> Backends {
        let names = ["a", "b", "c"].map(|name| (name.to_owned(), 1));
        Backends::new(names, spec.build(1), 1)
    }

    fn good() -> Outcome {
        let response_time = Some(Duration::from_millis(3));
        Outcome::Success { response_time }
    }

    #[test]
    fn every_strategy_takes_over_from_every_other_under_way() {
        let specs: Vec<StrategySpec> = crate::strategy::ENTRIES
            .iter()
            .map(|entry| match entry.argument() {
                Some(_) => format!("{}:x", entry.name).parse().unwrap(),
                None => entry.spec(),
            })
            .collect();
        for from in &specs {
            for to in &specs {
                let mut pool = pool(from);
                let now = Timestamp::ZERO;
                let held: Vec<_> = (1..9)
                    .map(|key| pool.pick(key, &[], now).unwrap())
                    .collect();
                pool.set_strategy(to.build(2), now);
                assert_eq!(pool.strategy().name(), to.name());
                for lease in held {
                    pool.settle(lease, good(), now);
                }
                for key in 1..50 {
                    let lease = pool.pick(key, &[], now).unwrap();
                    pool.settle(lease, good(), now);
                }
                assert!(pool.candidates().iter().all(|c| c.in_flight == 0));
            }
        }
    }

    #[test]
    fn a_backend_held_down_is_out_until_it_is_released() {
        let mut pool = pool(&NToOne::ENTRY.spec());
        let now = Timestamp::ZERO;
        let [a, b] = ["a", "b"].map(|name| pool.find(name).unwrap());
        assert!(pool.hold(a, Some(Hold::Down), now));
        assert_eq!(pool.state(a).map(State::word), Some("ejected"));
        for second in 1..100 {
            let now = now + Duration::from_secs(second);
            let lease = pool.pick(0, &[], now).unwrap();
            assert_eq!(lease.backend(), b);
            pool.settle(lease, good(), now);
        }
        let change = pool.take_changes().remove(0);
        assert_eq!(
            change.to_string(),
            "a healthy -> ejected: by the operator".replace("healthy", "initial")
        );
        pool.hold(a, None, now);
        assert_eq!(pool.state(a).map(State::word), Some("probation"));
    }

    #[test]
    fn a_backend_held_up_is_not_ejected_and_drains_all_the_same() {
        let mut pool = pool(&NToOne::ENTRY.spec());
        let now = Timestamp::ZERO;
        let a = pool.find("a").unwrap();
        pool.hold(a, Some(Hold::Up), now);
        for _ in 0..50 {
            let lease = pool.pick(0, &[], now).unwrap();
            assert_eq!(lease.backend(), a);
            pool.settle(lease, Outcome::Unreachable, now);
        }
        pool.drain(a, now);
        assert_eq!(pool.state(a).map(State::word), Some("disabled"));
        pool.undrain(a, now);
        assert_eq!(pool.state(a).map(State::word), Some("healthy"));
        pool.hold(a, None, now);
        for _ in 0..50 {
            let lease = pool.pick(0, &[], now).unwrap();
            pool.settle(lease, Outcome::Unreachable, now);
        }
        assert_eq!(pool.state(a).map(State::word), Some("ejected"));
    }

    #[test]
    fn what_was_learned_is_forgotten() {
        let mut pool = pool(&LeastResponseTime::ENTRY.spec());
        let now = Timestamp::ZERO;
        let lease = pool.pick(0, &[], now).unwrap();
        pool.settle(lease, good(), now);
        assert!(!pool.slow_response_time().is_zero());
        pool.forget_times();
        assert!(pool.slow_response_time().is_zero());
    }
}
