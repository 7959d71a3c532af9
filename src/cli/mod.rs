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
mod secret;
#[cfg(feature = "simulate")]
mod simulate;
mod watch_flags;

pub(crate) use heartbeat::{LoadSource, ProcessName, Sending};
#[cfg(feature = "simulate")]
pub(crate) use simulate::{Experiment, Source, Task};
pub(crate) use watch_flags::Watching;

use clap::Parser as _;
use clap::error::ErrorKind;
use flags::{Command, Flags};
use lb::config::{Config, Invalid, StickyCookie};
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
    /// A page, such as the help, to be printed to stdout.
    Show(clap::Error),
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
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Invalid> {
    match Flags::try_parse_from(args) {
        Ok(Flags {
            command: Some(command),
            ..
        }) => match command {
            #[cfg(feature = "simulate")]
            Command::Simulate(flags) => Ok(Invocation::Simulate(Box::new(flags.order()?))),
            Command::Heartbeat(flags) => Ok(Invocation::Send(Box::new(flags.order()?))),
            Command::Ping(flags) => Ok(Invocation::Watch(Box::new(flags.order()?))),
            Command::Monitor(flags) => Ok(Invocation::Watch(Box::new(flags.order()?))),
        },
        Ok(flags) => Ok(Invocation::Balance(Box::new(order(flags)?))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Invocation::Show(error)),
            _ => Err(complaint::of(&error)),
        },
    }
}

fn order(flags: Flags) -> Result<Order, Invalid> {
    let mut config = Config::new(flags.pool.backends)?;
    config.strategy = flags.pool.strategy;
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
fn sticky(cookie: &str, secret: Option<&Path>) -> Result<StickyCookie, Invalid> {
    let cookie = StickyCookie::new(cookie)?;
    let Some(path) = secret else {
        return Ok(cookie);
    };
    secret::read("--sticky-secret", path, |secret| cookie.with_secret(secret))
}

#[cfg(test)]
mod tests;
