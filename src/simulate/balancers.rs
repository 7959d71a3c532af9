//! The rules under comparison: one or several balancers with the product's strategies, or the
//! oracle.
//!
//! Owns the balancers and the oracle's memory. A choice is a [`Ticket`], which holds the
//! lease and is settled exactly once, as in the server.

use super::balancer::Balancer;
use super::scenario::{Scenario, ServerGroup};
use super::server::Server;
use super::traffic::Demand;
use crate::pool::Lease;
use crate::strategy::{BackendId, Outcome, Rating, StrategySpec};
use crate::time::Timestamp;

/// By what servers are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The server that will finish the request first, which no real balancer can know.
    Oracle,
    /// By a strategy.
    Strategy(StrategySpec),
}

impl Rule {
    /// Returns its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::Strategy(kind) => kind.name(),
        }
    }
}

/// A server was chosen for a request.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) server: usize,
    lease: Option<Lease>,
}

/// All balancers of a run.
pub(super) struct Balancers {
    /// None: the oracle chooses.
    balancers: Vec<Balancer>,
    /// Number of the oracle's last choice of each server, counted in choices.
    last_choices: Vec<u64>,
    choices: u64,
}

impl Balancers {
    /// `present` are the servers that belong to the pool from the start; the first slots are
    /// theirs.
    pub(super) fn new(
        rule: &Rule,
        scenario: &Scenario,
        present: &[&ServerGroup],
        seed: u64,
    ) -> Self {
        let balancers = match rule {
            Rule::Oracle => Vec::new(),
            Rule::Strategy(kind) => (0..scenario.balancers as u64)
                .map(|nth| {
                    // Every process has a seed of its own.
                    let seed = seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(nth);
                    Balancer::new(kind, scenario, present, seed)
                })
                .collect(),
        };
        Self {
            balancers,
            last_choices: vec![0; present.len()],
            choices: 0,
        }
    }

    /// Another server belongs to the pool.
    pub(super) fn join(&mut self, group: &ServerGroup, now: Timestamp) {
        let nth = self.last_choices.len();
        for balancer in &mut self.balancers {
            balancer.join(nth, group, now);
        }
        self.last_choices.push(0);
    }

    /// Chooses one of the servers that belong to the pool. `tried` refused this request before;
    /// so many wait in its line.
    pub(super) fn choose(
        &mut self,
        demand: &Demand,
        tried: &[BackendId],
        waiting: usize,
        servers: &[Watched],
        now: Timestamp,
    ) -> Option<Ticket> {
        self.choices += 1;
        if let Some(balancer) = self.balancers.get_mut(demand.balancer) {
            let lease = balancer.pick(demand, tried, waiting, now)?;
            return Some(Ticket {
                server: lease.backend().slot(),
                lease: Some(lease),
            });
        }
        let costs = servers.iter().zip(&self.last_choices).enumerate();
        let (server, _) = costs
            .map(|(n, (server, last))| (n, (server.cost_s(demand, now), *last)))
            .min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
        if let Some(last) = self.last_choices.get_mut(server) {
            *last = self.choices;
        }
        let lease = None;
        Some(Ticket { server, lease })
    }

    /// Ends what a choice began. Returns which backend it was, unless the oracle chose it.
    pub(super) fn settle(
        &mut self,
        demand: &Demand,
        ticket: Ticket,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<BackendId> {
        let (lease, balancer) = (ticket.lease?, self.balancers.get_mut(demand.balancer)?);
        let backend = lease.backend();
        balancer.settle(demand.worker, lease, outcome, now);
        Some(backend)
    }

    /// Returns whether a request should wait at its balancer because all eligible servers are at
    /// their limits. Under the oracle none does: it knows the cost of waiting at each server.
    pub(super) fn is_full(&self, demand: &Demand, tried: &[BackendId]) -> bool {
        let balancer = self.balancers.get(demand.balancer);
        balancer.is_some_and(|balancer| balancer.is_full(demand.worker, tried))
    }

    /// Returns the number of choices so far.
    pub(super) const fn picks(&self) -> u64 {
        self.choices
    }

    /// Returns the ratings of each server by the balancer that a request comes to; the oracle has
    /// none.
    pub(super) fn explain(&self, demand: &Demand, now: Timestamp) -> Option<Vec<Rating>> {
        self.balancers.get(demand.balancer)?.explain(demand, now)
    }
}

/// A server and how it is at present.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) server: Server,
    pub(super) condition: super::fault::Condition,
}

impl Watched {
    /// Returns the time until the request would be done, by which the oracle chooses; for ever
    /// where it fails.
    fn cost_s(&self, demand: &Demand, now: Timestamp) -> f64 {
        match demand.luck <= self.condition.fail_rate || self.condition.refuses {
            true => f64::INFINITY,
            false => self.server.would_take_s(demand.work, now),
        }
    }
}
