//! What a pick computes: the cost of each candidate, and the least of them.
//!
//! This runs for every candidate at every pick. It reads what was worked out before, allocates and
//! remembers nothing, and takes the candidates four at a time. No step of the formula branches on
//! what differs from one backend to the next, which a processor would guess wrong half of the time.

use super::LeastResponseTime;
use super::standings::{Group, lane_of};
use super::tuning::{IDLE_CUT, IDLE_FULL_S, instant_s};
use crate::strategy::Candidate;
use crate::strategy::sample::BLOCK;
use crate::time::Timestamp;
use std::array;
use wide::{f32x4, i32x4};

/// By how much a backend on trial is shown to be better than any other. Service times.
const TRIAL_CREDIT: f64 = 1_000.0;

/// Groups whose costs are worked out together.
pub(super) const GROUPS: usize = 16;

/// The best candidate so far, and its cost.
#[derive(Clone, Copy)]
pub(super) struct Best<'a> {
    cost: f32,
    pub(super) candidate: Option<&'a Candidate>,
}

impl<'a> Best<'a> {
    pub(super) const NONE: Self = Self {
        cost: f32::INFINITY,
        candidate: None,
    };

    /// The best of a group and the best so far, if the group has costs that are this low.
    #[inline]
    fn or_one_of(mut self, candidates: &'a [Candidate], costs: f32x4, least: f32) -> Self {
        let mut lanes = costs.simd_eq(f32x4::splat(least)).to_bitmask();
        while lanes != 0 {
            let candidate = candidates.get(lanes.trailing_zeros() as usize);
            lanes &= lanes - 1;
            let candidate = candidate.filter(|candidate| candidate.pickable);
            if candidate.is_some_and(|candidate| self.is_worse(least, candidate)) {
                self = Self {
                    cost: least,
                    candidate,
                };
            }
        }
        self
    }

    fn is_worse(&self, cost: f32, candidate: &Candidate) -> bool {
        cost < self.cost
            || self
                .candidate
                .is_none_or(|own| candidate.last_pick < own.last_pick)
    }
}

/// Exchanges in flight at each of a group; without end where none may be added.
#[inline]
fn loads(candidates: &[Candidate]) -> f32x4 {
    match candidates.first_chunk::<BLOCK>() {
        Some(block) if block.iter().fold(true, |all, c| all & c.pickable) => {
            let in_flight = block.each_ref().map(|c| c.in_flight.cast_signed());
            f32x4::from_i32x4(i32x4::new(in_flight))
        }
        _ => loads_of_some(candidates),
    }
}

/// The same for a group that is not whole, or in which some may not be picked.
#[cold]
fn loads_of_some(candidates: &[Candidate]) -> f32x4 {
    let load = |lane: usize| match candidates.get(lane) {
        Some(candidate) if candidate.pickable => candidate.in_flight as f32,
        _ => f32::INFINITY,
    };
    f32x4::new(array::from_fn(load))
}

/// The least of four.
#[inline]
fn least_of(costs: f32x4) -> f32 {
    let [a, b, c, d] = costs.to_array();
    let lesser = |a: f32, b: f32| if b < a { b } else { a };
    lesser(lesser(a, c), lesser(b, d))
}

impl LeastResponseTime {
    /// The best of one group.
    pub(super) fn best_of<'a>(
        &self,
        candidates: &'a [Candidate],
        group: &Group,
        now: Timestamp,
    ) -> Best<'a> {
        let costs = self.costs(loads(candidates), group, instant_s(now));
        Best::NONE.or_one_of(candidates, costs, least_of(costs))
    }

    /// The best of up to sixteen groups and the best so far. All costs are worked out before any
    /// are compared, since only comparing takes branches.
    pub(super) fn better<'a, 'g>(
        &self,
        best: Best<'a>,
        groups: impl Iterator<Item = (&'a [Candidate], &'g Group)> + Clone,
        now: Timestamp,
    ) -> Best<'a> {
        let now_s = instant_s(now);
        let mut all_costs = [f32x4::splat(f32::INFINITY); GROUPS];
        let mut least = f32x4::splat(best.cost);
        for ((candidates, group), costs) in groups.clone().zip(&mut all_costs) {
            *costs = self.costs(loads(candidates), group, now_s);
            least = least.fast_min(*costs);
        }
        let least = least_of(least);
        groups
            .zip(&all_costs)
            .fold(best, |best, ((candidates, _), costs)| {
                best.or_one_of(candidates, *costs, least)
            })
    }

    /// The cost of a candidate, and where it comes from.
    pub(super) fn verdict(&self, candidate: &Candidate, now: Timestamp) -> (f64, String) {
        let Some((group, lane)) = self.standings.place(candidate.id.slot()) else {
            return (f64::INFINITY, "unknown".to_owned());
        };
        let Candidate { in_flight, .. } = candidate;
        if self.trial.admits(candidate) {
            let cost = f64::from(*in_flight) - TRIAL_CREDIT;
            let reason = format!("cold trial: never heard from, {in_flight} in flight");
            return (cost, reason);
        }
        let costs = self.costs(f32x4::splat(*in_flight as f32), group, instant_s(now));
        let of = |vector: &f32x4| f64::from(lane_of(vector, lane));
        let (cost, slowness, penalty) = (of(&costs), of(&group.slowness), of(&group.penalty));
        let services = (cost - penalty) / slowness;
        let terms = match in_flight {
            0 => format!("{services:.2} idle"),
            _ => {
                let residual = services - f64::from(*in_flight);
                format!("({in_flight} in flight + {residual:.2} residual)")
            }
        };
        (
            cost,
            format!("slowness {slowness:.2} x {terms} + penalty {penalty:.2}"),
        )
    }

    /// When the next request would be finished at each of a group, in mean service times of the pool.
    #[inline]
    fn costs(&self, in_flight: f32x4, group: &Group, now_s: f64) -> f32x4 {
        let elapsed_s = group.elapsed_s(now_s);
        let idle = f32x4::ONE - elapsed_s * f32x4::splat(IDLE_CUT / IDLE_FULL_S);
        let idle = idle.fast_max(f32x4::splat(1.0 - IDLE_CUT));
        let age = elapsed_s * f32x4::splat(self.pool.per_second()) / group.slowness;
        let busy = self.residual.after(in_flight, age, group.in_order);
        let services = in_flight.simd_eq(f32x4::ZERO).bitselect(idle, busy);
        group.slowness * services + group.penalty
    }
}

/// Since when the oldest request at a busy backend can have been in service; when an idle one was
/// last picked. Seconds on the clock.
pub(super) fn since_s(candidate: &Candidate) -> f64 {
    instant_s(match candidate.oldest_dispatched_at {
        None => candidate.last_picked_at,
        Some(dispatched_at) => dispatched_at.max(candidate.last_completed_at.unwrap_or_default()),
    })
}
