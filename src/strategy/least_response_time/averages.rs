//! Averages over all backends: the scale on which each of them is measured.

use super::history::History;
use super::tuning::{
    LOG_MEAN_MAX, LOG_MEAN_MIN, LOG_MEAN_PER_SERVER, MEAN_MIN, MEAN_PER_SERVER, MEMORY_HALF_LIFE_S,
    POOL_FAILURE_DECAY, decay, is_due, seconds, unless_negligible,
};
use crate::time::Timestamp;

/// A mean of the last so many samples, about: each new one moves it by its share.
#[derive(Clone, Debug, Default)]
pub(super) struct Mean {
    pub(super) value: f32,
    pub(super) samples: f32,
    /// Samples at which it is full, and new ones displace old ones.
    max_samples: f32,
}

impl Mean {
    fn set_max_samples(&mut self, max: f32) {
        self.max_samples = max;
        self.samples = self.samples.min(max);
    }

    /// Adds a sample. Returns by how much it is above the mean that includes it.
    fn learn(&mut self, sample: f32) -> f32 {
        self.samples = (self.samples + 1.0).min(self.max_samples);
        self.value += (sample - self.value) / self.samples;
        sample - self.value
    }
}

/// Means over the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolAverages {
    servers: f32,
    /// The logarithms of service times.
    pub(super) log_time: Mean,
    /// Service times in nanoseconds, and when what is known of them was last aged.
    time_nanos: Mean,
    decayed_at: Timestamp,
    /// Service times per second: the reciprocal of the mean, 0 while there is none.
    per_second: f32,
    /// Decayed counts of failures and responses.
    pub(super) failures: f32,
    pub(super) responses: f32,
}

impl PoolAverages {
    pub(super) fn set_servers(&mut self, servers: usize) {
        self.servers = servers as f32;
        let logs = LOG_MEAN_PER_SERVER * self.servers;
        self.log_time
            .set_max_samples(logs.clamp(LOG_MEAN_MIN, LOG_MEAN_MAX));
        self.time_nanos
            .set_max_samples(MEAN_MIN.max(MEAN_PER_SERVER * self.servers));
    }

    /// Returns how many mean service times a second is; 0 while nothing is known.
    pub(super) const fn per_second(&self) -> f32 {
        self.per_second
    }

    /// The share of responses that fail; 0 before the first.
    ///
    /// A failing backend that gets most requests would set the rate itself, and could not stand
    /// out. So if most responses fail, the rate is the mean over the backends, and at least a half.
    pub(super) fn failure_rate(&self, backends: &[History]) -> f32 {
        if self.failures <= self.responses * 0.5 {
            return self.failures / self.responses.max(1.0);
        }
        let rates = backends.iter().map(History::failure_rate).sum::<f32>();
        (self.failures / self.responses).min((rates / self.servers.max(1.0)).max(0.5))
    }

    /// Counts a response.
    pub(super) fn count(&mut self, failed: bool) {
        let left = unless_negligible(self.failures * POOL_FAILURE_DECAY);
        self.failures = left + f32::from(u8::from(failed));
        self.responses = self.responses * POOL_FAILURE_DECAY + 1.0;
    }

    /// Returns whether [`decay`](Self::decay) would make a difference.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        is_due(self.decayed_at, now)
    }

    /// Forgets as much as the time since the last call has it.
    pub(super) fn decay(&mut self, now: Timestamp) {
        let left = decay(seconds(self.decayed_at, now), MEMORY_HALF_LIFE_S);
        self.decayed_at = now;
        self.time_nanos.samples *= left;
    }

    /// Learns a service time. Returns by how much its logarithm is above the mean of the pool.
    pub(super) fn learn(&mut self, service_nanos: f32) -> f32 {
        self.time_nanos.learn(service_nanos);
        self.per_second = 1e9 / self.time_nanos.value;
        self.log_time.learn(service_nanos.log2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::BackendId;

    fn pool() -> PoolAverages {
        let mut pool = PoolAverages::default();
        pool.set_servers(4);
        pool
    }

    fn nanos(seconds: f32) -> f32 {
        seconds * 1e9
    }

    #[test]
    fn the_first_response_is_average() {
        assert_eq!(pool().learn(nanos(0.025)), 0.0);
    }

    #[test]
    fn means_are_of_the_samples() {
        let mut pool = pool();
        for _ in 0..50 {
            pool.learn(nanos(0.1));
            pool.learn(nanos(0.3));
        }
        assert!((pool.per_second() - 5.0).abs() < 1e-5);
        let above = pool.learn(nanos(0.3));
        assert!((above - 3.0_f32.log2() / 2.0).abs() < 0.02, "{above}");
    }

    #[test]
    fn old_times_weigh_less() {
        let mut pool = pool();
        pool.learn(nanos(1.0));
        let now = Timestamp::from_nanos(40_000_000_000);
        assert!(pool.is_due(now));
        pool.decay(now);
        assert!(!pool.is_due(now));
        pool.learn(nanos(4.0));
        // The first counts half: (0.5 * 1 + 4) / 1.5 = 3.
        assert!((1.0 / pool.per_second() - 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_mean_that_is_full_moves_by_its_share() {
        let mut mean = Mean::default();
        mean.set_max_samples(4.0);
        (0..100).for_each(|_| _ = mean.learn(8.0));
        assert_eq!(mean.learn(16.0), 6.0, "above the mean it has moved");
        assert_eq!((mean.value, mean.samples), (10.0, 4.0));
        mean.set_max_samples(2.0);
        assert_eq!(mean.learn(20.0), 5.0);
    }

    #[test]
    fn failures_are_a_share_of_responses() {
        let mut pool = pool();
        assert_eq!(pool.failure_rate(&[]), 0.0);
        (0..10_000).for_each(|n| pool.count(n % 4 == 0));
        assert!((pool.failure_rate(&[]) - 0.25).abs() < 0.01);
        (0..1_000_000).for_each(|_| pool.count(false));
        assert_eq!(
            pool.failure_rate(&[]),
            0.0,
            "and do not linger as denormal numbers"
        );
    }

    #[test]
    fn one_busy_failing_backend_does_not_set_the_pools_rate() {
        let mut pool = pool();
        (0..10_000).for_each(|_| pool.count(true));
        let mut backends =
            [0, 1, 2, 3].map(|slot| History::new(BackendId::new(slot, 0), Timestamp::ZERO));
        (0..1_000).for_each(|_| _ = backends[0].count(true));
        assert_eq!(pool.failure_rate(&backends), 0.5);
        let [.., last] = &mut backends;
        (0..1_000).for_each(|_| _ = last.count(true));
        (0..1_000).for_each(|_| _ = backends[1].count(true));
        let rate = pool.failure_rate(&backends);
        assert!((0.7..0.75).contains(&rate), "{rate}: three of four fail");
    }
}
