//! Whole runs: what queueing theory says of them, what may never happen in one, and what the
//! strategies are to achieve.

mod ejection;
mod invariants;
mod targets;
mod theory;

use super::{Rule, Scenario, built_in};
use crate::strategy::LeastResponseTime;

const LEAST_RT: Rule = Rule::Strategy(LeastResponseTime::ENTRY.spec());

/// A scenario that comes with `lb`, with so many requests.
fn named(name: &str, requests: u64) -> Scenario {
    let mut all = built_in().unwrap().into_iter();
    let found = all.find(|scenario| scenario.name == name);
    Scenario {
        requests,
        ..found.unwrap()
    }
}

/// The one scenario that a text without its header describes.
pub(super) fn written(text: &str) -> Scenario {
    let text = format!("[[scenario]]\nname = \"test\"\n{text}");
    Scenario::parse(&text).unwrap().remove(0)
}
