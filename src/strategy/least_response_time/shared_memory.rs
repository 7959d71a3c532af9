//! The part of the histories and of the pool's averages that workers share, packed into a
//! [`Memory`].
//!
//! ```text
//! of a backend  log_sum, an f32     | samples, 16 bits | failures, 16 bits
//!               responses, 16 bits  | time of the last decay, 48 bits
//! of the pool   failures, an f32    | responses, an f32
//!               mean logarithm, f32 | its samples, an f32
//! ```
//!
//! Counts are in thousandths, the time in units of 2^14 ns, which lasts for 146 years. There is one
//! history of a backend over all workers, as if one loop had seen every response: the worker that
//! settles an exchange takes it over, adds to it and publishes it. Two that do so at the same time
//! lose one of the samples. Refused: a history for each worker and their sum at each pick, which
//! takes a cache line a worker and forgets by the samples of each worker, so four times as slowly
//! with four.
//!
//! The pool's share of failures has to be one too: a worker of sixteen would need eight thousand
//! requests to forget the beginning, in which a flaky backend got as many as the others. What is
//! left to each worker, of which each sees a fair sample, is the mean service time, the residual
//! life and the order of responses: they belong to the kind of server and hardly change.

use super::averages::PoolAverages;
use super::history::History;
use crate::strategy::Memory;
use crate::time::Timestamp;

/// Units of a count that make one.
const UNITS: f32 = 1_000.0;
/// Bits of a time that are dropped.
const TIME_SHIFT: u32 = 14;
const COUNT_BITS: u32 = 16;

impl History {
    /// Returns what it says of its backend.
    pub(super) fn memory(&self) -> Memory {
        let log_sum = u64::from(self.log_sum.to_bits());
        let time = self.decayed_at.as_nanos() >> TIME_SHIFT;
        Memory([
            log_sum << (2 * COUNT_BITS) | pack(self.samples) << COUNT_BITS | pack(self.failures),
            pack(self.responses) << (64 - COUNT_BITS) | time & (u64::MAX >> COUNT_BITS),
        ])
    }

    /// Takes over what another worker says. Returns whether the backend is first heard of by that.
    pub(super) fn recall(&mut self, Memory([first, second]): Memory) -> bool {
        let log_sum = f32::from_bits((first >> (2 * COUNT_BITS)) as u32);
        self.log_sum = if log_sum.is_finite() { log_sum } else { 0.0 };
        self.samples = unpack(first >> COUNT_BITS);
        self.failures = unpack(first);
        self.responses = unpack(second >> (64 - COUNT_BITS));
        let time = (second & (u64::MAX >> COUNT_BITS)) << TIME_SHIFT;
        self.decayed_at = Timestamp::from_nanos(time);
        self.responses > 0.0 && self.hear()
    }
}

impl PoolAverages {
    /// Returns what it says of the pool.
    pub(super) fn memory(&self) -> Memory {
        Memory([
            pair(self.failures, self.responses),
            pair(self.log_time.value, self.log_time.samples),
        ])
    }

    /// Takes over what another worker says, if one has said anything.
    pub(super) fn recall(&mut self, memory: Memory) {
        if memory == Memory::default() {
            return;
        }
        let [failures, time] = memory.0;
        [self.failures, self.responses] = unpair(failures);
        [self.log_time.value, self.log_time.samples] = unpair(time);
    }
}

fn pair(high: f32, low: f32) -> u64 {
    u64::from(high.to_bits()) << 32 | u64::from(low.to_bits())
}

fn unpair(word: u64) -> [f32; 2] {
    [word >> 32, word].map(|half| f32::from_bits(half as u32))
}

/// A count of at most 65 in 16 bits, rounded without a call.
fn pack(count: f32) -> u64 {
    u64::from((count * UNITS + 0.5) as u16)
}

/// The count in the last 16 bits.
fn unpack(word: u64) -> f32 {
    f32::from(word as u16) / UNITS
}

#[cfg(test)]
mod tests {
    use super::super::tuning::{MAX_RESPONSES, MAX_SAMPLES};
    use super::*;
    use crate::strategy::BackendId;

    fn history() -> History {
        History::new(BackendId::new(0, 0), Timestamp::ZERO)
    }

    #[test]
    fn counts_fit() {
        for max in [MAX_SAMPLES, MAX_RESPONSES] {
            assert!(max * UNITS <= f32::from(u16::MAX), "{max}");
        }
    }

    #[test]
    fn another_worker_knows_the_same() {
        let (mut one, mut other) = (history(), history());
        for n in 0..200_u16 {
            let failed = n % 7 == 0;
            let first = one.count(failed);
            assert_eq!(first, n == 0);
            if !failed {
                one.learn(f32::from(n % 5) - 2.5);
            }
            one.decay(Timestamp::from_nanos(u64::from(n) * 200_000_000));
            assert_eq!(other.recall(one.memory()), n == 0);
            assert!((other.slowness() / one.slowness() - 1.0).abs() < 1e-3);
            assert!((other.penalty(0.01) - one.penalty(0.01)).abs() < 0.1);
            let aged = other
                .fresh_until()
                .as_nanos()
                .abs_diff(one.fresh_until().as_nanos());
            assert!(aged < 1 << TIME_SHIFT, "{aged}");
        }
    }

    #[test]
    fn another_worker_measures_by_the_same_averages() {
        let (mut one, mut other) = (PoolAverages::default(), PoolAverages::default());
        for pool in [&mut one, &mut other] {
            pool.set_servers(4);
        }
        for n in 1..300_u16 {
            one.count(n % 5 == 0);
            one.learn(f32::from(n) * 1e6);
            other.recall(one.memory());
            assert_eq!(other.failure_rate(&[]), one.failure_rate(&[]));
        }
        let above = |pool: &mut PoolAverages| pool.learn(1e9);
        assert_eq!(above(&mut other), above(&mut one));
        other.recall(Memory::default());
        assert!(
            other.failure_rate(&[]) > 0.1,
            "nothing said, nothing taken over"
        );
    }

    #[test]
    fn nothing_heard_stays_unheard() {
        let mut other = history();
        assert!(!other.recall(Memory::default()));
        assert!(!other.is_heard());
        assert_eq!(other.slowness(), 1.0);
    }

    #[test]
    fn torn_words_do_no_harm() {
        let mut other = history();
        other.recall(Memory([u64::MAX, u64::MAX]));
        assert!(other.slowness().is_finite() && other.penalty(0.5).is_finite());
    }
}
