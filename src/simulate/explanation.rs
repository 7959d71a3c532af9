//! The explanation of one pick of a run.

use super::balancers::Rule;
use super::engine::Engine;
use super::scenario::Scenario;
use crate::strategy::Rating;
use crate::time::Timestamp;

/// One pick and what was known when it was made.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Time of the pick, on the clock of the run.
    pub at: Timestamp,
    /// By which balancer, counted from 0.
    pub balancer: usize,
    /// Which server was picked, in the order of the pool.
    pub chosen: usize,
    /// The strategy's rating of each server of the pool, in its order.
    pub ratings: Vec<Rating>,
}

/// Runs a scenario up to a pick, counted from 1, and explains it. `None` if there are not so many
/// picks, or if the oracle picks, whose only reason is to know everything.
#[must_use]
pub fn explain(scenario: &Scenario, rule: &Rule, seed: u64, pick: u64) -> Option<Explanation> {
    let mut engine = Engine::new(scenario, rule, seed);
    engine.explain_pick(pick);
    while engine.step() {
        if let Some(explanation) = engine.take_explanation() {
            return Some(explanation);
        }
    }
    engine.take_explanation()
}
