//! Several rules in one scenario, side by side, over several seeds.
//!
//! Each seed is its own run; times are averaged over seeds as geometric means, so that a ratio of
//! averages is an average of ratios. All rules of a seed meet the same requests.

use super::balancers::Rule;
use super::report::Report;
use super::run;
use super::scenario::Scenario;
use serde::Serialize;
use std::time::Duration;

/// The results of a scenario under several rules.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The name of the scenario.
    pub scenario: String,
    /// The purpose of the scenario.
    pub about: String,
    /// Requests of each run.
    pub requests: u64,
    /// Runs of each rule.
    pub seeds: usize,
    /// One for each rule, in the order in which they were given; the first is the oracle.
    pub rows: Vec<Row>,
}

/// The result of a scenario under one rule.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The rule.
    pub strategy: String,
    /// Percentiles of the time from arrival to response. Milliseconds.
    pub p50_ms: f64,
    /// See above.
    pub p99_ms: f64,
    /// See above.
    pub p999_ms: f64,
    /// The 99th percentile over the oracle's.
    pub p99_to_oracle: f64,
    /// The 99.9th percentile over the oracle's.
    pub p999_to_oracle: f64,
    /// The share of requests that failed, 0 to 1.
    pub failed: f64,
    /// The share of all picks that each server got, in the order of the pool.
    pub shares: Vec<f64>,
    /// Times within which a share of requests was served: `(share, milliseconds)`, with as many
    /// points for the last thousandth as for the first nine tenths.
    pub curve: Vec<(f64, f64)>,
}

/// Points of a curve for each decimal place of the share.
const POINTS_A_PLACE: usize = 24;

/// Runs a scenario by the oracle and by each of `rules`, once for each seed. `done` is called
/// after every run.
pub fn compare(
    scenario: &Scenario,
    rules: &[Rule],
    seeds: impl Iterator<Item = u64> + Clone,
    done: &mut dyn FnMut(&Scenario, &Rule),
) -> Comparison {
    let mut reports_by = |rule: &Rule| -> Vec<Report> {
        let each = seeds.clone().map(|seed| {
            let report = run(scenario, rule, seed);
            done(scenario, rule);
            report
        });
        each.collect()
    };
    let oracle = Row::new(&Rule::Oracle, &reports_by(&Rule::Oracle), None);
    let others = rules.iter().filter(|rule| **rule != Rule::Oracle);
    let mut rows: Vec<Row> = others
        .map(|rule| Row::new(rule, &reports_by(rule), Some(&oracle)))
        .collect();
    rows.insert(0, oracle);
    Comparison {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        requests: scenario.requests,
        seeds: seeds.count(),
        rows,
    }
}

impl Row {
    fn new(rule: &Rule, reports: &[Report], oracle: Option<&Self>) -> Self {
        let percentile = |share: f64| {
            let times = reports
                .iter()
                .map(|report| millis(report.percentile(share)));
            geometric_mean(times)
        };
        let (p99_ms, p999_ms) = (percentile(0.99), percentile(0.999));
        let requests: usize = reports.iter().map(Report::requests).sum();
        let failures: u64 = reports.iter().map(Report::failures).sum();
        Self {
            strategy: rule.name().to_owned(),
            p50_ms: percentile(0.5),
            p99_ms,
            p999_ms,
            p99_to_oracle: oracle.map_or(1.0, |oracle| p99_ms / oracle.p99_ms),
            p999_to_oracle: oracle.map_or(1.0, |oracle| p999_ms / oracle.p999_ms),
            failed: failures as f64 / requests.max(1) as f64,
            shares: mean_shares(reports),
            curve: shares_of_a_curve(requests / reports.len().max(1))
                .map(|share| (share, percentile(share)))
                .collect(),
        }
    }
}

/// The geometric mean; 0 of nothing.
#[must_use]
pub fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| {
        (count + 1.0, sum + value.max(f64::MIN_POSITIVE).ln())
    });
    if count > 0.0 {
        f64::exp(sum / count)
    } else {
        0.0
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mean_shares(reports: &[Report]) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    for report in reports {
        let shares = report.shares();
        sums.resize(shares.len(), 0.0);
        sums.iter_mut()
            .zip(shares)
            .for_each(|(sum, share)| *sum += share);
    }
    sums.iter()
        .map(|sum| sum / reports.len().max(1) as f64)
        .collect()
}

/// 0, then ever closer to 1, as far as ten requests are beyond.
fn shares_of_a_curve(requests: usize) -> impl Iterator<Item = f64> {
    let places = (requests as f64 / 10.0).log10().max(0.0);
    let points = (places * POINTS_A_PLACE as f64) as usize;
    (0..=points).map(|point| 1.0 - 10.0_f64.powf(-(point as f64) / POINTS_A_PLACE as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Random;

    #[test]
    fn ratios_are_to_the_oracle_and_the_runs_are_reported() {
        let scenario = &crate::simulate::built_in().unwrap()[1];
        let scenario = Scenario {
            requests: 2_000,
            ..scenario.clone()
        };
        let mut runs = 0;
        let rules = [Rule::Strategy(Random::ENTRY.spec()), Rule::Oracle];
        let comparison = compare(&scenario, &rules, 1..3, &mut |_, _| runs += 1);
        assert_eq!(runs, 4, "the oracle is not run twice");
        let [oracle, random] = &comparison.rows[..] else {
            panic!("{comparison:?}");
        };
        assert_eq!(
            (oracle.strategy.as_str(), oracle.p99_to_oracle),
            ("oracle", 1.0)
        );
        assert!(random.p99_to_oracle > 1.5, "{random:?}");
        let ratio = random.p99_ms / oracle.p99_ms;
        assert!((ratio - random.p99_to_oracle).abs() < 1e-12);
        assert!((random.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn curves_rise_to_where_ten_requests_are_left() {
        let shares: Vec<f64> = shares_of_a_curve(10_000).collect();
        assert!(shares.is_sorted());
        assert_eq!((shares[0], shares.len()), (0.0, 73));
        assert!((shares[72] - 0.999).abs() < 1e-9);
    }

    #[test]
    fn the_geometric_mean_is_of_ratios() {
        assert!((geometric_mean([1.0, 4.0].into_iter()) - 2.0).abs() < 1e-12);
        assert_eq!(geometric_mean(std::iter::empty()), 0.0);
    }
}
