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
//! It sees the pool's candidates and nothing else. Scores are kept up to date as responses
//! come in; a pick only reads them, and ages at most one, round robin.

mod cost;
mod history;
mod log;
mod pool;
mod residual;
mod standings;
mod trial;
mod tuning;

use super::sample::{BLOCK, SAMPLED_ABOVE, block, draw_blocks};
use super::{BackendId, Candidate, Outcome, Rng, Settlement, Strategy, Verdict, verdict};
use crate::time::Timestamp;
use cost::{Best, GROUPS};
use history::History;
use pool::Pool;
use residual::Residual;
use standings::Standings;
use trial::Trial;
use tuning::{instant_s, nanos};

/// The backend expected to finish soonest.
#[derive(Clone, Debug)]
pub struct LeastResponseTime {
    pool: Pool,
    residual: Residual,
    /// What a pick reads, by slot.
    standings: Standings,
    /// What it follows from, by slot.
    histories: Vec<History>,
    /// The slot that is aged next, and until when that makes no difference.
    next_aged: usize,
    aged_until: Timestamp,
    trial: Trial,
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
            aged_until: Timestamp::ZERO,
            trial: Trial::new(),
            rng: Rng::new(seed),
        }
    }

    /// Ages the pool, and the next backend in turn, where that makes a difference.
    #[cold]
    fn age_one(&mut self, now: Timestamp) {
        if self.pool.is_due(now) {
            self.pool.decay(now);
        }
        let slot = self.next_aged;
        if let Some(history) = self.histories.get_mut(slot)
            && history.is_due(now)
        {
            history.decay(now);
            self.rescore(slot);
        }
        let next = self.histories.get(slot + 1);
        self.next_aged = next.map_or(0, |_| slot + 1);
        let next = next.or(self.histories.first());
        self.aged_until = next.map_or(Timestamp::NEVER, History::fresh_until);
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
            Some(former) => *former = history,
            None => self.histories.push(history),
        }
        if let Some(group) = self.standings.group_mut(slot) {
            group.set_since(slot, cost::since_s(candidate));
            group.set_order(slot, 1.0);
        }
    }

    /// Works out anew what a pick reads of a backend.
    fn rescore(&mut self, slot: usize) {
        let pool_rate = self.pool.failure_rate(&self.histories);
        let history = self.histories.get(slot);
        if let (Some(history), Some(group)) = (history, self.standings.group_mut(slot)) {
            group.set_score(slot, history.slowness(), history.penalty(pool_rate));
        }
    }

    fn choose<'a>(&mut self, candidates: &'a [Candidate], now: Timestamp) -> Option<&'a Candidate> {
        if !self.trial.is_over()
            && let Some(unheard) = self.trial.pick(candidates, &mut self.rng)
        {
            return Some(unheard);
        }
        match self.standings.groups() {
            [group] => self.best_of(candidates, group, now).candidate,
            _ => self.choose_of_many(candidates, now),
        }
    }

    #[inline(never)]
    fn choose_of_many<'a>(
        &mut self,
        candidates: &'a [Candidate],
        now: Timestamp,
    ) -> Option<&'a Candidate> {
        let groups = self.standings.groups();
        if candidates.len() > SAMPLED_ABOVE {
            let numbers = draw_blocks(&mut self.rng, candidates.len());
            let drawn = numbers.iter().filter_map(|&number| {
                let group = groups.get(number)?;
                Some((block(candidates, number), group))
            });
            let best = self.better(Best::NONE, drawn, now);
            if best.candidate.is_some() {
                return best.candidate;
            }
        }
        let parts = candidates.chunks(GROUPS * BLOCK).zip(groups.chunks(GROUPS));
        let best = parts.fold(Best::NONE, |best, (candidates, groups)| {
            self.better(best, candidates.chunks(BLOCK).zip(groups), now)
        });
        best.candidate
    }
}

impl Strategy for LeastResponseTime {
    fn name(&self) -> &'static str {
        "least-rt"
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, now: Timestamp) -> Option<BackendId> {
        if now > self.aged_until {
            self.age_one(now);
        }
        let chosen = self.choose(candidates, now)?;
        if chosen.in_flight == 0 {
            self.standings.set_since(chosen.id.slot(), instant_s(now));
        }
        Some(chosen.id)
    }

    fn settled(&mut self, candidates: &[Candidate], settlement: &Settlement, now: Timestamp) {
        let slot = settlement.backend.slot();
        let Some(candidate) = candidates.get(slot) else {
            return;
        };
        let (failed, response_time) = match settlement.outcome {
            Outcome::Success { response_time } => (false, response_time),
            Outcome::ClientError | Outcome::Failure | Outcome::Unreachable => (true, None),
            Outcome::Inconclusive => {
                return self.standings.set_since(slot, cost::since_s(candidate));
            }
        };
        self.pool.count(failed);
        if self.trial.is_start() {
            self.trial.count();
        }
        let pool_rate = self.pool.failure_rate(&self.histories);
        let history = self.histories.get_mut(slot);
        let (Some(history), Some(group)) = (history, self.standings.group_mut(slot)) else {
            return;
        };
        let in_service_s = group.elapsed_of(slot, instant_s(now));
        group.set_since(slot, cost::since_s(candidate));
        if history.is_due(now) {
            history.decay(now);
        }
        if history.count(failed) {
            self.trial.hear(slot);
        }
        let Some(response_time) = response_time else {
            return group.set_score(slot, history.slowness(), history.penalty(pool_rate));
        };
        // By what was known of the backend.
        let services = in_service_s * self.pool.per_second() / group.slowness(slot);
        self.residual.learn(services);
        let queue = settlement.ahead_at_dispatch.cast_signed() as f32 + 1.0;
        let log_above = self.pool.learn(nanos(response_time) * queue.recip());
        group.set_score(slot, history.learn(log_above), history.penalty(pool_rate));
        if settlement.remaining > 0 {
            history.learn_order(settlement.overtook);
            group.set_order(slot, history.in_order());
        }
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
        let mean_weight = live.map(|c| c.weight as f32).sum::<f32>() / servers.max(1) as f32;
        self.pool.set_servers(servers);
        self.aged_until = Timestamp::ZERO;
        self.standings.make_room(candidates.len());
        for (slot, candidate) in candidates.iter().enumerate() {
            self.seat(candidate, now);
            if let Some(history) = self.histories.get_mut(slot).filter(|_| candidate.live) {
                history.set_weight(candidate.weight as f32, mean_weight);
            }
            self.rescore(slot);
        }
        let seats = candidates.iter().zip(&self.histories);
        let unheard = seats.filter(|(candidate, history)| candidate.live && !history.is_heard());
        let slots = unheard.map(|(candidate, _)| candidate.id.slot());
        self.trial.change(servers, slots);
    }
}
