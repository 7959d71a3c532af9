//! What came out: a table for people, JSON for programs, a picture.

use super::{Outcome, Run};
use serde_json::json;
use std::fmt::Write;

/// Policies in the order in which they were asked for.
fn policies(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.policy.as_str()) {
            names.push(&run.policy);
        }
    }
    names
}

fn sum<'a>(runs: impl Iterator<Item = &'a Run>) -> Outcome {
    runs.fold(Outcome::default(), |sum, run| Outcome {
        requests: sum.requests + run.outcome.requests,
        late: sum.late + run.outcome.late,
        server_seconds: sum.server_seconds + run.outcome.server_seconds,
        oracle_seconds: sum.oracle_seconds + run.outcome.oracle_seconds,
        changes: sum.changes + run.outcome.changes,
        cut: sum.cut + run.outcome.cut,
        ..Outcome::default()
    })
}

fn line(out: &mut String, policy: &str, scenario: &str, it: &Outcome) {
    let late = 100.0 * it.late as f64 / it.requests.max(1) as f64;
    let cost = it.server_seconds / it.oracle_seconds.max(1.0);
    let _ = writeln!(
        out,
        "{policy:<10} {scenario:<8} {late:>7.2} % {cost:>6.2} {:>8} {:>5}",
        it.changes, it.cut
    );
}

/// Late requests, cost against the oracle, changes of the want, requests that were cut.
pub(super) fn table(runs: &[Run], launch: f64) -> String {
    let mut seeds: Vec<u64> = runs.iter().map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut out = format!(
        "launches of {launch} s, seeds {seeds:?}\npolicy     scenario    late   cost  changes   cut\n"
    );
    for policy in policies(runs) {
        let of = || runs.iter().filter(|run| run.policy == policy);
        let mut scenarios: Vec<&str> = Vec::new();
        for run in of() {
            if !scenarios.contains(&run.scenario) {
                scenarios.push(run.scenario);
            }
        }
        for scenario in &scenarios {
            line(
                &mut out,
                policy,
                scenario,
                &sum(of().filter(|run| run.scenario == *scenario)),
            );
        }
        if scenarios.len() > 1 {
            line(&mut out, policy, "all", &sum(of()));
        }
    }
    out
}

pub(super) fn json(runs: &[Run], launch: f64, factor: f64) -> String {
    let list: Vec<_> = runs
        .iter()
        .map(|run| {
            let it = &run.outcome;
            json!({ "policy": run.policy, "scenario": run.scenario, "seed": run.seed,
                "requests": it.requests, "late": it.late, "server_seconds": it.server_seconds,
                "oracle_seconds": it.oracle_seconds, "changes": it.changes, "cut": it.cut,
                "servers_by_minute": it.servers, "rate_by_minute": it.rates })
        })
        .collect();
    format!(
        "{:#}\n",
        json!({ "launch_seconds": launch, "factor": factor, "runs": list })
    )
}

/// One panel for each policy and scenario of the first seed: servers over time, and the work that
/// arrives.
pub(super) fn svg(runs: &[Run]) -> String {
    const WIDTH: usize = 260;
    const HEIGHT: usize = 120;
    let Some(seed) = runs.first().map(|run| run.seed) else {
        return String::new();
    };
    let shown: Vec<&Run> = runs.iter().filter(|run| run.seed == seed).collect();
    let names = policies(runs);
    let columns = shown.len() / names.len().max(1);
    let (width, height) = (columns * WIDTH + 20, names.len() * HEIGHT + 20);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (nth, run) in shown.iter().enumerate() {
        let (x, y) = (
            10 + nth % columns.max(1) * WIDTH,
            10 + nth / columns.max(1) * HEIGHT,
        );
        let most = run
            .outcome
            .servers
            .iter()
            .copied()
            .max()
            .unwrap_or(1)
            .max(1) as f64;
        let points = |values: &mut dyn Iterator<Item = f64>| -> String {
            let count = run.outcome.servers.len().max(2) - 1;
            values
                .enumerate()
                .map(|(at, value)| {
                    let px = x as f64 + at as f64 * (WIDTH - 20) as f64 / count as f64;
                    let py = y as f64 + 95.0 - 75.0 * (value / most).min(1.0);
                    format!("{px:.1},{py:.1} ")
                })
                .collect()
        };
        let servers = points(&mut run.outcome.servers.iter().map(|it| *it as f64));
        let work = points(
            &mut run
                .outcome
                .rates
                .iter()
                .map(|it| it * super::SERVICE_SECONDS),
        );
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\">{}, {} (to {most} servers)</text>\n\
             <polyline fill=\"none\" stroke=\"#999\" points=\"{work}\"/>\n\
             <polyline fill=\"none\" stroke=\"#06c\" points=\"{servers}\"/>",
            y + 12,
            run.policy,
            run.scenario
        );
    }
    out.push_str("</svg>\n");
    out
}
