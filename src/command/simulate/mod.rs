//! `lb simulate`: scenarios in, tables, JSON or drawings out.
//!
//! Owns which files are opened and what is printed where: results on stdout, progress on stderr,
//! and only on a terminal. How traffic is simulated is `lb::simulate`'s to know.

mod explained;
mod plot;
mod progress;
mod source;
mod table;

use crate::cli::{Experiment, Task};
use lb::config::{ConfigError, ConfigErrorKind};
use lb::internal::simulate::{Comparison, Scenario, compare};
use progress::Progress;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;

/// Does what was ordered.
pub(crate) fn carry_out(experiment: &Experiment) -> Result<(), ConfigError> {
    match &experiment.task {
        Task::List => {
            for scenario in source::scenarios(experiment)? {
                say(&format!("{:<18} {}\n", scenario.name, scenario.about));
            }
        }
        Task::Show => say(&source::text(experiment)?),
        Task::Explain(pick) => {
            for scenario in &source::scenarios(experiment)? {
                say(&explained::of(scenario, experiment, *pick));
            }
        }
        Task::Compare { json, plot } => {
            let scenarios = source::scenarios(experiment)?;
            let comparisons = run(&scenarios, experiment, !json);
            if *json {
                let text = serde_json::to_string_pretty(&comparisons);
                say(&format!("{}\n", text.unwrap_or_default()));
            }
            if let Some(file) = plot {
                save(file, &plot::of(&comparisons))?;
            }
        }
    }
    Ok(())
}

/// Compares in each scenario; shows each table when it is complete.
fn run(scenarios: &[Scenario], experiment: &Experiment, show: bool) -> Vec<Comparison> {
    let seeds = experiment.seeds.clone();
    let runs = scenarios.len() * (experiment.rules.len() + 1) * seeds.clone().count();
    let mut progress = Progress::new(runs);
    let mut comparisons = Vec::with_capacity(scenarios.len());
    for scenario in scenarios {
        let rules = &experiment.rules;
        let comparison = compare(scenario, rules, seeds.clone(), &mut |scenario, rule| {
            progress.advance(&scenario.name, rule.name());
        });
        progress.clear();
        if show {
            say(&table::of(&comparison));
        }
        comparisons.push(comparison);
    }
    if show && comparisons.len() > 1 {
        say(&table::summary(&comparisons));
    }
    comparisons
}

fn save(file: &Path, text: &str) -> Result<(), ConfigError> {
    std::fs::write(file, text).map_err(|error| {
        ConfigError::new(format!("cannot be written: {error}"), "name another file")
            .with_kind(ConfigErrorKind::File)
            .with_flag("--plot")
            .with_value(file.display())
    })
}

/// Results go to stdout. If it is closed, as by `| head`, they have no reader.
fn say(text: &impl Display) {
    let _ = write!(io::stdout(), "{text}");
}
