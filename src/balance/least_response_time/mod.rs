//! least-rt: the backend expected to finish the next request soonest.
//!
//! *Use it* by default: when backends or requests differ, and when backends may go bad.
//! *Cost of a pick*: one look at every backend; above 500 of them, at 64 drawn at random.
//!
//! The cost of a backend, in mean service times of the pool, is
//!
//! ```text
//! slowness * (in_flight + residual) + penalty     when it is busy
//! slowness * (1 - idle cut)         + penalty     when it is idle
//! ```
//!
//! and the least is picked, on a tie the least recently picked.
//!
//! - *Slowness* ([`history`]) is learned from response times divided by the queue they met, so
//!   that a long queue does not look like a slow backend. Taking the mean response time instead
//!   counts the queue twice, and sends everyone to the same place.
//! - *Residual* ([`residual`]) is the expected rest of the request in service. It grows when a
//!   request hangs, so a stuck backend repels long before any timeout.
//! - *Penalty* is for failing more than the pool does. Failures give no response times: a fast
//!   failure is not a fast backend.
//! - A backend *never heard from* gets a small trial before any other is considered, an idle one
//!   gets up to a fifth off, and what is known fades, so that nobody is left out for good.
//!
//! It sees the upstream's candidates and nothing else. Scores are kept up to date as responses
//! come in; a pick only reads them, and ages at most one, round robin.

mod cost;
mod history;
mod pool;
mod residual;
mod row;
mod standings;
mod tuning;

use super::sample::{BLOCK, SAMPLED_ABOVE, block, draw_blocks};
use super::{BackendId, Candidate, Outcome, Rng, Settlement, Strategy, Verdict, verdict};
use crate::time::Timestamp;
use cost::{Best, GROUPS};
use history::History;
use pool::Pool;
use residual::Residual;
use standings::Standings;
use std::time::Duration;
use tuning::{COLD_BUDGET, COLD_BUDGET_AT_START, START_RESPONSES, duration_s, instant_s, seconds};

/// The backend expected to finish soonest.
#[derive(Clone, Debug)]
pub struct LeastResponseTime {
    pool: Pool,
    residual: Residual,
    /// What a pick reads, by slot.
    standings: Standings,
    /// What it follows from, by slot.
    histories: Vec<History>,
    /// The slot that is aged next.
    next_aged: usize,
    /// Requests a backend that was never heard from may have outstanding.
    cold_budget: u32,
    /// Responses after which the pool is no longer new.
    start_responses: u64,
    rng: Rng,
}

impl LeastResponseTime {
    /// `seed` decides which part of a huge pool each pick looks at.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            pool: Pool::default(),
            residual: Residual::new(),
            standings: Standings::default(),
            histories: Vec::new(),
            next_aged: 0,
            cold_budget: COLD_BUDGET_AT_START,
            start_responses: 0,
            rng: Rng::new(seed),
        }
    }

    /// Ages the next backend in turn, if that makes a difference.
    fn age_one(&mut self, now: Timestamp) {
        let slot = self.next_aged;
        self.next_aged = if slot + 1 < self.histories.len() {
            slot + 1
        } else {
            0
        };
        if let Some(history) = self.histories.get_mut(slot)
            && history.is_due(now)
        {
            history.decay(now);
            self.rescore(slot);
        }
    }

    /// Learns from a response that came as it should.
    fn learn(
        &mut self,
        response_time: Duration,
        candidate: &Candidate,
        settlement: &Settlement,
        now: Timestamp,
    ) {
        let slot = settlement.backend.slot();
        // What was oldest there a moment ago: still is if it was overtaken, else it was this one.
        let dispatched_at = settlement.dispatched_at;
        let oldest = match settlement.overtook {
            true => candidate.oldest_dispatched_at.unwrap_or(dispatched_at),
            false => dispatched_at,
        };
        let began = oldest.max(settlement.previous_completion.unwrap_or_default());
        if self.pool.per_second() > 0.0 {
            let pace = f64::from(self.standings.per_slowness(slot)) * self.pool.per_second();
            self.residual.learn((seconds(began, now) * pace) as f32);
        }
        // A response within the clock's resolution still took some time.
        let response_s = duration_s(response_time).max(1e-9);
        let service_s = response_s * (f64::from(settlement.ahead_at_dispatch) + 1.0).recip();
        let log_above = self.pool.learn(service_s, now);
        if let Some(history) = self.histories.get_mut(slot) {
            history.learn(log_above);
            if settlement.remaining > 0 {
                history.learn_order(settlement.overtook);
            }
        }
    }

    /// Makes sure that the history in a slot is that of its backend.
    fn seat(&mut self, candidate: &Candidate, now: Timestamp) {
        let slot = candidate.id.slot();
        let known = self
            .histories
            .get(slot)
            .is_some_and(|h| h.id == candidate.id);
        if known {
            return;
        }
        let history = History::new(candidate.id, now);
        match self.histories.get_mut(slot) {
            Some(former) => {
                former.forgive();
                self.pool.shift_failure_rates(former.take_change());
                *former = history;
            }
            None => self.histories.push(history),
        }
        self.standings.set_since(slot, cost::since_s(candidate));
    }

    fn rescore(&mut self, slot: usize) {
        if let Some(history) = self.histories.get_mut(slot) {
            self.pool.shift_failure_rates(history.take_change());
            let score = history.score(self.pool.failure_rate());
            self.standings.set_score(slot, &score);
        }
    }

    fn choose(&mut self, candidates: &[Candidate], now: Timestamp) -> Option<BackendId> {
        let groups = self.standings.groups();
        if let [group] = groups {
            return self.best_of(candidates, group, now).id;
        }
        if candidates.len() > SAMPLED_ABOVE {
            let numbers = draw_blocks(&mut self.rng, candidates.len());
            let drawn = numbers.iter().filter_map(|&number| {
                let group = groups.get(number)?;
                Some((block(candidates, number), group))
            });
            let best = self.better(Best::NONE, drawn, now);
            if best.id.is_some() {
                return best.id;
            }
        }
        let parts = candidates.chunks(GROUPS * BLOCK).zip(groups.chunks(GROUPS));
        let best = parts.fold(Best::NONE, |best, (candidates, groups)| {
            self.better(best, candidates.chunks(BLOCK).zip(groups), now)
        });
        best.id
    }
}

impl Strategy for LeastResponseTime {
    fn name(&self) -> &'static str {
        "least-rt"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, now: Timestamp) -> Option<BackendId> {
        self.age_one(now);
        let chosen = self.choose(candidates, now)?;
        if candidates.get(chosen.slot())?.in_flight == 0 {
            self.standings.set_since(chosen.slot(), instant_s(now));
        }
        Some(chosen)
    }

    fn settled(&mut self, candidates: &[Candidate], settlement: &Settlement, now: Timestamp) {
        let slot = settlement.backend.slot();
        let (Some(candidate), Some(history)) = (candidates.get(slot), self.histories.get_mut(slot))
        else {
            return;
        };
        self.standings.set_since(slot, cost::since_s(candidate));
        let (failed, response_time) = match settlement.outcome {
            Outcome::Success { response_time } => (false, response_time),
            Outcome::Declined | Outcome::Failure | Outcome::Unreachable => (true, None),
            Outcome::Neutral => return,
        };
        if history.is_due(now) {
            history.decay(now);
        }
        history.count(failed);
        self.pool.count(failed);
        if self.pool.heard() >= self.start_responses {
            self.cold_budget = COLD_BUDGET;
        }
        if let Some(response_time) = response_time {
            self.learn(response_time, candidate, settlement, now);
        }
        self.rescore(slot);
    }

    fn explain(&self, candidates: &[Candidate], _: u64, now: Timestamp) -> Vec<Verdict> {
        // As a pick does, which may decide it.
        let mut aged = self.clone();
        aged.age_one(now);
        verdict::of_each(candidates, |candidate| aged.verdict(candidate, now))
    }

    fn cleared(&mut self, backend: BackendId) {
        if let Some(history) = self.histories.get_mut(backend.slot()) {
            history.forgive();
            self.rescore(backend.slot());
        }
    }

    fn refreshed(&mut self, candidates: &[Candidate]) {
        for candidate in candidates {
            let slot = candidate.id.slot();
            self.standings.set_since(slot, cost::since_s(candidate));
        }
    }

    fn changed(&mut self, candidates: &[Candidate], now: Timestamp) {
        let live = candidates.iter().filter(|c| c.live);
        let servers = live.clone().count();
        let mean_weight = live.map(|c| f64::from(c.weight)).sum::<f64>() / servers.max(1) as f64;
        self.pool.set_servers(servers);
        self.start_responses = START_RESPONSES.min(servers as u64);
        self.standings.make_room(candidates.len());
        for (slot, candidate) in candidates.iter().enumerate() {
            self.seat(candidate, now);
            if let Some(history) = self.histories.get_mut(slot).filter(|_| candidate.live) {
                history.set_weight(f64::from(candidate.weight), mean_weight);
            }
            self.rescore(slot);
        }
    }
}
