//! The command line: arguments in, an [`Order`] out.
//!
//! Owns the flags of the commands, the help pages and the one-line form of every mistake. Settings
//! of the balancer come from `lb::config`. Nothing is printed or run here.

mod complaint;
mod flags;
mod heartbeat;
mod help;
mod setting_flags;
#[cfg(feature = "simulate")]
mod simulate;
mod strategy_choice;
mod watch_flags;

pub(crate) use heartbeat::{LoadSource, ProcessName, Sending};
#[cfg(feature = "simulate")]
pub(crate) use simulate::{Experiment, Source, Task};
pub(crate) use watch_flags::Watching;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use flags::{Command, Flags};
use lb::config::{Config, ConfigError};
use std::ffi::OsString;

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
}

/// Reads the arguments, the first of which is the name of the program.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, ConfigError> {
    let args: Vec<OsString> = args.into_iter().collect();
    match Flags::try_parse_from(&args) {
        Ok(Flags {
            command: Some(command),
            ..
        }) => match command {
            #[cfg(feature = "simulate")]
            Command::Simulate(flags) => flags.invocation(),
            Command::Heartbeat(flags) => Ok(Invocation::Send(Box::new(flags.order()?))),
            Command::Ping(flags) => Ok(Invocation::Watch(Box::new(flags.order()?))),
            Command::Monitor(flags) => Ok(Invocation::Watch(Box::new(flags.order()?))),
        },
        Ok(flags) => invocation(flags),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Invocation::Show(error)),
            _ => Err(complaint::of(&error, command(&args))),
        },
    }
}

/// The command that the arguments are for, if it is not balancing.
fn command(args: &[OsString]) -> Option<&str> {
    let word = args.get(1)?.to_str()?;
    Flags::command().find_subcommand(word).map(|_| word)
}

fn invocation(flags: Flags) -> Result<Invocation, ConfigError> {
    if flags.settings.wants_strategies {
        return Ok(Invocation::List(strategy_choice::list()));
    }
    Ok(Invocation::Balance(Box::new(Order {
        config: flags.settings.given.config()?,
        quiet: flags.quiet,
    })))
}

#[cfg(test)]
mod tests;
