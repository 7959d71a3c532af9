//! What a pick computes: the cost of each candidate, and the least of them.
//!
//! This runs for every candidate at every pick. It reads what was worked out before, allocates,
//! divides and remembers nothing, and takes the candidates in groups of eight (see [`Row`]).

use super::LeastResponseTime;
use super::row::Row;
use super::standings::Group;
use super::tuning::{COLD_CREDIT, IDLE_CUT, IDLE_FULL_S, instant_s};
use crate::balance::{BackendId, Candidate};
use crate::time::Timestamp;

/// Groups whose costs are worked out together.
pub(super) const GROUPS: usize = 8;

/// The best candidate so far, and what it is judged by.
pub(super) struct Best {
    cost: f32,
    last_pick: u64,
    pub(super) id: Option<BackendId>,
}

impl Best {
    pub(super) const NONE: Self = Self {
        cost: f32::INFINITY,
        last_pick: u64::MAX,
        id: None,
    };

    /// The best of a group and the best so far, if the group has costs that are this low.
    fn or_one_of(mut self, candidates: &[Candidate], costs: Row, least: f32) -> Self {
        let costs = candidates.iter().zip(costs.iter());
        for (candidate, _) in costs.filter(|(_, cost)| *cost == least) {
            let is_better = least < self.cost || candidate.last_pick < self.last_pick;
            if is_better && candidate.pickable {
                self = Self {
                    cost: least,
                    last_pick: candidate.last_pick,
                    id: Some(candidate.id),
                };
            }
        }
        self
    }
}

/// Exchanges in flight at each of a group; without end where none may be added.
fn loads(candidates: &[Candidate]) -> Row {
    let load = |candidate: &Candidate| match candidate.pickable {
        true => candidate.in_flight.cast_signed() as f32,
        false => f32::INFINITY,
    };
    Row::each(|lane| candidates.get(lane).map_or(f32::INFINITY, load))
}

impl LeastResponseTime {
    /// The best of one group.
    pub(super) fn best_of(&self, candidates: &[Candidate], group: &Group, now: Timestamp) -> Best {
        let costs = self.costs(loads(candidates), group, instant_s(now));
        Best::NONE.or_one_of(candidates, costs, costs.least())
    }

    /// The best of up to eight groups and the best so far. All costs are worked out before any
    /// are compared, since only comparing takes branches.
    pub(super) fn better<'a>(
        &self,
        best: Best,
        groups: impl Iterator<Item = (&'a [Candidate], &'a Group)> + Clone,
        now: Timestamp,
    ) -> Best {
        let now_s = instant_s(now);
        let mut all_costs = [Row::all(f32::INFINITY); GROUPS];
        let mut least = Row::all(best.cost);
        for ((candidates, group), costs) in groups.clone().zip(&mut all_costs) {
            *costs = self.costs(loads(candidates), group, now_s);
            least = least.at_most(*costs);
        }
        let least = least.least();
        let with_least = groups
            .zip(&all_costs)
            .filter(|(_, costs)| costs.contain(least));
        with_least.fold(best, |best, ((candidates, _), costs)| {
            best.or_one_of(candidates, *costs, least)
        })
    }

    /// The cost of a candidate, and where it comes from.
    pub(super) fn verdict(&self, candidate: &Candidate, now: Timestamp) -> (f64, String) {
        let Some((group, lane)) = self.standings.group_of(candidate.id.slot()) else {
            return (f64::INFINITY, "unknown".to_owned());
        };
        let Candidate { in_flight, .. } = candidate;
        let costs = self.costs(Row::all(*in_flight as f32), group, instant_s(now));
        let of = |row: Row| f64::from(row.get(lane).unwrap_or_default());
        let (cost, slowness, penalty) = (of(costs), of(group.slowness), of(group.penalty));
        if cost < 0.0 {
            return (
                cost,
                format!("cold trial: never heard from, {in_flight} in flight"),
            );
        }
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

    /// When the next request would be finished at each of a group, in mean service times of the
    /// pool; for a backend on its cold trial, less than for any other.
    #[inline]
    fn costs(&self, in_flight: Row, group: &Group, now_s: f64) -> Row {
        let elapsed_s = group.elapsed_s(now_s);
        let idle = Row::all(1.0) - elapsed_s * Row::all(IDLE_CUT / IDLE_FULL_S);
        let idle = idle.at_least(Row::all(1.0 - IDLE_CUT));
        let age = elapsed_s * group.per_slowness * Row::all(self.pool.per_second() as f32);
        let rest = self.residual.expected(age, group.in_order);
        // Where nothing is in flight there is no rest, and `idle` is more than nothing.
        let busy = in_flight + rest.at_most(in_flight * Row::all(f32::MAX));
        let cost = group.slowness * idle.at_least(busy) + group.penalty;
        let trial_below = group.trial_below.at_most(Row::all(self.cold_budget as f32));
        in_flight.if_below(trial_below, in_flight - Row::all(COLD_CREDIT), cost)
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
