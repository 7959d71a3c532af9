//! Sources of scenarios: `lb` itself, a file, or a recorded log.

use crate::cli::{Experiment, Source};
use lb::config::{ConfigError, ConfigErrorKind};
use lb::internal::plural::Counted;
use lb::internal::simulate::{BUILT_IN, Scenario, built_in, read_log};
use std::io;
use std::path::Path;

/// The first line of each scenario in a text.
const HEADER: &str = "\n[[scenario]]";

/// The scenarios of the command line, with its number of requests.
pub(super) fn scenarios(experiment: &Experiment) -> Result<Vec<Scenario>, ConfigError> {
    let mut all = match &experiment.source {
        Source::BuiltIn => built_in()?,
        Source::File(file) => Scenario::parse(&read("--scenario", file)?)
            .map_err(|invalid| invalid.with_flag("--scenario"))?,
        Source::Log(file, servers) => {
            let recording = read_log(&read_bytes("--replay", file)?)
                .map_err(|invalid| invalid.with_flag("--replay").with_value(file.display()))?;
            let servers = servers.unwrap_or(recording.backends);
            vec![Scenario {
                about: format!(
                    "{} to {}, now to {servers}; {} left out",
                    Counted(recording.requests.len() as u64, "request"),
                    Counted(recording.backends as u64, "backend"),
                    Counted(recording.left_out as u64, "line"),
                ),
                ..Scenario::replay(recording.requests, servers)
            }]
        }
    };
    known(&experiment.names, all.iter().map(|it| it.name.as_str()))?;
    all.retain(|scenario| is_wanted(&experiment.names, &scenario.name));
    for scenario in &mut all {
        if let Some(requests) = experiment.requests {
            // A recording has only so many.
            let most = scenario
                .recorded
                .as_ref()
                .map_or(requests, |all| all.len() as u64);
            scenario.requests = requests.min(most);
        }
        if let Some(limit) = experiment.limit {
            scenario.limit(limit);
        }
    }
    Ok(all)
}

/// The text of the scenarios of the command line; without names all of it, with its introduction.
pub(super) fn text(experiment: &Experiment) -> Result<String, ConfigError> {
    let text = match &experiment.source {
        Source::File(file) => read("--scenario", file)?,
        Source::BuiltIn | Source::Log(..) => BUILT_IN.to_owned(),
    };
    if experiment.names.is_empty() {
        return Ok(text);
    }
    let sections = text.split(HEADER).skip(1);
    let sections: Vec<(&str, &str)> = sections
        .filter_map(|section| Some((name_in(section)?, section)))
        .collect();
    known(&experiment.names, sections.iter().map(|(name, _)| *name))?;
    let wanted = sections
        .iter()
        .filter(|(name, _)| is_wanted(&experiment.names, name));
    Ok(wanted
        .map(|(_, section)| format!("{}{}\n", HEADER.trim_start(), section.trim_end()))
        .collect())
}

fn name_in(section: &str) -> Option<&str> {
    let line = section
        .lines()
        .find_map(|line| line.strip_prefix("name = \""))?;
    line.strip_suffix('"')
}

fn is_wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

/// Refuses a name that no scenario has.
fn known<'a>(
    names: &[String],
    all: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), ConfigError> {
    match names
        .iter()
        .find(|name| !all.clone().any(|known| known == *name))
    {
        Some(unknown) => {
            let remedy = "lb simulate --list names them";
            Err(ConfigError::new("unknown scenario", remedy).with_value(unknown))
        }
        None => Ok(()),
    }
}

fn read(flag: &'static str, file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|error| unreadable(flag, file, &error))
}

/// Reads a log, which may hold bytes that are no text.
fn read_bytes(flag: &'static str, file: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(file).map_err(|error| unreadable(flag, file, &error))
}

fn unreadable(flag: &'static str, file: &Path, error: &io::Error) -> ConfigError {
    ConfigError::new(
        format!("cannot be read: {error}"),
        "name a text file that can",
    )
    .with_kind(ConfigErrorKind::File)
    .with_flag(flag)
    .with_value(file.display())
}
