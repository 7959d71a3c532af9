//! Every constant of the rule, with its unit, and the one function of time they share.
//!
//! The values were tuned together in simulation; changing one alone makes the rule worse before
//! it makes it better. "Service times" are multiples of the pool's mean.

use crate::time::Timestamp;
use std::time::Duration;

/// Average samples every backend is credited with, so that few real ones decide little. Samples.
pub(super) const PRIOR_SAMPLES: f32 = 6.0;
/// Samples at which a backend's memory is full, and new ones displace old ones. Samples.
pub(super) const MAX_SAMPLES: f32 = 64.0;
/// Half-life of what is known of response times. Seconds.
pub(super) const MEMORY_HALF_LIFE_S: f32 = 40.0;

/// The pool's mean of logarithms is over this many responses per backend...
pub(super) const LOG_MEAN_PER_SERVER: f32 = 20.0;
/// ...but no fewer than this...
pub(super) const LOG_MEAN_MIN: f32 = 100.0;
/// ...and no more than this.
pub(super) const LOG_MEAN_MAX: f32 = 2_000.0;
/// The pool's mean service time is over this many responses per backend...
pub(super) const MEAN_PER_SERVER: f32 = 64.0;
/// ...but no fewer than this.
pub(super) const MEAN_MIN: f32 = 1_000.0;

/// The cost of failing always, where others never do. Service times.
pub(super) const PENALTY: f32 = 100.0;
/// Standard deviations above the pool's rate of failures that are put down to chance.
pub(super) const PENALTY_DEVIATIONS: f32 = 2.0;
/// Half-life of the failures of a backend. Seconds.
pub(super) const FAILURE_HALF_LIFE_S: f32 = 7.0;
/// Responses at which a backend's memory of failures is full. Responses.
pub(super) const MAX_RESPONSES: f32 = 50.0;
/// A remainder of failures or responses below this is forgotten.
pub(super) const FORGOTTEN: f32 = 0.001;
/// The share of the pool's memory of failures that each response leaves.
pub(super) const POOL_FAILURE_DECAY: f32 = 0.998;

/// The contribution of one response to a backend's share of overtaking ones.
pub(super) const OVERTAKING_STEP: f32 = 0.01;
/// The share of overtaking responses at which a backend plainly does not serve in order.
pub(super) const OVERTAKING_FULL: f32 = 0.05;
/// Least weight of the age of the oldest request, where order tells nothing.
pub(super) const IN_ORDER_MIN: f32 = 0.3;

/// A request in service longer than this, at least, is a hang. Service times.
pub(super) const HANG_MIN: f32 = 8.0;
/// ...and longer than all but this share of the completed ones.
pub(super) const HANG_SHARE: f32 = 0.001;

/// Requests an unheard-of backend may have outstanding while the pool is new.
pub(super) const COLD_BUDGET_AT_START: u32 = 3;
/// ...and later.
pub(super) const COLD_BUDGET: u32 = 1;
/// The pool is new during this many responses, or one per backend if there are fewer.
pub(super) const START_RESPONSES: u32 = 8;

/// By how much the slowness of an idle backend is cut at most, so that it is tried again.
pub(super) const IDLE_CUT: f32 = 0.2;
/// After how long without a pick the whole cut is given. Seconds.
pub(super) const IDLE_FULL_S: f32 = 60.0;

/// Statistics are aged only when they are older than this, which spares a busy pool the
/// exponentials. Later samples are then taken for so much older than they are: at the half-lives
/// above, that is 0.2 % of a response time and 1 % of a failure too little.
pub(super) const REFRESH_AFTER: Duration = Duration::from_millis(100);

/// A decaying quantity below this is nothing. Without an end it would shrink to numbers that have
/// no leading digit any more, with which processors take a hundred times as long.
pub(super) const NEGLIGIBLE: f32 = 1e-12;

/// A decaying quantity, or 0 once it is negligible.
#[inline]
pub(super) fn unless_negligible(quantity: f32) -> f32 {
    if quantity.abs() < NEGLIGIBLE {
        0.0
    } else {
        quantity
    }
}

/// The time from `earlier` to `later`, in seconds; 0 if `earlier` is not earlier.
#[inline]
pub(super) fn seconds(earlier: Timestamp, later: Timestamp) -> f32 {
    number(later.as_nanos().saturating_sub(earlier.as_nanos())) * 1e-9
}

/// A response time in nanoseconds. One within the clock's resolution still took some time.
pub(super) fn nanos(response_time: Duration) -> f32 {
    number((response_time.as_nanos() as u64).max(1))
}

/// Three centuries of nanoseconds fit an `i64`, which a processor converts in one instruction: a
/// pick does this for every backend, and a `u64` takes five, a `u128` fifty.
#[inline]
fn number(nanos: u64) -> f32 {
    nanos.cast_signed() as f32
}

/// Returns whether what was aged at `aged_at` is to be aged again.
#[inline]
pub(super) fn is_due(aged_at: Timestamp, now: Timestamp) -> bool {
    now.as_nanos().saturating_sub(aged_at.as_nanos()) > REFRESH_AFTER.as_nanos() as u64
}

/// Returns the rest, after `elapsed_s`, of a quantity that halves every `half_life_s`.
pub(super) fn decay(elapsed_s: f32, half_life_s: f32) -> f32 {
    (-elapsed_s / half_life_s).exp2()
}
