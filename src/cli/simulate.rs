//! The flags of `lb simulate`, and the [`Experiment`] they order.
//!
//! Owns their names, their help and which of them go together. Scenarios are neither read nor
//! run here.

mod help;

use super::Invocation;
use super::strategy_choice::{self, StrategyChoice};
use clap::Args;
use lb::config::{BackendLimit, ConfigError, StrategySpec};
use lb::internal::config::{check_range, parse_number};
use lb::internal::simulate::Rule;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The strategies compared by default.
const STRATEGIES: [&str; 5] = ["least-rt", "least-conn", "round-robin", "p2c", "random"];

#[derive(Args, Debug)]
#[command(
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    after_long_help = help::after_long(),
    max_term_width = 100
)]
pub(super) struct SimulateFlags {
    /// Scenarios that come with lb: all of them unless named
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// List the scenarios with the purpose of each, and do nothing else
    #[arg(long, help_heading = "Scenarios")]
    list: bool,

    /// Print the text of scenarios, to learn from and to change
    ///
    /// Without a NAME it begins with every key there is.
    #[arg(long, help_heading = "Scenarios", conflicts_with = "list")]
    show: bool,

    /// Take the scenarios from a TOML file instead
    #[arg(long, value_name = "FILE", help_heading = "Scenarios")]
    scenario: Option<PathBuf>,

    /// Replay an access log of lb instead
    ///
    /// Text or json, as --access-log writes them. Requests come when they came, and are as much
    /// work as they seem to have been: the time to the first byte of the response, less the time
    /// for which the backend was still busy with the one before. That is exact for backends that
    /// serve one request at a time.
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Scenarios",
        conflicts_with = "scenario"
    )]
    replay: Option<PathBuf>,

    /// Servers to replay an access log on: as many as responded in it unless given
    #[arg(long, value_name = "N", value_parser = parse_number::<usize>,
        help_heading = "Scenarios", requires = "replay")]
    backends: Option<usize>,

    /// Strategies to compare, separated by commas
    ///
    /// Any that lb --strategy list shows. The oracle is always added: it sends each request where
    /// it will be done first, because it knows how long every request takes.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = StrategyChoice::parse,
        default_values = STRATEGIES, help_heading = "Runs")]
    strategy: Vec<StrategyChoice>,

    /// Requests of each run, instead of the number in the scenario
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>, help_heading = "Runs")]
    requests: Option<u64>,

    /// Requests that each balancer gives a server at once, instead of what the scenario says
    ///
    /// auto learns whether servers work on one request after the other, and then gives each one at
    /// a time.
    #[arg(long, value_name = "N|auto", value_parser = str::parse::<BackendLimit>,
        help_heading = "Runs")]
    backend_max_connections: Option<BackendLimit>,

    /// Decides everything that is left to chance
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>, default_value_t = 1,
        help_heading = "Runs")]
    seed: u64,

    /// Runs of each strategy, with seeds that follow each other; times are averaged
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>, default_value_t = 1,
        help_heading = "Runs")]
    seeds: u64,

    /// Explain one pick instead: the N-th of each run
    ///
    /// Shows the strategy's rating of every server at the pick.
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>, help_heading = "Output",
        conflicts_with_all = ["json", "plot"])]
    explain: Option<u64>,

    /// Print one JSON object instead of tables
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Draw an SVG as well
    ///
    /// Of one scenario, the times of all requests; of several, the 99th percentile of each over
    /// that of the oracle.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    plot: Option<PathBuf>,
}

/// The arguments of `lb simulate`.
#[derive(Debug)]
pub(crate) struct Experiment {
    /// Source of the scenarios.
    pub(crate) source: Source,
    /// Only these, if any are named.
    pub(crate) names: Vec<String>,
    /// The task.
    pub(crate) task: Task,
    /// By what servers are picked.
    pub(crate) rules: Vec<Rule>,
    /// Instead of what the scenario says.
    pub(crate) requests: Option<u64>,
    /// Instead of what the scenario says.
    pub(crate) limit: Option<BackendLimit>,
    /// One run for each.
    pub(crate) seeds: RangeInclusive<u64>,
}

/// Source of scenarios.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From `lb` itself.
    BuiltIn,
    /// From a TOML file.
    File(PathBuf),
    /// From an access log, for so many servers.
    Log(PathBuf, Option<usize>),
}

/// A task for scenarios.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Name them.
    List,
    /// Print their text.
    Show,
    /// Explain one pick of each.
    Explain(u64),
    /// Run them.
    Compare { json: bool, plot: Option<PathBuf> },
}

impl SimulateFlags {
    /// Returns the task of these flags.
    pub(super) fn invocation(self) -> Result<Invocation, ConfigError> {
        let kinds = self.strategy.iter().cloned().map(StrategyChoice::kind);
        match kinds.collect() {
            Some(kinds) => Ok(Invocation::Simulate(Box::new(self.order(kinds)?))),
            None => Ok(Invocation::List(strategy_choice::list())),
        }
    }

    fn order(self, strategies: Vec<StrategySpec>) -> Result<Experiment, ConfigError> {
        check_range(
            "--requests",
            &(self.requests.unwrap_or(1)),
            &(1..=100_000_000),
        )?;
        check_range("--seeds", &(self.seeds), &(1..=1_000))?;
        check_range(
            "--backends",
            &(self.backends.unwrap_or(1) as u64),
            &(1..=4_096),
        )?;
        if self.explain == Some(0) {
            return Err(ConfigError::new("out of range", "give at least 1")
                .with_flag("--explain")
                .with_value(0));
        }
        let task = match (self.list, self.show, self.explain) {
            (true, _, _) => Task::List,
            (_, true, _) => Task::Show,
            (_, _, Some(pick)) => Task::Explain(pick),
            (false, false, None) => Task::Compare {
                json: self.json,
                plot: self.plot,
            },
        };
        Ok(Experiment {
            source: match (self.scenario, self.replay) {
                (Some(file), _) => Source::File(file),
                (None, Some(file)) => Source::Log(file, self.backends),
                (None, None) => Source::BuiltIn,
            },
            names: self.names,
            task,
            rules: strategies.into_iter().map(Rule::Strategy).collect(),
            requests: self.requests,
            limit: self.backend_max_connections,
            seeds: self.seed..=self.seed.saturating_add(self.seeds - 1),
        })
    }
}

#[cfg(test)]
mod tests;
