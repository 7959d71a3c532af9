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

mod history;
mod pool;
mod residual;
mod tuning;

use super::sample::{SAMPLED_ABOVE, sample};
use super::{BackendId, Candidate, Outcome, Rng, Settlement, Strategy};
use crate::time::Timestamp;
use history::{History, Score};
use pool::Pool;
use residual::Residual;
use std::time::Duration;
use tuning::{
    COLD_BUDGET, COLD_BUDGET_AT_START, IDLE_CUT, IDLE_FULL_S, REFRESH_AFTER_S, START_RESPONSES,
    seconds,
};

/// The backend expected to finish soonest.
#[derive(Clone, Debug)]
pub struct LeastResponseTime {
    pool: Pool,
    residual: Residual,
    /// What a pick reads, by slot.
    scores: Vec<Score>,
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

/// The best candidate so far, by cost.
struct Best {
    cost: f64,
    last_pick: u64,
    id: BackendId,
}

impl LeastResponseTime {
    /// `seed` decides which part of a huge pool each pick looks at.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            pool: Pool::default(),
            residual: Residual::new(),
            scores: Vec::new(),
            histories: Vec::new(),
            next_aged: 0,
            cold_budget: COLD_BUDGET_AT_START,
            start_responses: 0,
            rng: Rng::new(seed),
        }
    }

    /// The best of some candidates.
    fn best<'a>(
        &'a self,
        candidates: impl Iterator<Item = (&'a Candidate, &'a Score)>,
        now: Timestamp,
    ) -> Option<BackendId> {
        let mut cold: Option<(u32, u64, BackendId)> = None;
        let mut best: Option<Best> = None;
        for (candidate, score) in candidates.filter(|(candidate, _)| candidate.pickable) {
            let Candidate {
                id,
                in_flight,
                last_pick,
                ..
            } = *candidate;
            if !score.heard && in_flight < self.cold_budget {
                if cold.is_none_or(|(q, last, _)| (in_flight, last_pick) < (q, last)) {
                    cold = Some((in_flight, last_pick, id));
                }
                continue;
            }
            let cost = self.cost(candidate, score, now);
            let better = best.as_ref().is_none_or(|best| {
                cost < best.cost || (cost == best.cost && last_pick < best.last_pick)
            });
            if better {
                best = Some(Best {
                    cost,
                    last_pick,
                    id,
                });
            }
        }
        cold.map(|(_, _, id)| id).or(best.map(|best| best.id))
    }

    /// When the next request would be finished there, in mean service times of the pool.
    fn cost(&self, candidate: &Candidate, score: &Score, now: Timestamp) -> f64 {
        if candidate.in_flight == 0 {
            let unpicked = seconds(candidate.last_picked_at, now) / IDLE_FULL_S;
            return score.slowness * (1.0 - IDLE_CUT * unpicked.min(1.0)) + score.penalty;
        }
        // `None` is less than any instant.
        let began = candidate
            .oldest_dispatched_at
            .max(candidate.last_completed_at);
        let age = self.age(began, score, now);
        let residual = self.residual.expected(age, score.in_order);
        score.slowness * (f64::from(candidate.in_flight) + residual) + score.penalty
    }

    /// How long a request has been in service that `began` then, in the service times that are
    /// expected there.
    fn age(&self, began: Option<Timestamp>, score: &Score, now: Timestamp) -> f64 {
        seconds(began.unwrap_or(now), now) * score.per_slowness * self.pool.per_second()
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
            && history.is_older_than(REFRESH_AFTER_S, now)
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
        let Some(score) = self.scores.get(slot) else {
            return;
        };
        // What was oldest there a moment ago: still is if it was overtaken, else it was this one.
        let oldest = match settlement.overtook {
            true => candidate.oldest_dispatched_at,
            false => Some(settlement.dispatched_at),
        };
        let age = self.age(oldest.max(settlement.previous_completion), score, now);
        if self.pool.per_second() > 0.0 {
            self.residual.learn(age);
        }
        // A response within the clock's resolution still took some time.
        let response_s = response_time.as_secs_f64().max(1e-9);
        let service_s = response_s / (f64::from(settlement.ahead_at_dispatch) + 1.0);
        let log_above = self.pool.learn(service_s, now);
        if let Some(history) = self.histories.get_mut(slot) {
            history.learn(log_above);
            if settlement.remaining > 0 {
                history.learn_order(settlement.overtook);
            }
        }
    }

    fn rescore(&mut self, slot: usize) {
        if let (Some(score), Some(history)) = (self.scores.get_mut(slot), self.histories.get(slot))
        {
            *score = history.score(self.pool.failure_rate());
        }
    }
}

impl Strategy for LeastResponseTime {
    fn name(&self) -> &'static str {
        "least-rt"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, now: Timestamp) -> Option<BackendId> {
        self.age_one(now);
        if candidates.len() > SAMPLED_ABOVE {
            let mut rng = self.rng.clone();
            let drawn = sample(candidates, &mut rng)
                .filter_map(|candidate| Some((candidate, self.scores.get(candidate.id.slot())?)));
            let best = self.best(drawn, now);
            self.rng = rng;
            if best.is_some() {
                return best;
            }
        }
        self.best(candidates.iter().zip(&self.scores), now)
    }

    fn settled(&mut self, candidates: &[Candidate], settlement: &Settlement, now: Timestamp) {
        let slot = settlement.backend.slot();
        let (Some(candidate), Some(history)) = (candidates.get(slot), self.histories.get_mut(slot))
        else {
            return;
        };
        let (failed, response_time) = match settlement.outcome {
            Outcome::Success { response_time } => (false, response_time),
            Outcome::Failure | Outcome::Unreachable => (true, None),
            Outcome::Neutral => return,
        };
        history.decay(now);
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

    fn cleared(&mut self, backend: BackendId) {
        if let Some(history) = self.histories.get_mut(backend.slot()) {
            history.forgive();
            self.rescore(backend.slot());
        }
    }

    fn changed(&mut self, candidates: &[Candidate], now: Timestamp) {
        let live = candidates.iter().filter(|c| c.live);
        let servers = live.clone().count();
        let mean_weight = live.map(|c| f64::from(c.weight)).sum::<f64>() / servers.max(1) as f64;
        self.pool.set_servers(servers);
        self.start_responses = START_RESPONSES.min(servers as u64);
        let failure_rate = self.pool.failure_rate();
        for (slot, candidate) in candidates.iter().enumerate() {
            if self.histories.get(slot).is_none() {
                let history = History::new(candidate.id, now);
                self.scores.push(history.score(failure_rate));
                self.histories.push(history);
            }
            if let Some(history) = self.histories.get_mut(slot) {
                if history.id != candidate.id {
                    *history = History::new(candidate.id, now);
                }
                if candidate.live {
                    history.set_weight(f64::from(candidate.weight), mean_weight);
                }
            }
            self.rescore(slot);
        }
    }
}
