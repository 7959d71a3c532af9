//! Invariants of every run.

use super::{LEAST_RT, named, written};
use crate::simulate::{Rule, Scenario, built_in, explain, run};
use crate::strategy::RoundRobin;
use std::time::Duration;

#[test]
fn every_request_ends_once_in_every_scenario_under_every_rule() {
    let kinds = [
        "n-to-1",
        "round-robin",
        "least-conn",
        "least-rt",
        "random",
        "p2c",
        "ip-hash",
    ];
    let rules = kinds.map(|name| Rule::Strategy(name.parse().unwrap()));
    for scenario in built_in().unwrap() {
        let scenario = Scenario {
            requests: 600,
            ..scenario
        };
        for rule in rules.iter().chain([&Rule::Oracle]) {
            let report = run(&scenario, rule, 3);
            assert_eq!(report.requests(), 600, "{} {rule:?}", scenario.name);
            let picks: u64 = report.seconds().flatten().map(|&n| u64::from(n)).sum();
            assert!(picks >= 600, "{} {rule:?}", scenario.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for name in ["balancers-4", "flapping", "clients-16"] {
        let scenario = named(name, 3_000);
        let report = run(&scenario, &LEAST_RT, 7);
        assert_eq!(report, run(&scenario, &LEAST_RT, 7), "{name}");
        assert_ne!(report, run(&scenario, &LEAST_RT, 8), "{name}");
    }
}

#[test]
fn hanging_request_is_given_up_and_refused_one_is_retried() {
    let scenario = |faults: &str| {
        written(&format!(
            "arrivals = {{ kind = \"steady\", per_second = 10.0 }}\nrequests = 100\n\
             service = {{ kind = \"constant\", ms = 1.0 }}\ntimeout_s = 2.0\n{faults}"
        ))
    };
    let round_robin = Rule::Strategy(RoundRobin::ENTRY.spec());
    let all_hang = scenario("servers = [{ count = 2, faults = [{ kind = \"hang\" }] }]");
    let report = run(&all_hang, &round_robin, 1);
    assert_eq!(report.failures(), 100);
    assert_eq!(report.percentile(0.0), Duration::from_secs(2));

    let one_is_down = scenario("servers = [{}, { faults = [{ kind = \"refuse\" }] }]");
    let report = run(&one_is_down, &round_robin, 1);
    assert_eq!(report.failures(), 0);
    assert_eq!(report.percentile(1.0), Duration::from_millis(1));

    let all_are_down = scenario("servers = [{ count = 2, faults = [{ kind = \"refuse\" }] }]");
    assert_eq!(run(&all_are_down, &round_robin, 1).failures(), 100);
}

#[test]
fn request_without_a_free_place_waits_but_not_for_ever() {
    // 200 requests of 0.1 s, all at once: a server that takes two and works on two is done with
    // the last after 10 s.
    let scenario = |rest: &str| {
        written(&format!(
            "arrivals = {{ kind = \"bursts\", size = 200, load = 0.01 }}\nrequests = 200\n\
             service = {{ kind = \"constant\", ms = 100.0 }}\n\
             servers = [{{ workers = 2, max_connections = 2 }}]\n{rest}"
        ))
    };
    for rule in [LEAST_RT, Rule::Strategy(RoundRobin::ENTRY.spec())] {
        let report = run(&scenario("queue_timeout_s = 60.0"), &rule, 1);
        assert_eq!(report.failures(), 0);
        assert_eq!(report.percentile(0.5), Duration::from_secs(5));
        assert_eq!(report.percentile(1.0), Duration::from_secs(10));
        // Two go at once, eight wait; the others fail, and count as the whole timeout.
        let report = run(&scenario("queue_limit = 8"), &rule, 1);
        assert_eq!(report.failures(), 190);
        assert_eq!(report.percentile(0.05), Duration::from_millis(500));
        // Every 0.1 s two are sent; one that was not sent after 0.95 s gives up.
        let report = run(&scenario("queue_timeout_s = 0.95"), &rule, 1);
        assert_eq!(report.failures(), 180);
    }
    // The oracle binds at once, and needs no line.
    let report = run(&scenario("queue_limit = 1"), &Rule::Oracle, 1);
    assert_eq!(report.failures(), 0);
}

#[test]
fn a_refusal_leads_to_the_next_and_then_into_the_line() {
    let scenario = written(
        "arrivals = { kind = \"bursts\", size = 20, load = 0.01 }\nrequests = 20\n\
         service = { kind = \"constant\", ms = 100.0 }\n\
         servers = [{ max_connections = 1 }, { faults = [{ kind = \"refuse\" }] }]",
    );
    let report = run(&scenario, &LEAST_RT, 1);
    assert_eq!(report.failures(), 0);
    assert_eq!(report.percentile(1.0), Duration::from_secs(2));
}

#[test]
fn server_works_on_abandoned_requests() {
    // It hangs for three seconds while 30 requests come and 10 of them are given up; then it
    // works off all 30 of them, and those that come meanwhile wait behind.
    let scenario = written(
        "arrivals = { kind = \"steady\", per_second = 10.0 }\nrequests = 100\ntimeout_s = 2.0\n\
         service = { kind = \"constant\", ms = 50.0 }\n\
         servers = [{ faults = [{ kind = \"hang\", until_s = 3.0 }] }]",
    );
    let report = run(&scenario, &LEAST_RT, 1);
    // At 10 + n the n-th of the backlog would be 2 s late while n <= 20.
    assert!(
        (18..=30).contains(&report.failures()),
        "{}",
        report.failures()
    );
    assert_eq!(
        report.percentile(0.0),
        Duration::from_millis(50),
        "it catches up"
    );
}

#[test]
fn a_server_gets_nothing_before_it_joins() {
    let scenario = named("joining", 20_000);
    for rule in [&LEAST_RT, &Rule::Oracle] {
        let report = run(&scenario, rule, 1);
        assert_eq!(report.shares_between(0, 59)[4], 0.0);
        assert!(report.shares_between(90, usize::MAX)[4] > 0.1, "{rule:?}");
    }
}

#[test]
fn no_strategy_beats_the_oracle_on_average() {
    for name in ["equal-90", "unequal", "stalling", "pi", "workers"] {
        let scenario = named(name, 10_000);
        let mean = |rule: &Rule| run(&scenario, rule, 1).mean().as_secs_f64();
        assert!(mean(&Rule::Oracle) < mean(&LEAST_RT) * 1.01, "{name}");
    }
}

#[test]
fn a_pick_can_be_explained_and_the_oracle_cannot() {
    let scenario = named("slow", 2_000);
    let explanation = explain(&scenario, &LEAST_RT, 1, 1_500).unwrap();
    let chosen = &explanation.ratings[explanation.chosen];
    let costs = explanation.ratings.iter().filter_map(|rating| rating.cost);
    assert_eq!(chosen.cost, costs.min_by(f64::total_cmp));
    assert!(chosen.reason.contains("slowness"), "{}", chosen.reason);
    assert!(explain(&scenario, &LEAST_RT, 1, 2_001).is_none());
    assert!(explain(&scenario, &Rule::Oracle, 1, 1).is_none());
}

#[test]
fn a_scenario_that_is_wrong_is_refused_with_its_line_or_name() {
    let refusal = |text: &str| Scenario::parse(text).unwrap_err().to_string();
    let good = "[[scenario]]\nname = \"x\"\narrivals = { kind = \"poisson\", load = 0.5 }\n\
                service = { kind = \"constant\", ms = 1.0 }\n";
    for (rest, problem) in [
        ("servers = []", "no server is there from the start"),
        ("servers = [{ sped = 2.0 }]", "line 5: unknown field `sped`"),
        ("servers = [{ speed = 0.0 }]", "a server has a speed"),
        ("servers = [{ max_connections = 0 }]", "max_connections"),
        (
            "servers = [{}]\nqueue_timeout_s = 0.0",
            "queue_timeout_s is not above 0",
        ),
        ("servers = [{}]\nbalancers = 0", "balancers are not 1 to 64"),
        ("servers = [{}]\nrequests = 0", "no requests"),
        (
            "servers = [{}]\ntimeout_s = -1.0",
            "timeout_s is not above 0",
        ),
        (
            "servers = [{ faults = [{ kind = \"slow\" }] }]",
            "slow has a factor",
        ),
        (
            "servers = [{ faults = [{ kind = \"hang\", til_s = 1.0 }] }]",
            "unknown field `til_s`",
        ),
        (
            "servers = [{ faults = [{ kind = \"slow\", factor = 0.5 }] }]",
            "a fault has a number out of range",
        ),
    ] {
        let said = refusal(&format!("{good}{rest}\n"));
        assert!(said.contains(problem), "{rest}: {said}");
        assert!(
            said.ends_with("lb simulate --show NAME prints examples"),
            "{said}"
        );
    }
    let said = refusal(
        &good
            .replace("load = 0.5", "load = 0.0")
            .replace("service", "servers = [{}]\nservice"),
    );
    assert!(said.starts_with("'x': arrivals"), "{said}");
}
