//! Totals of all checks, as plain data and as a table.

use super::TargetState;
use crate::telemetry::{ResponseTimes, Table, count, share, span};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The state of all targets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorReport {
    /// Each target, in the order in which they were given.
    pub targets: Vec<TargetReport>,
}

/// The state of one target, and the totals of its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: TargetState,
    /// Checks that are over.
    pub checks: u64,
    /// Those of them that passed.
    pub passed: u64,
    /// Response times; `None` if no check passed.
    pub times: Option<ResponseTimes>,
    /// Number of outages.
    pub outages: u64,
    /// Total time it was down, each time from the start of the first check that failed.
    pub down_time: Duration,
}

impl MonitorReport {
    /// Returns whether every target is up.
    #[must_use]
    pub fn all_up(&self) -> bool {
        let mut targets = self.targets.iter();
        targets.all(|target| target.state == TargetState::Up)
    }
}

const COLUMNS: [&str; 11] = [
    "target", "state", "checks", "passed", "lost", "min", "p50", "p99", "max", "outages",
    "down for",
];

/// Columns of words; the others are numbers.
const WORD_COLUMNS: usize = 2;

/// A table with a row for each target.
impl Display for MonitorReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(COLUMNS, WORD_COLUMNS);
        for target in &self.targets {
            table.push(row(target));
        }
        table.fmt(f)
    }
}

fn row(target: &TargetReport) -> [String; COLUMNS.len()] {
    let time = |of: fn(ResponseTimes) -> Duration| {
        let time = target.times.map(of);
        time.map_or("-".to_owned(), span)
    };
    [
        target.name.clone(),
        target.state.word().to_owned(),
        count(target.checks),
        count(target.passed),
        share(target.checks - target.passed, target.checks),
        time(|times| times.min),
        time(|times| times.p50),
        time(|times| times.p99),
        time(|times| times.max),
        count(target.outages),
        match target.down_time {
            Duration::ZERO => "-".to_owned(),
            down_time => span(down_time),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_target() {
        let ms = Duration::from_millis;
        let report = MonitorReport {
            targets: vec![
                TargetReport {
                    name: "10.0.0.7".to_owned(),
                    state: TargetState::Up,
                    checks: 1_000,
                    passed: 995,
                    times: Some(ResponseTimes {
                        sum: Duration::from_millis(4),
                        samples: 995,
                        min: Duration::from_micros(87),
                        p50: ms(1),
                        p90: ms(2),
                        p99: ms(3),
                        max: ms(1_004),
                    }),
                    outages: 1,
                    down_time: ms(2_500),
                },
                TargetReport {
                    name: "a".to_owned(),
                    state: TargetState::Unknown,
                    checks: 0,
                    passed: 0,
                    times: None,
                    outages: 0,
                    down_time: Duration::ZERO,
                },
            ],
        };
        assert!(!report.all_up());
        assert_eq!(
            report.to_string(),
            "target    state    checks  passed  lost    min      p50      p99     max  outages  down for\n\
             10.0.0.7  up        1,000     995  0.5%  87 µs  1.00 ms  3.00 ms  1.00 s        1    2.50 s\n\
             a         unknown       0       0     -      -        -        -       -        0         -\n"
        );
    }
}
