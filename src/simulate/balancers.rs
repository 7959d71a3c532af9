//! The rules under comparison: one or several balancers with the product's strategies, or the
//! oracle.
//!
//! Owns the upstreams and the names of servers in them. A choice is a [`Ticket`], which holds the
//! lease and is settled exactly once, as in the server.

use super::scenario::ServerGroup;
use super::server::Server;
use super::traffic::Demand;
use crate::pool::{Backends, EjectionPolicy, Lease};
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
    upstreams: Vec<Backends>,
    /// Number of the oracle's last choice of each server, counted in choices.
    last_choices: Vec<u64>,
    choices: u64,
}

impl Balancers {
    /// `present` are the servers that belong to the pool from the start; the first slots are
    /// theirs.
    pub(super) fn new(rule: &Rule, count: usize, present: &[&ServerGroup], seed: u64) -> Self {
        let upstreams = match rule {
            Rule::Oracle => Vec::new(),
            Rule::Strategy(kind) => (0..count as u64)
                .map(|nth| {
                    // Every process has a seed of its own.
                    let seed = seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(nth);
                    let names = present.iter().enumerate();
                    let backends = names.map(|(n, group)| (name(n), group.weight));
                    let mut pool = Backends::new(backends, kind.build(seed), seed);
                    // Errors are left to the strategies: what they make of them is the question.
                    pool.set_policy(EjectionPolicy {
                        max_ejected_percent: 0,
                        ..EjectionPolicy::FAILURES_ONLY
                    });
                    for (slot, group) in present.iter().enumerate() {
                        limit(&mut pool, BackendId::new(slot as u16, 0), group);
                    }
                    pool
                })
                .collect(),
        };
        Self {
            upstreams,
            last_choices: vec![0; present.len()],
            choices: 0,
        }
    }

    /// Another server belongs to the pool.
    pub(super) fn join(&mut self, group: &ServerGroup, now: Timestamp) {
        let nth = self.last_choices.len();
        for pool in &mut self.upstreams {
            // No backend is ever removed, so slots are given out in order.
            let backend = pool.add(name(nth), group.weight, now);
            limit(pool, backend, group);
        }
        self.last_choices.push(0);
    }

    /// Chooses one of the servers that belong to the pool. `tried` refused this request before.
    pub(super) fn choose(
        &mut self,
        demand: &Demand,
        tried: &[BackendId],
        servers: &[Watched],
        now: Timestamp,
    ) -> Option<Ticket> {
        self.choices += 1;
        if let Some(pool) = self.upstreams.get_mut(demand.balancer) {
            let lease = pool.pick(demand.key, tried, now)?;
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
        balancer: usize,
        ticket: Ticket,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<BackendId> {
        let (lease, pool) = (ticket.lease?, self.upstreams.get_mut(balancer)?);
        let backend = lease.backend();
        pool.settle(lease, outcome, now);
        Some(backend)
    }

    /// Returns whether a request should wait at its balancer because all eligible servers are at
    /// their limits. Under the oracle none does: it knows the cost of waiting at each server.
    pub(super) fn is_full(&self, balancer: usize, tried: &[BackendId]) -> bool {
        let pool = self.upstreams.get(balancer);
        pool.is_some_and(|pool| pool.is_full(tried))
    }

    /// Returns the number of choices so far.
    pub(super) const fn picks(&self) -> u64 {
        self.choices
    }

    /// Returns the ratings of each server by the balancer that a request comes to; the oracle has
    /// none.
    pub(super) fn explain(&self, demand: &Demand, now: Timestamp) -> Option<Vec<Rating>> {
        let pool = self.upstreams.get(demand.balancer)?;
        Some(pool.explain(demand.key, now))
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
