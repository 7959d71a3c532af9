//! Ejecting for the responses of servers must never lose more than it saves.

use super::{LEAST_RT, named, written};
use crate::simulate::{Rule, Scenario, run};
use crate::strategy::{LeastConnections, TwoChoices};

/// The shares of requests that fail without and with ejection.
fn failed(scenario: &Scenario, rule: &Rule) -> [f64; 2] {
    [false, true].map(|ejects| {
        let scenario = Scenario {
            ejects,
            ..scenario.clone()
        };
        let shares = (1..3).map(|seed| run(&scenario, rule, seed).failure_share());
        shares.sum::<f64>() / 2.0
    })
}

fn rules() -> [Rule; 3] {
    let rivals = [LeastConnections::ENTRY.spec(), TwoChoices::ENTRY.spec()];
    let [least_conn, p2c] = rivals.map(Rule::Strategy);
    [LEAST_RT, least_conn, p2c]
}

/// Effect of chance on a share, in requests of all.
const CHANCE: f64 = 0.000_5;

fn check(scenario: &Scenario, rule: &Rule) -> [f64; 2] {
    let [without, with] = failed(scenario, rule);
    let (name, rule) = (&scenario.name, rule.name());
    println!("{name} {rule}: failed {without:.5} without, {with:.5} with");
    assert!(with <= without * 1.25 + CHANCE, "{name} {rule}");
    [without, with]
}

/// Requests time out in long queues: five in a row once ejected one server after another, and each
/// that came back was passed over while the others collapsed. Then most requests failed.
#[test]
fn long_queues_do_not_collapse() {
    for rule in &rules() {
        let [_, with] = check(&named("timeouts-90", 12_000), rule);
        assert!(with < 0.005, "{with}");
        let [_, with] = check(&named("timeouts-95", 12_000), rule);
        assert!(with < 0.03, "{with}");
    }
}

/// At load 0.85 three of four have no room for the share of the one that fails for a third of a
/// second, again and again: a long cooldown would let requests time out there.
#[test]
fn servers_that_fail_and_hang_are_still_ejected() {
    let with_fault = |load: f64, fault: &str| {
        written(&format!(
            "arrivals = {{ kind = \"poisson\", load = {load} }}\nrequests = 8_000\n\
             timeout_s = 2.0\nservice = {{ kind = \"exponential\", mean_ms = 20.0 }}\n\
             servers = [{{ count = 3 }}, {{ faults = [{{ {fault} }}] }}]"
        ))
    };
    for rule in &rules() {
        let fails = with_fault(0.5, "kind = \"fail\", rate = 0.6");
        let [without, with] = check(&fails, rule);
        if *rule != LEAST_RT {
            assert!(with < without / 4.0, "{with} of {without}");
        }
        check(&with_fault(0.5, "kind = \"hang\", from_s = 10.0"), rule);
        let blips = "kind = \"fail\", rate = 1.0, every_s = 10.0, for_s = 0.3";
        check(&with_fault(0.85, blips), rule);
    }
}

#[test]
fn the_scenarios_that_come_with_lb_lose_nothing() {
    for name in [
        "failing", "stalling", "flapping", "flaky", "slow-80", "healed",
    ] {
        let scenario = Scenario {
            timeout_s: 5.0,
            ..named(name, 6_000)
        };
        for rule in &rules() {
            check(&scenario, rule);
        }
    }
}
