//! The strategies, put to the test: the code that picks in production, driven through hours of
//! virtual traffic in seconds.
//!
//! A [`Scenario`] says what comes, who serves it and what goes wrong; [`run`] drives it by one
//! [`Rule`] and a seed and returns a [`Report`]. Balancers are [`Backends`](crate::pool)s as
//! the server uses them, picked from and settled with as the server does; only clients, backends
//! and the clock are simulated. The same seed gives every rule the same requests, of the same
//! sizes, at the same times (with closed-loop clients, the times depend on the responses).
//!
//! The measure of all rules is [`Rule::Oracle`], which knows how much work every server has left,
//! how much the request is, and which servers are slow or broken at this moment, over all
//! balancers. It sends each request where it is done first. No balancer can know that; how close
//! one comes is what the reports compare.
//!
//! Every request counts, the first ones too; one that fails counts as if it had taken the whole
//! timeout, so that failing fast is never an advantage.

mod balancer;
mod balancers;
mod catalog;
mod chance;
mod comparison;
mod engine;
mod explanation;
mod fault;
mod line;
mod replay;
mod report;
mod scenario;
mod server;
mod service;
#[cfg(test)]
mod tests;
mod traffic;
mod what_if;

pub use balancers::Rule;
pub use catalog::{BUILT_IN, built_in};
pub use comparison::{Comparison, Row, compare, geometric_mean};
pub use explanation::{Explanation, explain};
pub use fault::{Fault, FaultKind};
pub use replay::{Recording, read_log};
pub use report::Report;
pub use scenario::{Arrivals, Discipline, Rate, Recorded, Scenario, ServerGroup};
pub use service::Service;
pub use what_if::{MIN_OBSERVED, Observed, Supposed, Times, Way, WhatIf, what_if};

use engine::Engine;

/// Runs a scenario to its end: until every request is served or given up.
#[must_use]
pub fn run(scenario: &Scenario, rule: &Rule, seed: u64) -> Report {
    let mut engine = Engine::new(scenario, rule, seed);
    while engine.step() {}
    engine.into_report()
}
