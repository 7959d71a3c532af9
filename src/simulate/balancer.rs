//! One simulated balancer: its workers, each with a pool of the product.
//!
//! Several workers share what is in flight through the product's shared load. What one notices of
//! a server's life reaches the others at once; in the product that takes a turn of their loops.

use super::scenario::{Scenario, ServerGroup};
use super::traffic::Demand;
use crate::pool::{Backends, EjectionPolicy, Lease, LineLimits};
use crate::shared::SharedLoad;
use crate::strategy::{BackendId, Outcome, Rating, StrategySpec};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A balancer.
pub(super) struct Balancer {
    /// The first decides about the lives of servers.
    workers: Vec<Backends>,
}

impl Balancer {
    /// `present` are the servers that belong to the pool from the start.
    pub(super) fn new(
        kind: &StrategySpec,
        scenario: &Scenario,
        present: &[&ServerGroup],
        seed: u64,
    ) -> Self {
        let policy = EjectionPolicy {
            // Errors are left to the strategies: what they make of them is the question.
            max_ejected_percent: 0,
            ..EjectionPolicy::FAILURES_ONLY
        };
        let policy = match scenario.ejects {
            true => EjectionPolicy::default(),
            false => policy,
        };
        let count = scenario.balancer_workers;
        let shared_load = (count > 1).then(|| Arc::new(SharedLoad::new()));
        let worker = |number: usize| {
            let names = present.iter().enumerate();
            let backends = names.map(|(n, group)| (name(n), group.weight));
            let seed = seed ^ (number as u64) << 32;
            let mut pool = Backends::new(backends, kind.build(seed), seed);
            pool.set_policy(policy);
            if scenario.learns_limit {
                pool.learn_late_binding();
                pool.set_line(LineLimits {
                    length: scenario.queue_limit,
                    time: Duration::from_secs_f64(scenario.queue_timeout_s),
                });
            }
            if let Some(shared_load) = &shared_load {
                pool.share(Arc::clone(shared_load), number);
            }
            for (slot, group) in present.iter().enumerate() {
                limit(&mut pool, BackendId::new(slot as u16, 0), group);
            }
            pool
        };
        Self {
            workers: (0..count).map(worker).collect(),
        }
    }

    /// The `nth` server belongs to the pool from now on.
    pub(super) fn join(&mut self, nth: usize, group: &ServerGroup, now: Timestamp) {
        for pool in &mut self.workers {
            // None is ever removed, so slots are given out in order.
            let backend = pool.add(name(nth), group.weight, now);
            limit(pool, backend, group);
        }
    }

    /// Picks a server for a request that `tried` refused before, while so many wait in its line.
    pub(super) fn pick(
        &mut self,
        demand: &Demand,
        tried: &[BackendId],
        waiting: usize,
        now: Timestamp,
    ) -> Option<Lease> {
        let pool = self.workers.get_mut(demand.worker)?;
        let lease = pool.pick_or_hold(demand.key, tried, Some(waiting), now);
        self.confer(now);
        lease
    }

    /// Ends what a pick of this worker began.
    pub(super) fn settle(&mut self, worker: usize, lease: Lease, outcome: Outcome, now: Timestamp) {
        if let Some(pool) = self.workers.get_mut(worker) {
            pool.settle(lease, outcome, now);
        }
        self.confer(now);
    }

    /// Returns whether a request should wait because those that could serve it are at their limits.
    pub(super) fn is_full(&self, worker: usize, tried: &[BackendId]) -> bool {
        let pool = self.workers.get(worker);
        pool.is_some_and(|pool| pool.is_full(tried))
    }

    /// Returns the ratings of each server by the worker that a request comes to.
    pub(super) fn explain(&self, demand: &Demand, now: Timestamp) -> Option<Vec<Rating>> {
        let pool = self.workers.get(demand.worker)?;
        Some(pool.explain(demand.key, now))
    }

    /// Tells the first worker what the others noticed, and them what it decided.
    fn confer(&mut self, now: Timestamp) {
        let Some((first, others)) = self.workers.split_first_mut() else {
            return;
        };
        for worker in others.iter_mut() {
            for signal in worker.take_signals() {
                first.notice(signal, now);
            }
        }
        for change in first.take_changes() {
            for worker in others.iter_mut() {
                worker.adopt(&change, now);
            }
        }
    }
}

/// Gives a server at most so many requests at once as its group says.
fn limit(pool: &mut Backends, backend: BackendId, group: &ServerGroup) {
    if let Some(max) = group.max_connections {
        let is_here = pool.set_max_in_flight(backend, max);
        debug_assert!(is_here, "a server that was just added");
    }
}

fn name(nth: usize) -> String {
    format!("s{nth}")
}
