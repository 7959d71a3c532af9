//! What all backends together say: the scale on which each of them is measured.

use super::history::History;
use super::log::log2;
use super::tuning::{
    LOG_MEAN_LEAST, LOG_MEAN_MOST, LOG_MEAN_PER_SERVER, MEAN_LEAST, MEAN_PER_SERVER,
    MEMORY_HALF_LIFE_S, POOL_FAILURE_DECAY, decay, is_due, seconds, unless_negligible,
};
use crate::time::Timestamp;

/// A mean of the last so many samples, about: each new one moves it by its share.
#[derive(Clone, Debug, Default)]
struct Mean {
    value: f32,
    samples: f32,
    /// Samples at which it is full, and new ones displace old ones.
    most: f32,
    /// The share of the next sample.
    share: f32,
}

impl Mean {
    fn set_most(&mut self, most: f32) {
        self.most = most;
        self.samples = self.samples.min(most);
        self.share = self.samples.max(1.0).recip();
    }

    /// Takes a sample in. Returns by how much it was above the mean that includes it.
    fn learn(&mut self, sample: f32) -> f32 {
        if self.samples < self.most {
            self.fill();
        }
        let above = sample - self.value;
        self.value += above * self.share;
        above * (1.0 - self.share)
    }

    #[cold]
    fn fill(&mut self) {
        self.samples = (self.samples + 1.0).min(self.most);
        self.share = self.samples.recip();
    }
}

/// Means over the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    /// One by the number of servers.
    per_server: f32,
    /// The logarithms of service times.
    log_time: Mean,
    /// Service times in nanoseconds, and when what is known of them was last aged.
    time_nanos: Mean,
    decayed_at: Timestamp,
    /// Service times per second: the reciprocal of the mean, 0 while there is none.
    per_second: f32,
    /// Decayed counts of failures and responses.
    failures: f32,
    responses: f32,
}

impl Pool {
    pub(super) fn set_servers(&mut self, servers: usize) {
        let servers = servers as f32;
        self.per_server = servers.max(1.0).recip();
        let most_logs = LOG_MEAN_PER_SERVER * servers;
        self.log_time
            .set_most(most_logs.clamp(LOG_MEAN_LEAST, LOG_MEAN_MOST));
        self.time_nanos
            .set_most(MEAN_LEAST.max(MEAN_PER_SERVER * servers));
    }

    /// How many mean service times a second is; 0 while nothing is known.
    pub(super) const fn per_second(&self) -> f32 {
        self.per_second
    }

    /// The share of responses that fail; 0 before the first.
    ///
    /// A backend that fails and gets most requests makes it its own, and could not stand out. So
    /// if most responses fail it is what fails at the mean of the backends, and at least a half.
    pub(super) fn failure_rate(&self, backends: &[History]) -> f32 {
        if self.failures <= self.responses * 0.5 {
            return self.failures / self.responses.max(1.0);
        }
        let rates = backends.iter().map(History::failure_rate).sum::<f32>();
        (self.failures / self.responses).min((rates * self.per_server).max(0.5))
    }

    /// Counts a response.
    pub(super) fn count(&mut self, failed: bool) {
        let left = unless_negligible(self.failures * POOL_FAILURE_DECAY);
        self.failures = left + f32::from(u8::from(failed));
        self.responses = self.responses * POOL_FAILURE_DECAY + 1.0;
    }

    /// Whether [`decay`](Self::decay) would make a difference.
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
        self.log_time.learn(log2(service_nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::BackendId;

    fn pool() -> Pool {
        let mut pool = Pool::default();
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
    fn the_means_are_of_what_was_learned() {
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
        mean.set_most(4.0);
        (0..100).for_each(|_| _ = mean.learn(8.0));
        assert_eq!(mean.learn(16.0), 6.0, "above the mean it has moved");
        assert_eq!((mean.value, mean.samples), (10.0, 4.0));
        mean.set_most(2.0);
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
    fn failures_of_one_backend_are_not_the_pools_however_often_it_is_asked() {
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
