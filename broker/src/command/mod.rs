//! Subcommands: one file for the server, one for its limits, one for what clients do.

mod client;
mod limits;
mod serve;

use clap::{Parser, Subcommand};
use lb_broker::client::ClientError;
use std::fmt;

const EXAMPLES: &str = "\
Try it, in two terminals:
  lb-broker serve
  lb-broker sub /weather --retain-subtree
and in a third:
  lb-broker pub /weather/temperature 21.5
  lb-broker pub /weather/wind '{\"speed\": 7, \"from\": \"NW\"}' --format pickle
  lb-broker list
  lb-broker get /weather/temperature --format xml
  lb-broker subscribers /weather/wind";

/// A publish/subscribe broker: topics as a tree, the last value kept, and JSON, XML and pickle
/// translated into each other.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a broker
    Serve(Box<serve::Serve>),
    /// Publish a value to a topic
    Pub(client::Publish),
    /// Print what is published to topics and below them, until interrupted
    Sub(client::Subscribe),
    /// List the topics that have a last value
    List(client::List),
    /// Print the last value of a topic
    Get(client::Get),
    /// List the connections that a publication to a topic would reach, with their formats
    Subscribers(client::Subscribers),
}

impl Arguments {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Pub(publish) => publish.run(),
            Command::Sub(subscribe) => subscribe.run(),
            Command::List(list) => list.run(),
            Command::Get(get) => get.run(),
            Command::Subscribers(subscribers) => subscribers.run(),
        }
    }
}

/// Why a subcommand ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The broker refuses, or is gone.
    Broker(ClientError),
    /// The command line or the system does not allow it.
    Setup(String),
}

impl Failure {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Broker(_) => 1,
            Self::Setup(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(error) => error.fmt(f),
            Self::Setup(text) => f.write_str(text),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Broker(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
