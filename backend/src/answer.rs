//! What a route comes to: the results, before anyone decides how they look.
//!
//! Knows nothing of formats or HTTP. Working out an answer is what takes the simulated time.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::pi::{self, Estimate};
use crate::refusal::Refusal;
use crate::routes::Route;

/// A result, or the refusal to give one.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Index { term_ms: f64 },
    Pong,
    Sum(Sum),
    Pi(Estimate),
    Refused(Refusal),
}

/// Two numbers, their sum, and a random number from the smaller to the larger, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) first: i64,
    pub(crate) second: i64,
    /// 128 bits wide, so that no two numbers overflow it.
    pub(crate) sum: i128,
    pub(crate) random: i128,
}

impl Answer {
    /// Works out what was asked for. Blocks for as long as the terms cost.
    pub(crate) fn work_out(asked: Result<Route, Refusal>, term_cost: Duration) -> Self {
        match asked {
            Ok(Route::Index) => Answer::Index {
                term_ms: term_cost.as_secs_f64() * 1000.0,
            },
            Ok(Route::Ping) => Answer::Pong,
            Ok(Route::Sum { first, second }) => Answer::Sum(Sum::of(first, second, random_bits())),
            Ok(Route::Pi(precision)) => Answer::Pi(pi::compute(precision, term_cost)),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Answer::Index { .. } | Answer::Pong | Answer::Sum(_) | Answer::Pi(_) => 200,
            Answer::Refused(refusal) => refusal.status(),
        }
    }
}

impl Sum {
    fn of(first: i64, second: i64, bits: u64) -> Self {
        let (low, high) = (i128::from(first.min(second)), i128::from(first.max(second)));
        // Scales 64 random bits down to the span, which is 2^64 at its widest: the product fits.
        let span = low.abs_diff(high) + 1;
        let random = low.saturating_add_unsigned((u128::from(bits) * span) >> 64);
        Sum {
            first,
            second,
            sum: low + high,
            random,
        }
    }
}

/// 64 random bits from the seed of std's hash maps: good enough for a demo, and no dependency.
fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_number_covers_both_ends_and_nothing_beyond() {
        assert_eq!(Sum::of(2, 3, 0).random, 2);
        assert_eq!(Sum::of(2, 3, u64::MAX).random, 3);
        assert_eq!(Sum::of(3, 2, u64::MAX).random, 3);
        assert_eq!(Sum::of(-5, -5, u64::MAX).random, -5);
        assert_eq!(Sum::of(0, 9, 1 << 63).random, 5);
    }

    #[test]
    fn the_widest_numbers_do_not_overflow() {
        let sum = Sum::of(i64::MAX, i64::MIN, u64::MAX);
        assert_eq!((sum.sum, sum.random), (-1, i128::from(i64::MAX)));
        assert_eq!(Sum::of(i64::MIN, i64::MIN, 7).sum, 2 * i128::from(i64::MIN));
    }

    #[test]
    fn random_bits_differ_from_call_to_call() {
        assert_ne!(random_bits(), random_bits());
    }

    #[test]
    fn a_refusal_keeps_its_status() {
        let answer = Answer::work_out(Err(Refusal::Missing("first")), Duration::ZERO);
        assert_eq!(answer.status(), 400);
        assert_eq!(
            Answer::work_out(Ok(Route::Ping), Duration::ZERO).status(),
            200
        );
    }
}
