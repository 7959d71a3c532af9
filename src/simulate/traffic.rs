//! Which requests come, one after the other, with everything that chance decides about them.
//!
//! All draws for a request are made when it arrives and from a stream of their own, so that
//! what a strategy does cannot change what comes next.

use super::chance::Chance;
use super::scenario::{Arrivals, Rate, Recorded, Scenario};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Number of different keys of requests, for strategies that hash them.
const KEYS: usize = 1_000;

/// The properties of a request, decided before any pick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Service time at a server of speed 1. Seconds.
    pub(super) work: f64,
    /// Which balancer it comes to, and to which of its workers.
    pub(super) balancer: usize,
    pub(super) worker: usize,
    /// The key for hashing strategies.
    pub(super) key: u64,
    /// Above 0, at most 1: it fails where the rate of failures is higher.
    pub(super) luck: f64,
}

/// The requests of a scenario.
#[derive(Debug)]
pub(super) struct Traffic {
    arrivals: Arrivals,
    service: super::Service,
    /// Mean time from one arrival to the next. Seconds.
    gap_s: f64,
    balancers: usize,
    balancer_workers: usize,
    recorded: Option<Arc<[Recorded]>>,
    /// Requests that still come, and that came.
    left: u64,
    come: usize,
    chance: Chance,
}

impl Traffic {
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Self {
        let of_load = |load: f64| 1.0 / (load * scenario.capacity_per_second());
        let gap_s = match scenario.arrivals {
            Arrivals::Poisson(rate) | Arrivals::Steady(rate) => match rate {
                Rate::Load(load) => of_load(load),
                Rate::PerSecond(per_second) => 1.0 / per_second,
            },
            Arrivals::Bursts { size, load } => of_load(load) * f64::from(size),
            Arrivals::Clients { think_ms, .. } => think_ms * 1e-3,
        };
        Self {
            arrivals: scenario.arrivals,
            service: scenario.service,
            gap_s,
            balancers: scenario.balancers,
            balancer_workers: scenario.balancer_workers,
            recorded: scenario.recorded.clone(),
            left: scenario.requests,
            come: 0,
            chance: Chance::new(seed),
        }
    }

    /// Returns how many clients wait for a response before they ask again; 0 if none does.
    pub(super) const fn clients(&self) -> u32 {
        match self.arrivals {
            Arrivals::Clients { count, .. } => count,
            Arrivals::Poisson(_) | Arrivals::Steady(_) | Arrivals::Bursts { .. } => 0,
        }
    }

    /// Returns how many requests come together.
    pub(super) const fn at_once(&self) -> u32 {
        match self.arrivals {
            Arrivals::Bursts { size, .. } if self.recorded.is_none() => size,
            _ => 1,
        }
    }

    /// Returns when the next request comes if the last one, or the response to it, came now.
    pub(super) fn next_arrival(&mut self, now: Timestamp) -> Timestamp {
        if let Some(recorded) = &self.recorded {
            let next = recorded.get(self.come).map(|request| request.at);
            return next.map_or(Timestamp::NEVER, |at| Timestamp::ZERO + at);
        }
        let gap_s = match self.arrivals {
            Arrivals::Steady(_) => self.gap_s,
            _ => self.chance.exponential(self.gap_s),
        };
        now + Duration::from_secs_f64(gap_s)
    }

    /// The request that comes now; `None` after the last.
    pub(super) fn next(&mut self) -> Option<Demand> {
        self.left = self.left.checked_sub(1)?;
        let recorded = self.recorded.as_ref().and_then(|all| all.get(self.come));
        self.come += 1;
        let work = match recorded {
            Some(request) => request.work.as_secs_f64(),
            None => self.service.draw_s(&mut self.chance),
        };
        // One draw for both, so that workers change nothing for a balancer that has one.
        let entry = self.chance.below(self.balancers * self.balancer_workers);
        Some(Demand {
            work,
            balancer: entry / self.balancer_workers,
            worker: entry % self.balancer_workers,
            key: crate::strategy::key::key_of(&self.chance.below(KEYS).to_le_bytes()),
            luck: self.chance.unit(),
        })
    }

    /// Returns whether no request comes any more.
    pub(super) const fn is_over(&self) -> bool {
        self.left == 0
    }
}
