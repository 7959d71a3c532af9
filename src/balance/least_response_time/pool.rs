//! What all backends together say: the scale on which each of them is measured.

use super::tuning::{
    LOG_MEAN_LEAST, LOG_MEAN_MOST, LOG_MEAN_PER_SERVER, MEAN_LEAST, MEAN_PER_SERVER,
    MEMORY_HALF_LIFE_S, POOL_FAILURE_DECAY, decay, is_due, seconds, unless_negligible,
};
use crate::time::Timestamp;

/// Means over the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    servers: f64,
    /// Mean of the logarithms of service times, and how many it is of.
    log_mean: f64,
    log_samples: f64,
    /// Decayed sum of service times in seconds, how many it is of, and when it was last decayed.
    time_sum: f64,
    time_samples: f64,
    decayed_at: Timestamp,
    /// Service times per second: the reciprocal of the mean, 0 while there is none.
    per_second: f64,
    /// Decayed counts of failures and responses.
    failures: f64,
    responses: f64,
    /// Sum over the backends of the share of responses that fail there.
    failure_rates: f64,
    /// Responses ever.
    heard: u64,
}

impl Pool {
    pub(super) fn set_servers(&mut self, servers: usize) {
        self.servers = servers as f64;
    }

    /// How many mean service times a second is; 0 while nothing is known.
    pub(super) const fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Responses, good and bad, since the start.
    pub(super) const fn heard(&self) -> u64 {
        self.heard
    }

    /// The share of responses that fail; 0 before the first.
    ///
    /// A backend that fails and gets most requests makes it its own, and could not stand out. So
    /// if most responses fail it is what fails at the mean of the backends, and at least a half.
    pub(super) fn failure_rate(&self) -> f64 {
        if self.responses > 0.0 {
            let of_backends = self.failure_rates / self.servers.max(1.0);
            (self.failures / self.responses).min(of_backends.max(0.5))
        } else {
            0.0
        }
    }

    /// The share of responses that fail at one backend has changed by so much.
    pub(super) fn shift_failure_rates(&mut self, change: f64) {
        self.failure_rates = unless_negligible(self.failure_rates + change).max(0.0);
    }

    /// Counts a response.
    pub(super) fn count(&mut self, failed: bool) {
        self.heard += 1;
        let left = unless_negligible(self.failures * POOL_FAILURE_DECAY);
        self.failures = left + f64::from(u8::from(failed));
        self.responses = self.responses * POOL_FAILURE_DECAY + 1.0;
    }

    /// Learns a service time. Returns by how much its logarithm is above the mean of the pool.
    pub(super) fn learn(&mut self, service_s: f64, now: Timestamp) -> f64 {
        let most = (LOG_MEAN_PER_SERVER * self.servers).clamp(LOG_MEAN_LEAST, LOG_MEAN_MOST);
        let log = service_s.ln();
        self.log_samples = (self.log_samples + 1.0).min(most);
        self.log_mean += (log - self.log_mean) * self.log_samples.recip();

        if is_due(self.decayed_at, now) {
            let left = decay(seconds(self.decayed_at, now), MEMORY_HALF_LIFE_S);
            self.decayed_at = now;
            self.time_sum *= left;
            self.time_samples *= left;
        }
        self.time_sum += service_s;
        self.time_samples += 1.0;
        let most = MEAN_LEAST.max(MEAN_PER_SERVER * self.servers);
        if self.time_samples > most {
            self.time_sum *= most / self.time_samples;
            self.time_samples = most;
        }
        self.per_second = self.time_samples / self.time_sum;
        log - self.log_mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool {
        let mut pool = Pool::default();
        pool.set_servers(4);
        pool
    }

    #[test]
    fn the_first_response_is_average() {
        assert_eq!(pool().learn(0.025, Timestamp::ZERO), 0.0);
    }

    #[test]
    fn the_means_are_of_what_was_learned() {
        let mut pool = pool();
        for _ in 0..50 {
            pool.learn(0.1, Timestamp::ZERO);
            pool.learn(0.3, Timestamp::ZERO);
        }
        assert!(
            (pool.per_second() - 5.0).abs() < 1e-9,
            "{}",
            pool.per_second()
        );
        let above = pool.learn(0.3, Timestamp::ZERO);
        assert!((above - 3.0_f64.ln() / 2.0).abs() < 0.02, "{above}");
    }

    #[test]
    fn old_times_weigh_less() {
        let mut pool = pool();
        pool.learn(1.0, Timestamp::ZERO);
        pool.learn(4.0, Timestamp::from_nanos(40_000_000_000));
        // The first counts half: (0.5 * 1 + 4) / 1.5 = 3.
        assert!((1.0 / pool.per_second() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn failures_are_a_share_of_responses() {
        let mut pool = pool();
        assert_eq!(pool.failure_rate(), 0.0);
        (0..10_000).for_each(|n| pool.count(n % 4 == 0));
        assert!((pool.failure_rate() - 0.25).abs() < 0.01);
        assert_eq!(pool.heard(), 10_000);
        (0..1_000_000).for_each(|_| pool.count(false));
        assert_eq!(
            pool.failure_rate(),
            0.0,
            "and do not linger as denormal numbers"
        );
    }

    #[test]
    fn failures_of_one_backend_are_not_the_pools_however_often_it_is_asked() {
        let mut pool = pool();
        (0..10_000).for_each(|_| pool.count(true));
        pool.shift_failure_rates(1.0);
        assert_eq!(pool.failure_rate(), 0.5);
        pool.shift_failure_rates(3.0);
        assert_eq!(pool.failure_rate(), 1.0, "all four fail");
    }
}
