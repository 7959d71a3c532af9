//! The command line: arguments in, an [`Order`] out.
//!
//! Owns the flags of the commands, the help pages and the one-line form of every mistake. Settings
//! of the balancer come from `lb::config`. Nothing is printed or run here.

mod admin_flags;
mod complaint;
mod ctl;
mod file_flags;
mod flags;
mod heartbeat;
mod help;
mod pages;
mod process_flags;
mod setting_flags;
#[cfg(feature = "simulate")]
mod simulate;
mod strategy_choice;
#[cfg(feature = "top")]
mod top;
mod watch_flags;

pub(crate) use admin_flags::AdminFlags;
pub(crate) use ctl::{EventFlags, HealthWord, SetVerb, Steering, Verb};
pub(crate) use file_flags::ConfigFile;
pub(crate) use heartbeat::{LoadSource, ProcessName, Sending};
pub(crate) use pages::write_manual;
#[cfg(feature = "simulate")]
pub(crate) use simulate::{Experiment, Source, Task};
#[cfg(feature = "top")]
pub(crate) use top::TopFlags;
pub(crate) use watch_flags::Watching;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use flags::{Command, Flags};
use lb::config::{Config, ConfigError};
use lb::internal::config::Given;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// A command with its arguments.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// A balancer.
    Balance(Box<Order>),
    /// Simulated traffic.
    #[cfg(feature = "simulate")]
    Simulate(Box<Experiment>),
    /// Heartbeats.
    Send(Box<Sending>),
    /// Machines or services to be watched.
    Watch(Box<Watching>),
    /// A reload of the process whose number is in this file.
    Reload(PathBuf),
    /// Questions and orders to a running lb.
    Steer(Box<Steering>),
    /// A running lb, to be watched in the terminal.
    #[cfg(feature = "top")]
    Top(Box<TopFlags>),
    /// The manual, to be written into a folder.
    Manual(std::path::PathBuf),
    /// Its upgrade.
    Upgrade(PathBuf),
    /// A page of clap's, such as the help, to be printed to stdout.
    Show(clap::Error),
    /// A page of our own, to be printed to stdout.
    List(String),
}

/// A balancer as it was ordered.
#[derive(Debug)]
pub(crate) struct Order {
    /// The arguments of a balancer.
    pub(crate) config: Config,
    /// True if it keeps its start line and its summary to itself.
    pub(crate) quiet: bool,
    /// What is to be said of the configuration file, one line each.
    pub(crate) notes: Vec<String>,
    /// The file for the number of the process.
    pub(crate) pid_file: Option<PathBuf>,
    /// The configuration file, if it runs by one.
    pub(crate) file: Option<ConfigFile>,
    /// The settings given by flags.
    pub(crate) given: Given,
}

/// What is wrong with the command line, or with the file that it names.
#[derive(Debug)]
pub(crate) struct Complaints {
    errors: Vec<ConfigError>,
    is_of_file: bool,
}

impl Complaints {
    /// Errors of a configuration file.
    fn of_file(errors: Vec<ConfigError>) -> Self {
        Self {
            errors,
            is_of_file: true,
        }
    }

    /// Each of them.
    pub(crate) fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// Returns whether the command line is wrong by itself.
    pub(crate) fn are_usage(&self) -> bool {
        !self.is_of_file && self.errors.iter().all(|error| error.kind().is_usage())
    }
}

impl From<ConfigError> for Complaints {
    fn from(error: ConfigError) -> Self {
        Self {
            errors: vec![error],
            is_of_file: false,
        }
    }
}

impl fmt::Display for Complaints {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.errors.iter().enumerate() {
            let gap = if nth == 0 { "" } else { "\n" };
            write!(f, "{gap}{error}")?;
        }
        Ok(())
    }
}

/// Reads the arguments, the first of which is the name of the program.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Complaints> {
    let args: Vec<OsString> = args.into_iter().collect();
    match Flags::try_parse_from(&args) {
        Ok(Flags {
            command: Some(command),
            ..
        }) => match command {
            #[cfg(feature = "simulate")]
            Command::Simulate(flags) => Ok(flags.invocation()?),
            Command::Heartbeat(flags) => Ok(Invocation::Send(Box::new(flags.order()?))),
            Command::Ping(flags) => Ok(Invocation::Watch(Box::new(flags.order()?))),
            Command::Monitor(flags) => Ok(Invocation::Watch(Box::new(flags.order()?))),
            Command::Check(flags) => flags.invocation(),
            Command::Config(flags) => flags.invocation(),
            Command::Reload(flags) => Ok(flags.invocation()),
            #[cfg(feature = "top")]
            Command::Top(flags) => Ok(Invocation::Top(flags)),
            Command::Ctl(flags) => Ok(flags.invocation()),
            Command::Completions(flags) => flags.invocation(),
            Command::Man(flags) => flags.invocation(),
            Command::Upgrade(flags) => Ok(flags.invocation()),
        },
        Ok(flags) => invocation(flags),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Invocation::Show(error)),
            _ => Err(complaint::of(&error, command(&args).as_deref()).into()),
        },
    }
}

/// The command that the arguments are for, if it is not balancing: its words, as in `ctl set put`.
fn command(args: &[OsString]) -> Option<String> {
    let mut words = args
        .iter()
        .skip(1)
        .map(|it| it.to_str().unwrap_or_default());
    let first = words.next()?;
    let root = Flags::command();
    let mut command = root.find_subcommand(first)?;
    let mut path = first.to_owned();
    for word in words {
        if let Some(sub) = command.find_subcommand(word) {
            path = format!("{path} {word}");
            command = sub;
        }
    }
    Some(path)
}

fn invocation(flags: Flags) -> Result<Invocation, Complaints> {
    if flags.settings.wants_strategies {
        return Ok(Invocation::List(strategy_choice::list()));
    }
    let given = &flags.settings.given;
    let (config, notes, file) = match &flags.config {
        None => (given.config()?, Vec::new(), None),
        Some(file) => {
            let loaded = file_flags::read(file, given)?;
            let notes = file_flags::notes(&loaded);
            let config = loaded.config.clone();
            let file = ConfigFile::new(file.clone(), given.clone(), loaded);
            (config, notes, Some(file))
        }
    };
    Ok(Invocation::Balance(Box::new(Order {
        config,
        quiet: flags.quiet,
        notes,
        file,
        pid_file: flags.pid_file,
        given: given.clone(),
    })))
}

#[cfg(test)]
mod tests;
