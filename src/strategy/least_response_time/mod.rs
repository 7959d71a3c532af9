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
//!   that a long queue does not look like a slow backend. The plain mean response time would count
//!   the queue twice, and send all requests to the same backend.
//! - *Residual* ([`residual`]) is the expected rest of the request in service. It grows when a
//!   request hangs, so a stuck backend repels requests long before any timeout.
//! - *Penalty* is for failing more than the pool does. Failures give no response times: a fast
//!   failure is not a fast backend.
//! - A backend *never heard from* gets a small trial before any other is considered, an idle one
//!   gets up to a fifth off, and old knowledge fades, so that no backend is left out for good.
//!
//! It sees the pool's candidates and nothing else. Scores are updated as responses come in; a pick
//! only reads them, and ages at most one, round robin.

mod averages;
mod cost;
mod history;
mod late_binding;
mod residual;
mod shared_memory;
mod trial;
mod tuning;

use super::rating::rate_each;
use super::sample::{SAMPLED_ABOVE, block, draw_blocks};
use super::{BackendId, Candidate, Entry, KeyKind, Memory, Outcome};
use super::{Rating, Rng, Settlement, Strategy};
use crate::time::Timestamp;
use averages::PoolAverages;
use cost::Score;
use history::History;
use residual::Residual;
use trial::Trial;
use tuning::{nanos, seconds};

/// The backend expected to finish soonest.
#[derive(Clone, Debug)]
pub struct LeastResponseTime {
    pool: PoolAverages,
    residual: Residual,
    /// The figures that a pick reads, by slot.
    scores: Vec<Score>,
    /// The figures from which the scores are derived, by slot.
    histories: Vec<History>,
    /// The slot to age next, and the time before which aging makes no difference.
    next_aged: usize,
    aged_until: Timestamp,
    trial: Trial,
    rng: Rng,
}

impl LeastResponseTime {
    /// Its entry in the registry.
    pub const ENTRY: Entry = Entry {
        name: "least-rt",
        aliases: &["LeastResponseTime"],
        key: KeyKind::None,
        help: "the default: backends or requests that differ, or may go bad",
        cost: "O(n) up to 500, then O(1)",
        nanos: (125, 990),
        build: |args| Box::new(Self::new(args.seed)),
    };

    /// `seed` decides which part of a huge pool each pick looks at.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            pool: PoolAverages::default(),
            residual: Residual::new(),
            scores: Vec::new(),
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

    /// An exchange timed out because queues are long: its backend is late, not broken. That it
    /// would have taken as long as it waited, at least, is a sample like any other.
    #[cold]
    fn learn_late(&mut self, settlement: &Settlement, now: Timestamp) {
        let slot = settlement.backend.slot();
        let (history, score) = (self.histories.get_mut(slot), self.scores.get_mut(slot));
        if let (Some(history), Some(score)) = (history, score) {
            let waited = now.since(settlement.dispatched_at);
            let queue = settlement.ahead_at_dispatch as f32 + 1.0;
            history.learn(self.pool.learn(nanos(waited) / queue));
            score.slowness = history.slowness();
        }
    }

    /// Gives a backend that is new in its slot an empty history.
    fn ensure_history(&mut self, candidate: &Candidate, now: Timestamp) {
        let slot = candidate.id.slot();
        let known = self.histories.get(slot);
        if known.is_some_and(|history| history.id == candidate.id) {
            return;
        }
        let history = History::new(candidate.id, now);
        match self.histories.get_mut(slot) {
            Some(former) => *former = history,
            None => self.histories.push(history),
        }
        if let Some(score) = self.scores.get_mut(slot) {
            score.since = cost::since(candidate);
            score.in_order = 1.0;
        }
    }

    /// Derives the score of a backend from its history.
    fn rescore(&mut self, slot: usize) {
        let pool_rate = self.pool.failure_rate(&self.histories);
        let history = self.histories.get(slot);
        if let (Some(history), Some(score)) = (history, self.scores.get_mut(slot)) {
            score.slowness = history.slowness();
            score.penalty = history.penalty(pool_rate);
        }
    }

    fn choose<'a>(&mut self, candidates: &'a [Candidate], now: Timestamp) -> Option<&'a Candidate> {
        if !self.trial.is_over()
            && let Some(unheard) = self.trial.pick(candidates, &mut self.rng)
        {
            return Some(unheard);
        }
        if candidates.len() > SAMPLED_ABOVE {
            let blocks = draw_blocks(&mut self.rng, candidates.len());
            let drawn = blocks.iter().flat_map(|&number| {
                block(candidates, number)
                    .iter()
                    .zip(block(&self.scores, number))
            });
            let best = self.cheapest(drawn, now);
            if best.is_some() {
                return best;
            }
        }
        self.cheapest(candidates.iter().zip(&self.scores), now)
    }
}

impl Strategy for LeastResponseTime {
    fn name(&self) -> &'static str {
        Self::ENTRY.name
    }

    fn pick(&mut self, candidates: &[Candidate], _: u64, now: Timestamp) -> Option<BackendId> {
        if now > self.aged_until {
            self.age_one(now);
        }
        let chosen = self.choose(candidates, now)?;
        if chosen.in_flight == 0
            && let Some(score) = self.scores.get_mut(chosen.id.slot())
        {
            score.since = now;
        }
        Some(chosen.id)
    }

    fn holds(&self, all: &[Candidate], free: BackendId, waiting: usize, now: Timestamp) -> bool {
        self.expects_room(all, free, waiting, now)
    }

    fn settled(&mut self, candidates: &[Candidate], settlement: &Settlement, now: Timestamp) {
        let slot = settlement.backend.slot();
        let (Some(candidate), Some(score)) = (candidates.get(slot), self.scores.get_mut(slot))
        else {
            return;
        };
        let in_service_s = seconds(score.since, now);
        score.since = cost::since(candidate);
        if settlement.is_late {
            return self.learn_late(settlement, now);
        }
        let (failed, response_time) = match settlement.outcome {
            Outcome::Success { response_time } => (false, response_time),
            Outcome::ClientError | Outcome::Failure => (true, None),
            Outcome::TimedOut | Outcome::Unreachable => (true, None),
            Outcome::Inconclusive => return,
        };
        self.pool.count(failed);
        if self.trial.is_start() {
            self.trial.count();
        }
        let pool_rate = self.pool.failure_rate(&self.histories);
        let Some(history) = self.histories.get_mut(slot) else {
            return;
        };
        if history.is_due(now) {
            history.decay(now);
        }
        if history.count(failed) {
            self.trial.hear(slot);
        }
        if let Some(response_time) = response_time {
            // In service times as they were expected until now.
            let age = in_service_s * self.pool.per_second() / score.slowness;
            self.residual.learn(age);
            let queue = settlement.ahead_at_dispatch as f32 + 1.0;
            history.learn(self.pool.learn(nanos(response_time) / queue));
            if settlement.remaining > 0 {
                history.learn_order(settlement.overtook);
                score.in_order = history.in_order();
            }
        }
        score.slowness = history.slowness();
        score.penalty = history.penalty(pool_rate);
    }

    fn explain(&self, candidates: &[Candidate], _: u64, now: Timestamp) -> Vec<Rating> {
        // As a pick does, which may decide it.
        let mut aged = self.clone();
        aged.age_one(now);
        rate_each(candidates, |candidate| aged.rate(candidate, now))
    }

    fn memory(&self, of: Option<BackendId>) -> Memory {
        let Some(backend) = of else {
            return self.pool.memory();
        };
        let history = self.histories.get(backend.slot());
        let history = history.filter(|history| history.id == backend);
        history.map(History::memory).unwrap_or_default()
    }

    fn recall(&mut self, of: Option<BackendId>, memory: Memory) {
        let Some(backend) = of else {
            return self.pool.recall(memory);
        };
        let slot = backend.slot();
        let history = self.histories.get_mut(slot);
        let Some(history) = history.filter(|history| history.id == backend) else {
            return;
        };
        if history.recall(memory) {
            self.trial.hear(slot);
        }
        self.rescore(slot);
    }

    fn cleared(&mut self, backend: BackendId) {
        if let Some(history) = self.histories.get_mut(backend.slot()) {
            history.forgive();
            self.rescore(backend.slot());
        }
    }

    fn refreshed(&mut self, candidates: &[Candidate]) {
        for candidate in candidates {
            if let Some(score) = self.scores.get_mut(candidate.id.slot()) {
                score.since = cost::since(candidate);
            }
        }
    }

    fn changed(&mut self, candidates: &[Candidate], now: Timestamp) {
        let live = candidates.iter().filter(|c| c.live);
        let servers = live.clone().count();
        let mean_weight = live.map(|c| c.weight as f32).sum::<f32>() / servers.max(1) as f32;
        self.pool.set_servers(servers);
        self.aged_until = Timestamp::ZERO;
        self.scores.resize(candidates.len(), Score::NEW);
        for (slot, candidate) in candidates.iter().enumerate() {
            self.ensure_history(candidate, now);
            if let Some(history) = self.histories.get_mut(slot).filter(|_| candidate.live) {
                history.set_weight(candidate.weight as f32, mean_weight);
            }
            self.rescore(slot);
        }
        let slots = candidates.iter().zip(&self.histories);
        let unheard = slots.filter(|(candidate, history)| candidate.live && !history.is_heard());
        let unheard = unheard.map(|(candidate, _)| candidate.id.slot());
        self.trial.change(servers, unheard);
    }
}
