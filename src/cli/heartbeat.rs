//! The flags of `lb heartbeat`, and the [`Sending`] they order.

use super::help::sections;
use clap::Args;
use clap::builder::StyledStr;
use lb::config::{BackendAddress, ConfigError, HostPort, HumanDuration, SenderConfig};
use lb::heartbeat::{HeartbeatKey, Load, SenderName};
use lb::internal::config::{parse_number, read_secret};
use std::path::PathBuf;
use std::str::FromStr;

const ABOUT: &str = "Send heartbeats to a balancer";

const LONG_ABOUT: &str = "\
Send heartbeats to a balancer.

Runs beside a server and reports to lb, started with --heartbeat-listen, that its host is alive,
its load and, with --process, the state of the server. When heartbeats stop, or report a dead
process, the backend gets no more requests; when all is well again it comes back by itself.

Over UDP each heartbeat is sent three times, spread over the interval, so that one that is lost is
not missed. A line on stderr reports a balancer that cannot be reached or a process that dies, and
the end of either; the sending goes on all the same, until a signal to stop.";

const SECTIONS: [(&str, &str); 2] = [
    (
        "Examples",
        "
  For the backend that lb knows as 10.0.0.1:80, as long as nginx lives:
    lb heartbeat --to lb.example:7000 --as web1 --address 10.0.0.1:80 --process nginx
  To two balancers, signed, for the backend that both know as web1:80 and no other on web1:
    lb heartbeat --to lb1:7000,lb2:7000 --as web1 --key /etc/lb.key",
    ),
    (
        "Exit codes",
        "
  0  Stopped by a signal, or all of --count sent
  1  Could not go on, or not every balancer was reached by the end of --count
  2  The command line is wrong; one line on stderr has the remedy",
    ),
];

#[derive(Args, Debug)]
#[command(
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_long_help = after_long(),
    max_term_width = 100
)]
pub(super) struct SenderFlags {
    /// Balancers to send to, separated by commas
    ///
    /// Where they listen to heartbeats. A bare PORT is on this machine.
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',')]
    to: Vec<HostPort>,

    /// Name of the sender
    ///
    /// Without --address it also says which backend it speaks for: the one that the balancer was
    /// given under this address, or the only one on the host of this name.
    #[arg(long = "as", value_name = "NAME", value_parser = parse_name)]
    name: Option<SenderName>,

    /// Backend that it speaks for, as the balancer was given it in --backends
    #[arg(long, value_name = "HOST:PORT|unix:PATH")]
    address: Option<BackendAddress>,

    /// From one heartbeat to the next: 100ms to 1m
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: HumanDuration,

    /// File with the key to sign with, the same as the balancer is given
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Send by TCP rather than UDP
    ///
    /// One connection, made anew whenever it is lost. For networks that let no UDP through.
    #[arg(long)]
    tcp: bool,

    /// Process to watch: its number, or its name
    ///
    /// A name is that of the program, as in ps -o comm, or the last part of what it was started
    /// as; any process of this name counts. A zombie is dead, and so is a number that was given
    /// to another process.
    #[arg(long, value_name = "PID|NAME")]
    process: Option<ProcessName>,

    /// Load to tell: auto, or 0 to 1
    ///
    /// auto is the load average of the last minute for each core, 1 at most.
    #[arg(long, value_name = "auto|LOAD", default_value = "auto")]
    load: LoadSource,

    /// Heartbeats to send before it ends: without end unless given
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>)]
    count: Option<u64>,
}

/// The arguments of `lb heartbeat`.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Targets, name and interval.
    pub(crate) config: SenderConfig,
    /// The process to watch.
    pub(crate) process: Option<ProcessName>,
    /// The source of the load.
    pub(crate) load: LoadSource,
}

/// The name of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProcessName {
    /// Its number.
    Pid(u32),
    /// The name of its program.
    Program(String),
}

impl FromStr for ProcessName {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let refuse = || {
            let remedy = "give the number of a process, or a name without /, as in nginx";
            ConfigError::new("not a process", remedy).with_value(text)
        };
        match parse_number(text) {
            Ok(0) => Err(refuse()),
            Ok(pid) => Ok(Self::Pid(pid)),
            Err(_) if text.is_empty() || text.contains('/') => Err(refuse()),
            Err(_) => Ok(Self::Program(text.to_owned())),
        }
    }
}

/// Source of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadSource {
    /// The system.
    Auto,
    /// The command line.
    Fixed(Load),
}

impl FromStr for LoadSource {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let load = text.parse().ok().and_then(Load::new);
        load.map(Self::Fixed).ok_or_else(|| {
            ConfigError::new("not a load", "give auto, or a number from 0 to 1").with_value(text)
        })
    }
}

impl SenderFlags {
    /// The order these flags give, with the key read.
    pub(super) fn order(self) -> Result<Sending, ConfigError> {
        let name = self.name.ok_or_else(|| {
            let remedy = "say what the sender calls itself, as in --as web1";
            ConfigError::new("no name given", remedy).with_flag("--as")
        })?;
        let mut config = SenderConfig::new(name, self.to)?;
        config.address = self.address;
        config.by_tcp = self.tcp;
        config.count = self.count;
        config.set_interval(self.interval.0)?;
        let key = self.key.as_deref();
        config.key = key
            .map(|path| read_secret("--key", path, HeartbeatKey::new))
            .transpose()?;
        if self.count == Some(0) {
            let invalid = ConfigError::new("nothing to send", "give at least 1");
            return Err(invalid.with_flag("--count").with_value(0));
        }
        Ok(Sending {
            config,
            process: self.process,
            load: self.load,
        })
    }
}

fn parse_name(text: &str) -> Result<SenderName, ConfigError> {
    SenderName::new(text).ok_or_else(|| {
        let remedy = "use up to 64 letters, digits and signs without spaces, as in web1";
        ConfigError::new("not a name", remedy).with_value(text)
    })
}

fn after_long() -> StyledStr {
    sections(&SECTIONS)
}

#[cfg(test)]
mod tests;
