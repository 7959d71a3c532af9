//! The command line: arguments in, an [`Order`] out.
//!
//! Owns the flags, the help page and the one-line form of every complaint about them. What a
//! setting may be is `lb::config`'s to know; nothing is printed, opened or run here.

mod complaint;
mod flags;
mod forward_flags;
mod health_flags;
mod heartbeat;
mod heartbeat_flags;
mod help;
mod limit_flags;
mod secret;
#[cfg(feature = "simulate")]
mod simulate;
mod strategy_choice;
mod timeout_flags;
mod watch_flags;

pub(crate) use heartbeat::{LoadSource, ProcessName, Sending};
#[cfg(feature = "simulate")]
pub(crate) use simulate::{Experiment, Source, Task};
pub(crate) use watch_flags::Watching;

use clap::Parser as _;
use clap::error::ErrorKind;
use flags::{Command, Flags};
use lb::config::{Config, ConfigError, StickyCookie, StrategyKind};
use std::ffi::OsString;
use std::path::Path;

/// What the user wants.
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
    /// What it is told to do.
    pub(crate) config: Config,
    /// Whether it keeps its start line and its summary to itself.
    pub(crate) quiet: bool,
}

/// Reads the arguments, the first of which is the name of the program.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, ConfigError> {
    match Flags::try_parse_from(args) {
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
            _ => Err(complaint::of(&error)),
        },
    }
}

fn invocation(flags: Flags) -> Result<Invocation, ConfigError> {
    match flags.pool.strategy.clone().kind() {
        Some(strategy) => Ok(Invocation::Balance(Box::new(order(flags, strategy)?))),
        None => Ok(Invocation::List(strategy_choice::list())),
    }
}

fn order(flags: Flags, strategy: StrategyKind) -> Result<Order, ConfigError> {
    let mut config = Config::new(flags.pool.backends)?;
    config.strategy = strategy;
    if let Some(bound) = flags.pool.hash_bound
        && !config.strategy.set_load_bound(bound)
    {
        let remedy = "give it with a strategy such as ip-hash, or not at all";
        return Err(
            ConfigError::new("the strategy does not hash", remedy).with_flag("--hash-bound")
        );
    }
    config.mode = flags.traffic.mode;
    config.workers = flags.traffic.workers;
    config.access_log = flags.output.access_log;
    config.set_listeners(flags.traffic.listen)?;
    if let Some(cookie) = flags.pool.sticky {
        config.set_sticky(sticky(&cookie, flags.pool.sticky_secret.as_deref())?);
    }
    config.set_health(flags.health.into())?;
    config.heartbeats = flags.heartbeats.heartbeats()?;
    config.set_timeouts(flags.timeouts.into())?;
    config.set_limits(flags.limits.into())?;
    flags.forward.apply(&mut config)?;
    Ok(Order {
        config,
        quiet: flags.output.quiet,
    })
}

/// The sticky cookie, with its secret read from a file if there is one.
fn sticky(cookie: &str, secret: Option<&Path>) -> Result<StickyCookie, ConfigError> {
    let cookie = StickyCookie::new(cookie)?;
    let Some(path) = secret else {
        return Ok(cookie);
    };
    secret::read("--sticky-secret", path, |secret| cookie.with_secret(secret))
}

#[cfg(test)]
mod tests;
