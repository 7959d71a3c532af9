//! The memory of one backend: service times, failures and order, and the score derived from them.
//!
//! Everything here decays: the slowness of a backend without requests drifts to the pool's average,
//! and its failures are forgotten, so that no bad minute lasts for ever.

use super::tuning::{
    FAILURE_HALF_LIFE_S, FORGOTTEN, IN_ORDER_MIN, MAX_RESPONSES, MAX_SAMPLES, MEMORY_HALF_LIFE_S,
    OVERTAKING_FULL, OVERTAKING_STEP, PENALTY, PENALTY_DEVIATIONS, PRIOR_SAMPLES, REFRESH_AFTER,
    decay, is_due, seconds, unless_negligible,
};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::mem;

/// The memory of one backend.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// The backend.
    pub(super) id: BackendId,
    /// Decayed sum of how far the logarithms of its service times were above the pool's mean.
    pub(super) log_sum: f32,
    /// Decayed number of those service times.
    pub(super) samples: f32,
    /// The guess that its weight is, as a sum of logarithms over the samples it is credited with.
    prior: f32,
    /// Decayed counts of failures and of all responses.
    pub(super) failures: f32,
    pub(super) responses: f32,
    /// Recent share of responses that overtook an older request.
    overtaking: f32,
    heard: bool,
    pub(super) decayed_at: Timestamp,
}

impl History {
    pub(super) const fn new(id: BackendId, now: Timestamp) -> Self {
        Self {
            id,
            log_sum: 0.0,
            samples: 0.0,
            prior: 0.0,
            failures: 0.0,
            responses: 0.0,
            overtaking: 0.0,
            heard: false,
            decayed_at: now,
        }
    }

    /// Returns whether it ever responded, or failed to.
    pub(super) const fn is_heard(&self) -> bool {
        self.heard
    }

    /// Until when [`decay`](Self::decay) would make no difference.
    pub(super) fn fresh_until(&self) -> Timestamp {
        self.decayed_at + REFRESH_AFTER
    }

    /// Returns whether [`decay`](Self::decay) would make a difference.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        is_due(self.decayed_at, now)
    }

    /// Takes the weight as a guess of the speed: twice the weight, half the service time.
    pub(super) fn set_weight(&mut self, weight: f32, mean_weight: f32) {
        self.prior = PRIOR_SAMPLES * (mean_weight / weight).log2();
    }

    /// Forgets as much as the time since the last call has it.
    pub(super) fn decay(&mut self, now: Timestamp) {
        let elapsed_s = seconds(self.decayed_at, now);
        self.decayed_at = now;
        let left = decay(elapsed_s, MEMORY_HALF_LIFE_S);
        self.log_sum = unless_negligible(self.log_sum * left);
        self.samples = unless_negligible(self.samples * left);
        let left = decay(elapsed_s, FAILURE_HALF_LIFE_S);
        self.failures = forget(self.failures * left);
        self.responses = forget(self.responses * left);
    }

    /// Counts a response. Returns whether it was the first ever.
    pub(super) fn count(&mut self, failed: bool) -> bool {
        let responses = self.responses + 1.0;
        let left = (MAX_RESPONSES / responses).min(1.0);
        self.failures = (self.failures + f32::from(u8::from(failed))) * left;
        self.responses = responses.min(MAX_RESPONSES);
        self.hear()
    }

    /// Notes that the backend was heard from. Returns whether it was for the first time.
    pub(super) fn hear(&mut self) -> bool {
        !mem::replace(&mut self.heard, true)
    }

    /// Learns by how much the logarithm of a service time was above the pool's mean.
    pub(super) fn learn(&mut self, log_above: f32) {
        let samples = self.samples + 1.0;
        let left = (MAX_SAMPLES / samples).min(1.0);
        self.samples = samples.min(MAX_SAMPLES);
        self.log_sum = (self.log_sum + log_above) * left;
    }

    /// Its expected service time, in mean service times of the pool.
    pub(super) fn slowness(&self) -> f32 {
        ((self.log_sum + self.prior) / (self.samples + PRIOR_SAMPLES)).exp2()
    }

    /// Learns whether a response overtook an older request; called only when others remain.
    pub(super) fn learn_order(&mut self, overtook: bool) {
        let overtook = f32::from(u8::from(overtook));
        let change = OVERTAKING_STEP * (overtook - self.overtaking);
        self.overtaking = unless_negligible(self.overtaking + change);
    }

    /// The share of responses that fail, as far as so few can tell.
    pub(super) fn failure_rate(&self) -> f32 {
        self.failures / (self.responses + 1.0)
    }

    /// Forgets its failures.
    pub(super) fn forgive(&mut self) {
        self.failures = 0.0;
        self.responses = 0.0;
    }

    /// Returns how far it seems to serve in order of arrival, 0.3 to 1.
    pub(super) fn in_order(&self) -> f32 {
        IN_ORDER_MIN.max(1.0 - self.overtaking / OVERTAKING_FULL)
    }

    /// The cost of its failures, in mean service times of the pool: the rate of failures above the
    /// pool's that chance does not explain. An error that every backend returns is charged to none.
    pub(super) fn penalty(&self, pool_rate: f32) -> f32 {
        if self.failures == 0.0 {
            return 0.0;
        }
        let excess = self.failures - self.responses * pool_rate;
        let responses = self.responses + 1.0;
        let deviation = (pool_rate * (1.0 - pool_rate) / responses).max(0.0).sqrt();
        PENALTY * (excess / responses - PENALTY_DEVIATIONS * deviation).max(0.0)
    }
}

fn forget(count: f32) -> f32 {
    if count < FORGOTTEN { 0.0 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn history() -> History {
        History::new(BackendId::new(0, 0), at(0))
    }

    #[test]
    fn an_unknown_backend_is_average() {
        let mut history = history();
        assert_eq!((history.slowness(), history.penalty(0.0)), (1.0, 0.0));
        assert_eq!(history.in_order(), 1.0);
        assert!(history.count(false), "the first it is heard");
        assert!(!history.count(true));
    }

    #[test]
    fn slowness_is_learned_against_a_prior_and_drifts_back() {
        let mut history = history();
        (0..6).for_each(|_| history.learn(4.0_f32.log2()));
        // Six samples of 4 against six of 1: the geometric mean.
        assert!((history.slowness() - 2.0).abs() < 1e-6);
        (0..1_000).for_each(|_| history.learn(4.0_f32.log2()));
        let learned = history.slowness();
        assert!((3.5..4.0).contains(&learned), "{learned}");
        history.decay(at(400));
        let drifted = history.slowness();
        assert!((1.0..1.1).contains(&drifted), "{drifted}");
    }

    #[test]
    fn a_weight_is_a_guess_that_samples_overrule() {
        let mut history = history();
        history.set_weight(4.0, 2.0);
        assert!((history.slowness() - 0.5).abs() < 1e-6);
        (0..64).for_each(|_| history.learn(0.0));
        assert!(history.slowness() > 0.9);
    }

    #[test]
    fn only_failures_beyond_the_pools_are_charged() {
        let mut failing = history();
        (0..50).for_each(|_| _ = failing.count(true));
        assert!(failing.penalty(0.05) > 80.0);
        assert_eq!(failing.penalty(1.0), 0.0, "all fail: none is to blame");
        failing.forgive();
        assert_eq!(failing.penalty(0.05), 0.0);
    }

    #[test]
    fn nothing_decays_to_denormal_numbers() {
        let mut history = history();
        history.learn(1e-3);
        history.learn_order(true);
        for second in 0..200 {
            (0..1_000).for_each(|_| {
                history.learn(0.0);
                history.learn_order(false);
            });
            history.decay(at(second));
        }
        assert_eq!((history.log_sum, history.overtaking), (0.0, 0.0));
        history.decay(at(1_000_000));
        assert_eq!(history.samples, 0.0);
    }

    #[test]
    fn failures_are_forgotten_in_time() {
        let mut failing = history();
        (0..50).for_each(|_| _ = failing.count(true));
        failing.decay(at(30));
        let faded = failing.penalty(0.02);
        assert!((40.0..70.0).contains(&faded), "{faded}");
        failing.decay(at(60));
        assert_eq!(failing.penalty(0.02), 0.0);
    }

    #[test]
    fn overtaking_lowers_the_trust_in_order_to_its_floor() {
        let mut history = history();
        history.learn_order(true);
        assert!((history.in_order() - 0.8).abs() < 1e-6);
        (0..20).for_each(|_| history.learn_order(true));
        assert_eq!(history.in_order(), IN_ORDER_MIN);
    }
}
