//! `lb-controller simulate`: scaling policies against arrivals, in virtual time.
//!
//! `tracking` and `mean-load` run in the real rules, with their budgets, holds and launches; beside
//! them stand models of the Kubernetes HPA and of AWS target tracking, and an oracle. Requests wait
//! in one exact first-come queue.
#![allow(
    clippy::disallowed_methods,
    reason = "writes the two files that it is asked for"
)]

mod arrivals;
mod fleet;
mod models;
mod queue;
mod random;
mod report;

use arrivals::{SCENARIOS, Scenario};
use clap::Parser;
use models::Model;
use std::path::PathBuf;

/// Mean service time of a request, exponentially distributed.
const SERVICE_SECONDS: f64 = 0.1;
/// A request that waited longer is late.
const LATE_SECONDS: f64 = 0.5;

#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Scenarios to run [default: all]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Seeds, each a run of its own
    #[arg(long, value_delimiter = ',', default_values_t = [7, 11])]
    seeds: Vec<u64>,
    /// Seconds from a launch until the server is ready
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    launch: f64,
    /// Multiplies the arrivals of every scenario
    #[arg(long, default_value_t = 1.0)]
    factor: f64,
    /// Policies to compare: tracking, tracking-30 to tracking-98, mean-load, hpa-40 to hpa-90, aws
    #[arg(long, value_delimiter = ',', default_values = ["tracking", "mean-load", "hpa-60", "hpa-70", "aws"])]
    policies: Vec<String>,
    /// Chance in 1,000 that a launch fails
    #[arg(long, value_name = "PER-MILLE", default_value_t = 0)]
    failed_launches: u64,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw wants and arrivals of the first seed into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) late: u64,
    /// Seconds of servers that were paid for.
    pub(crate) server_seconds: f64,
    /// What the oracle needed.
    pub(crate) oracle_seconds: f64,
    pub(crate) changes: u64,
    /// Requests under way at servers that were stopped.
    pub(crate) cut: u64,
    /// Servers paid for, each minute, for the picture.
    pub(crate) servers: Vec<u64>,
    pub(crate) rates: Vec<f64>,
}

/// One policy over one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) policy: String,
    pub(crate) scenario: &'static str,
    pub(crate) seed: u64,
    pub(crate) outcome: Outcome,
}

/// Settings of every run.
#[derive(Clone, Copy, Debug)]
struct Setting {
    seed: u64,
    launch: f64,
    factor: f64,
    failed_launches: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    let scenarios: Vec<&Scenario> = if args.scenarios.is_empty() {
        SCENARIOS.iter().collect()
    } else {
        let find = |name: &String| {
            let known: Vec<&str> = SCENARIOS.iter().map(|it| it.name).collect();
            let found = SCENARIOS.iter().find(|it| it.name == name);
            found.ok_or_else(|| {
                format!(
                    "there is no scenario {name}: there are {}",
                    known.join(", ")
                )
            })
        };
        args.scenarios.iter().map(find).collect::<Result<_, _>>()?
    };
    if !(args.launch.is_finite() && args.launch >= 0.0 && args.factor > 0.0 && args.factor <= 20.0)
    {
        return Err("--launch is 0 or more, --factor above 0 and at most 20".to_owned());
    }
    let mut runs = Vec::new();
    for policy in &args.policies {
        let model = Model::parse(policy)?;
        for seed in &args.seeds {
            let setting = Setting {
                seed: *seed,
                launch: args.launch,
                factor: args.factor,
                failed_launches: args.failed_launches,
            };
            for scenario in &scenarios {
                let outcome = one(model, scenario, setting);
                runs.push(Run {
                    policy: policy.clone(),
                    scenario: scenario.name,
                    seed: *seed,
                    outcome,
                });
            }
        }
    }
    print!("{}", report::table(&runs, args.launch));
    if let Some(path) = &args.json {
        let text = report::json(&runs, args.launch, args.factor);
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, report::svg(&runs))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn one(model: Model, scenario: &Scenario, setting: Setting) -> Outcome {
    match model {
        Model::Tracking(_) | Model::MeanLoad => fleet::run(model, scenario, setting),
        Model::Hpa(_) | Model::Aws => models::run(model, scenario, setting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(policy: &str, launch: f64, factor: f64, seeds: &[u64]) -> (f64, f64, u64, u64) {
        let model = Model::parse(policy).expect("is known");
        let mut sum = Outcome::default();
        for seed in seeds {
            for scenario in &SCENARIOS {
                let setting = Setting {
                    seed: *seed,
                    launch,
                    factor,
                    failed_launches: 0,
                };
                let outcome = one(model, scenario, setting);
                sum.requests += outcome.requests;
                sum.late += outcome.late;
                sum.server_seconds += outcome.server_seconds;
                sum.oracle_seconds += outcome.oracle_seconds;
                sum.cut += outcome.cut;
                sum.changes += outcome.changes;
            }
        }
        let late = sum.late as f64 / sum.requests as f64;
        (
            late,
            sum.server_seconds / sum.oracle_seconds,
            sum.cut,
            sum.changes,
        )
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let scenario = &SCENARIOS[2];
        let setting = Setting {
            seed: 3,
            launch: 2.0,
            factor: 0.3,
            failed_launches: 20,
        };
        let model = Model::parse("tracking").expect("is known");
        let (a, b) = (one(model, scenario, setting), one(model, scenario, setting));
        assert_eq!(
            (a.requests, a.late, a.changes, a.servers),
            (b.requests, b.late, b.changes, b.servers)
        );
    }

    /// No HPA is better than the default policy in late requests and cost together.
    #[test]
    #[ignore = "takes minutes without optimisation"]
    fn no_hpa_beats_tracking_in_both() {
        let seeds = [7, 11];
        let (late, cost, cut, _) = total("tracking", 60.0, 1.0, &seeds);
        println!(
            "tracking, launches of 60 s: {:.2} % late, cost {cost:.3}",
            late * 100.0
        );
        let (late_2, cost_2, cut_2, _) = total("tracking", 2.0, 1.0, &seeds);
        println!(
            "tracking, launches of 2 s: {:.2} % late, cost {cost_2:.3}",
            late_2 * 100.0
        );
        let (late_30, cost_30, ..) = total("tracking", 60.0, 3.0, &seeds);
        println!(
            "tracking, large: {:.2} % late, cost {cost_30:.3}",
            late_30 * 100.0
        );
        for target in [40, 50, 60, 70, 80, 90] {
            let (hpa_late, hpa_cost, ..) = total(&format!("hpa-{target}"), 60.0, 1.0, &seeds);
            println!(
                "hpa-{target}: {:.2} % late, cost {hpa_cost:.3}",
                hpa_late * 100.0
            );
            assert!(
                late < hpa_late || cost < hpa_cost,
                "hpa-{target} is better in both"
            );
        }
        assert_eq!((cut, cut_2), (0, 0), "busy servers were ended");
    }
}
