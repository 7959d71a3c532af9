//! Comparisons as tables for people.

use lb::internal::plural::Counted;
use lb::internal::simulate::{Comparison, Row, geometric_mean};
use std::fmt::Write as _;

/// One scenario: a row for each strategy.
pub(super) fn of(comparison: &Comparison) -> String {
    let Comparison {
        scenario,
        about,
        requests,
        seeds,
        rows,
    } = comparison;
    let mut out = format!("{scenario}: {about}\n");
    let (runs, requests) = (Counted(*seeds as u64, "run"), Counted(*requests, "request"));
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "{runs} of {requests}\n");
    let _ = writeln!(
        out,
        "  {:<14} {:>9} {:>9} {:>9} {:>9}  {:<14} {:>12}",
        "strategy", "p50 ms", "p99 ms", "p99.9 ms", "failed", "server share", "p99 / oracle"
    );
    for row in rows {
        out.push_str(&line(row));
    }
    out.push('\n');
    out
}

fn line(row: &Row) -> String {
    let least = row.shares.iter().copied().fold(f64::INFINITY, f64::min);
    let most = row.shares.iter().copied().fold(0.0, f64::max);
    let shares = format!("{}-{} %", percent(least), percent(most));
    let failed = match row.failed {
        0.0 => "-".to_owned(),
        failed => format!("{:.3} %", failed * 100.0),
    };
    format!(
        "  {:<14} {:>9} {:>9} {:>9} {:>9}  {:<14} {:>12.2}\n",
        row.strategy,
        millis(row.p50_ms),
        millis(row.p99_ms),
        millis(row.p999_ms),
        failed,
        shares,
        row.p99_to_oracle
    )
}

/// All scenarios: how close each strategy comes to the oracle.
pub(super) fn summary(comparisons: &[Comparison]) -> String {
    let mut out = format!("p99 / oracle over {} scenarios\n\n", comparisons.len());
    let _ = writeln!(out, "  {:<14} {:>9} {:>9}  in", "strategy", "mean", "worst");
    let strategies = comparisons.first().map_or(0, |first| first.rows.len());
    for nth in 0..strategies {
        let rows = comparisons
            .iter()
            .filter_map(|it| Some((it, it.rows.get(nth)?)));
        let mean = geometric_mean(rows.clone().map(|(_, row)| row.p99_to_oracle));
        let worst = rows.max_by(|(_, a), (_, b)| a.p99_to_oracle.total_cmp(&b.p99_to_oracle));
        if let Some((comparison, row)) = worst {
            let _ = writeln!(
                out,
                "  {:<14} {mean:>9.2} {:>9.2}  {}",
                row.strategy, row.p99_to_oracle, comparison.scenario
            );
        }
    }
    out
}

/// Three digits or more.
pub(super) fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 10.0 => format!("{percent:.1}"),
        percent => format!("{percent:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(strategy: &str, ratio: f64) -> Row {
        Row {
            strategy: strategy.to_owned(),
            p50_ms: 1.234,
            p99_ms: 56.78,
            p999_ms: 1_234.5,
            p99_to_oracle: ratio,
            p999_to_oracle: ratio,
            failed: 0.00025,
            shares: vec![0.75, 0.25, 0.0051],
            curve: Vec::new(),
        }
    }

    fn comparison(scenario: &str, ratio: f64) -> Comparison {
        Comparison {
            scenario: scenario.to_owned(),
            about: "it is so".to_owned(),
            requests: 100,
            seeds: 1,
            rows: vec![row("least-rt", ratio)],
        }
    }

    #[test]
    fn a_table_is_aligned() {
        assert_eq!(
            of(&comparison("slow", 1.5)),
            "slow: it is so\n\
             1 run of 100 requests\n\n  \
             strategy          p50 ms    p99 ms  p99.9 ms    failed  server share   p99 / oracle\n  \
             least-rt            1.23      56.8      1234   0.025 %  0.5-75 %               1.50\n\n"
        );
    }

    #[test]
    fn the_summary_names_the_worst() {
        let text = summary(&[comparison("a", 1.0), comparison("b", 4.0)]);
        assert!(
            text.contains("least-rt            2.00      4.00  b\n"),
            "{text}"
        );
    }
}
