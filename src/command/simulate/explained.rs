//! One pick of a run, as a table for people: every server, its cost, and where that comes from.

use crate::cli::Experiment;
use lb::internal::simulate::{Explanation, Rule, Scenario, explain};
use lb::strategy::Rating;
use std::fmt::Write as _;

/// The pick of each strategy, in the first run of a scenario.
pub(super) fn of(scenario: &Scenario, experiment: &Experiment, pick: u64) -> String {
    let seed = *experiment.seeds.start();
    let tables = experiment
        .rules
        .iter()
        .map(|rule| match explain(scenario, rule, seed, pick) {
            Some(explanation) => table(scenario, rule, pick, &explanation),
            None => format!("{}: {} made no pick {pick}\n\n", scenario.name, rule.name()),
        });
    tables.collect()
}

fn table(scenario: &Scenario, rule: &Rule, pick: u64, it: &Explanation) -> String {
    let mut out = format!(
        "{}: pick {pick} of {} at {:.3} s",
        scenario.name,
        rule.name(),
        it.at.as_nanos() as f64 * 1e-9
    );
    if scenario.balancers > 1 {
        let _ = write!(out, ", balancer {}", it.balancer + 1);
    }
    let _ = writeln!(out, "\n\n    {:<8} {:>10}  why", "server", "cost");
    for (nth, rating) in it.ratings.iter().enumerate() {
        let mark = if nth == it.chosen { "->" } else { "  " };
        let _ = writeln!(out, " {mark} {}", line(nth, rating));
    }
    out.push('\n');
    out
}

fn line(nth: usize, rating: &Rating) -> String {
    let Rating {
        pickable, reason, ..
    } = rating;
    let cost = match (pickable, rating.cost) {
        (false, _) => "not now".to_owned(),
        (true, None) => "-".to_owned(),
        (true, Some(cost)) if cost < 0.0 => "first".to_owned(),
        (true, Some(cost)) => format!("{cost:.3}"),
    };
    format!("{:<8} {cost:>10}  {reason}", format!("s{nth}"))
}
