//! Targets of least-rt, measured on the scenarios that come with `lb`.
//!
//! The limits are the strategy's promises; the figures of `lb simulate --seeds 4` are well
//! within them. Fewer requests, for a test's patience, make them noisier, not easier.

use super::{LEAST_RT, named, written};
use crate::simulate::{Comparison, Row, Rule, Scenario, built_in, compare, geometric_mean, run};
use crate::strategy::{LeastConnections, Random, Rng, RoundRobin, TwoChoices};

const SEEDS: std::ops::Range<u64> = 1..5;

/// The oracle and the rules, in one scenario.
fn compared(scenario: &Scenario, rules: &[Rule]) -> Comparison {
    compare(scenario, rules, SEEDS, &mut |_, _| {})
}

/// least-rt in one scenario.
fn least_rt(name: &str, requests: u64) -> Row {
    let comparison = compared(&named(name, requests), &[LEAST_RT]);
    comparison.rows.into_iter().nth(1).unwrap()
}

#[test]
fn its_tail_is_near_the_oracles_and_nowhere_far_behind_anyone() {
    let rivals = [
        RoundRobin::ENTRY.spec(),
        LeastConnections::ENTRY.spec(),
        TwoChoices::ENTRY.spec(),
        Random::ENTRY.spec(),
    ];
    let rules: Vec<Rule> = [LEAST_RT]
        .into_iter()
        .chain(rivals.map(Rule::Strategy))
        .collect();
    let comparisons = built_in().unwrap().into_iter().map(|scenario| {
        // Faults begin and end by the clock: those runs have to be long enough for them.
        let faulty = scenario
            .servers
            .iter()
            .any(|group| !group.faults.is_empty());
        let requests = if faulty { 8_000 } else { 3_000 };
        let rules = if faulty { &rules[..1] } else { &rules[..] };
        compared(
            &Scenario {
                requests,
                ..scenario
            },
            rules,
        )
    });
    let mut ratios = Vec::new();
    for comparison in comparisons {
        let [_, ours, rivals @ ..] = &comparison.rows[..] else {
            panic!("{comparison:?}");
        };
        ratios.push(ours.p99_to_oracle);
        for rival in rivals {
            let (scenario, than) = (&comparison.scenario, ours.p99_ms / rival.p99_ms);
            assert!(than <= 1.25, "{scenario}: {than:.2} x {}", rival.strategy);
        }
    }
    let mean = geometric_mean(ratios.into_iter());
    assert!(mean <= 1.25, "{mean:.3}");
}

#[test]
fn a_server_that_fails_fast_is_found_out() {
    let failing = least_rt("failing", 50_000);
    assert!(failing.failed < 0.000_2, "{}", failing.failed);
    let rival = run(
        &named("failing", 20_000),
        &Rule::Strategy(LeastConnections::ENTRY.spec()),
        1,
    );
    assert!(
        rival.failure_share() > 0.1,
        "it would draw traffic otherwise"
    );
}

#[test]
fn a_server_that_hangs_costs_little() {
    let hanging = least_rt("hanging", 20_000);
    assert!(hanging.p999_to_oracle <= 1.3, "{}", hanging.p999_to_oracle);
}

#[test]
fn a_server_that_is_ten_times_slower_costs_little() {
    let slow = least_rt("slow", 20_000);
    assert!(slow.p99_to_oracle <= 1.35, "{}", slow.p99_to_oracle);
}

#[test]
fn a_server_that_was_slow_is_back_within_a_minute() {
    for seed in SEEDS {
        // Slow from 60 to 180 s; 120 requests a second.
        let report = run(&named("healed", 32_000), &LEAST_RT, seed);
        let during = report.shares_between(120, 180)[3];
        let after = report.shares_between(230, 250)[3];
        assert!(during < 0.05, "seed {seed}: {during}");
        assert!(after > 0.125, "seed {seed}: {after}");
    }
}

/// Returns how far the share of a server was from a fair one, at most, over all seconds and seeds.
fn furthest_from_fair(scenario: &Scenario) -> f64 {
    let mut furthest = 0.0_f64;
    for seed in SEEDS {
        let report = run(scenario, &LEAST_RT, seed);
        let seconds: Vec<_> = report.seconds().collect();
        // The last second is cut short.
        for picks in &seconds[..seconds.len() - 1] {
            let fair = f64::from(picks.iter().sum::<u32>()) / picks.len() as f64;
            let off = |n: &u32| (f64::from(*n) / fair - 1.0).abs();
            furthest = picks.iter().map(off).fold(furthest, f64::max);
        }
    }
    furthest
}

/// Herding shows as servers that all are sent to at once, then none. At 5,600 requests a second
/// chance alone moves a share by 6 %; at a tenth of that no rule could keep to 20 %.
#[test]
fn several_balancers_do_not_herd() {
    for name in ["balancers-2", "balancers-4"] {
        let furthest = furthest_from_fair(&named(name, 30_000));
        assert!(furthest < 0.2, "{name}: {furthest:.3}");
    }
}

/// Where each server gets one request at a time, the one that has room under load is the one that
/// fails or is slow. A request rather waits for another, but not for ever: one that was slow for a
/// second is tried again.
#[test]
fn late_binding_does_not_favour_bad_servers() {
    for (early, late, requests) in [
        ("flaky", "flaky-late", 20_000),
        ("slow-80", "slow-late", 20_000),
        ("antagonists", "antagonists-late", 25_000),
    ] {
        let [early, late] = [early, late].map(|name| least_rt(name, requests));
        println!(
            "{:.1} ms early, {:.1} ms late; failed {:.5}, {:.5}",
            early.p99_ms, late.p99_ms, early.failed, late.failed
        );
        assert!(late.p99_ms < 1.03 * early.p99_ms, "{late:?}");
        assert!(late.failed < early.failed + 0.000_1, "{late:?}");
    }
}

/// With more servers than a worker looks at before each pick, what it knows of some is a few picks
/// old; it looks again at the one it chose.
#[test]
fn many_workers_do_not_pick_what_another_has_just_picked() {
    let rules = [LEAST_RT, Rule::Strategy(LeastConnections::ENTRY.spec())];
    let scenario = named("workers-16", 15_000);
    let comparison = compare(&scenario, &rules, 1..2, &mut |_, _| {});
    for row in &comparison.rows[1..] {
        println!("{}: {:.3}", row.strategy, row.p99_to_oracle);
        assert!(row.p99_to_oracle < 1.22, "{row:?}");
    }
}

/// Where most requests find an idle server, a worker has to know which are, though it looks at a part
/// of them: sixteen workers had a p99 that was 21 % longer than that of one.
#[test]
fn many_workers_know_which_servers_are_idle() {
    let scenario = |balancer_workers: usize| Scenario {
        balancer_workers,
        ..written(
            "arrivals = { kind = \"poisson\", load = 0.9 }\nrequests = 15_000\n\
             service = { kind = \"pi\", terms = 200, term_ms = 0.2 }\n\
             servers = [{ count = 100 }]",
        )
    };
    let p99 = |workers| run(&scenario(workers), &LEAST_RT, 1).percentile(0.99);
    let [one, many] = [1, 16].map(|workers| p99(workers).as_secs_f64());
    println!("{:.3}", many / one);
    assert!(many < 1.14 * one, "{:.3}", many / one);
}

/// Workers share what they learn: several find out that a server has become slow, or fails, as soon
/// as one does. Where each learned by itself, four had a p99 that was 8 % longer, and sixteen had
/// one 17 % longer and lost forty times as many requests to a flaky server.
#[test]
fn several_workers_learn_as_fast_as_one() {
    let with_workers = |name: &str, balancer_workers: usize| {
        let scenario = Scenario {
            balancer_workers,
            ..named(name, 20_000)
        };
        let comparison = compare(&scenario, &[LEAST_RT], 1..3, &mut |_, _| {});
        comparison.rows.into_iter().nth(1)
    };
    for name in ["slowing-workers", "flaky"] {
        let one = with_workers(name, 1).unwrap();
        for workers in [4, 16] {
            let several = with_workers(name, workers).unwrap();
            let ratio = several.p99_ms / one.p99_ms;
            let (before, after) = (one.failed, several.failed);
            println!("{name}, {workers} workers: {ratio:.3}, failed {before:.5}, {after:.5}");
            assert!(ratio < 1.04, "{name}, {workers} workers: {ratio:.3}");
            assert!(after < 1.5 * before + 0.000_2, "{name}, {workers}: {after}");
        }
    }
}

/// least-rt in a scenario, without and with a learned limit.
fn learned(name: &str, requests: u64) -> [Row; 2] {
    [false, true].map(|learns_limit| {
        let scenario = Scenario {
            learns_limit,
            ..named(name, requests)
        };
        let comparison = compare(&scenario, &[LEAST_RT], 1..3, &mut |_, _| {});
        comparison.rows.into_iter().nth(1).unwrap()
    })
}

/// What is learned of how many requests servers work on at once is worth a tenth of the p99 over the
/// oracle, after a beginning in which it is learned.
#[test]
fn a_learned_limit_shortens_the_tail_of_serial_servers() {
    let mut means = [Vec::new(), Vec::new()];
    for name in [
        "equal-70",
        "servers-16",
        "bursts",
        "lognormal",
        "pi",
        "unequal",
        "slow",
        "healed",
        "clients-16",
        "balancers-2",
        "antagonists",
        "flaky",
    ] {
        let [without, with] = learned(name, 12_000);
        let ratio = with.p99_ms / without.p99_ms;
        println!(
            "{name}: {:.3} without, {:.3} with",
            without.p99_to_oracle, with.p99_to_oracle
        );
        assert!(ratio < 1.01, "{name}: {ratio:.3}");
        means[0].push(without.p99_to_oracle);
        means[1].push(with.p99_to_oracle);
    }
    let [without, with] = means.map(|of| geometric_mean(of.into_iter()));
    println!("mean {without:.3} without, {with:.3} with");
    assert!(with < without - 0.04, "{with:.3}");
}

/// Between a response and the next request a server that is far away stands idle, unless it is given
/// two. With one each the median was 10 and 20 % longer.
#[test]
fn a_learned_limit_does_not_starve_far_servers() {
    for name in ["far", "farther"] {
        let [without, with] = learned(name, 20_000);
        let [p50, p99] = [with.p50_ms / without.p50_ms, with.p99_ms / without.p99_ms];
        println!("{name}: p50 {p50:.3}, p99 {p99:.3} of what it is without");
        assert!(p50 < 1.05 && p99 < 1.01, "{name}: {p50:.3}, {p99:.3}");
    }
}

/// A server that works on several requests at once must never be held to one.
#[test]
fn servers_that_work_on_several_requests_are_not_limited() {
    for name in ["sharing", "sharing-lognormal", "workers"] {
        let [without, with] = learned(name, 15_000);
        assert_eq!(with.p99_ms, without.p99_ms, "{name}");
        assert_eq!(with.shares, without.shares, "{name}");
    }
}

/// Nor must one among serial ones, or behind other balancers whose requests are not seen here. Its
/// times alone show it: requests that are alike do not overtake. One of eight workers beside three
/// serial ones had a p99 of 30 s instead of 46 ms. It may be mistaken for serial in the beginning, while it
/// is picked mostly when it is about to be idle; that costs a fifth of the p99 in one of these.
#[test]
fn no_pool_with_parallel_servers_is_held_up() {
    let (mut rng, mut longer) = (Rng::new(11), 0);
    let mut pick = |from: &[&str]| from[rng.below(from.len())].to_owned();
    for nth in 0..17 {
        let workers = pick(&["2", "3", "4", "8", "16"]);
        let (balancers, servers) = match nth % 2 {
            0 => {
                let serial = pick(&["3", "5", "7"]);
                let mixed = format!("[{{ count = {serial} }}, {{ workers = {workers} }}]");
                ("1".to_owned(), mixed)
            }
            _ => {
                let count = pick(&["2", "4", "8"]);
                let alike = format!("[{{ count = {count}, workers = {workers} }}]");
                (pick(&["1", "2", "3", "4"]), alike)
            }
        };
        let service = pick(&[
            "kind = \"constant\", ms = 20.0",
            "kind = \"lognormal\", mean_ms = 20.0, sigma = 0.02",
            "kind = \"lognormal\", mean_ms = 20.0, sigma = 0.3",
            "kind = \"exponential\", mean_ms = 20.0",
        ]);
        let load = pick(&["0.5", "0.7", "0.9"]);
        let text = format!(
            "arrivals = {{ kind = \"poisson\", load = {load} }}\nrequests = 12_000\n\
             service = {{ {service} }}\nservers = {servers}\nbalancers = {balancers}"
        );
        let [without, with] = [false, true].map(|learns_limit| {
            let scenario = Scenario {
                learns_limit,
                ..written(&text)
            };
            run(&scenario, &LEAST_RT, nth)
        });
        let ratio = with.percentile(0.99).as_secs_f64() / without.percentile(0.99).as_secs_f64();
        println!("{nth}: {ratio:.3} {text}");
        longer += u32::from(ratio > 1.05);
        assert!(ratio < 1.25, "seed {nth}: {ratio:.3}\n{text}");
        assert_eq!(with.failures(), without.failures(), "seed {nth}\n{text}");
    }
    assert!(longer <= 1, "{longer}");
}

/// The line of a learned limit refuses nothing that would have waited at the servers without it.
#[test]
fn a_learned_limit_refuses_no_request() {
    let text = "arrivals = { kind = \"poisson\", load = 0.8 }\nrequests = 9_000\nqueue_limit = 200\n\
         service = { kind = \"exponential\", mean_ms = 20.0 }\n\
         servers = [{ count = 5, faults = [\
             { kind = \"slow\", factor = 5.0, from_s = 20.0, until_s = 24.0 }] }]";
    let report = |learns_limit| {
        let scenario = Scenario {
            learns_limit,
            ..written(text)
        };
        run(&scenario, &LEAST_RT, 1)
    };
    let [without, with] = [false, true].map(report);
    assert_eq!((without.failures(), with.failures()), (0, 0));
    assert_ne!(
        with.percentile(0.5),
        without.percentile(0.5),
        "it is limited"
    );
}

/// On equal servers that work on one request at a time, waiting in the balancer is as good as
/// knowing how long each request takes.
#[test]
fn late_binding_comes_near_the_oracle_under_every_strategy() {
    let p99_ms = |scenario: &str, rule: &Rule| {
        let comparison = compared(&named(scenario, 5_000), std::slice::from_ref(rule));
        comparison.rows.into_iter().nth(1).unwrap()
    };
    let early = p99_ms("pi", &LEAST_RT);
    for rule in [LEAST_RT, Rule::Strategy(RoundRobin::ENTRY.spec())] {
        let late = p99_ms("pi-late", &rule);
        println!(
            "{}: {:.0} ms, early {:.0} ms, to the oracle {:.3}",
            late.strategy, late.p99_ms, early.p99_ms, late.p99_to_oracle
        );
        assert!(late.p99_ms < 0.95 * early.p99_ms, "{rule:?}");
        assert!(
            late.p99_to_oracle < 1.01,
            "{rule:?}: {}",
            late.p99_to_oracle
        );
        assert_eq!(late.failed, 0.0);
    }
}
