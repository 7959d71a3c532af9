//! `lb-chord`: a Chord ring in the terminal.
//!
//! Reads the command line and hands it to one file of `command/` each. Exit codes: 0 for success, 1 if
//! what was asked could not be done (no such key, no answer), 2 for a wrong command line.

mod command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs and asks a Chord ring: a hash table spread over nodes that find each other.
///
/// Compatible mode (the default) speaks the wire of the Python course: one pickle per UDP datagram,
/// 1,024 ids. Native mode (`--native`) has 160-bit ids, virtual nodes, MACs and large values. All
/// nodes and clients of a ring use the same mode.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lb-chord demo                                   five nodes on ports 5000 to 5004, live
  lb-chord put A '[0, 1, 2]'                      stores a list by way of localhost:5000
  lb-chord get A --node localhost:5003            gets it from any node
  lb-chord node --listen localhost:4000 --join localhost:5000
  lb-chord lookup d --trace                       the nodes asked on the way to the owner
  lb-chord state --node localhost:4000            links, fingers and keys of a node
  lb-chord leave --node localhost:4000            hands its keys over and ends it
  lb-chord figures --out charts --quick           the charts of the paper, measured here";

#[derive(Subcommand)]
enum Command {
    /// Start a ring of several nodes in one process and show it live
    Demo(command::demo::Args),
    /// Run one node until SIGTERM or SIGINT, which make it leave the ring
    Node(command::node::Args),
    /// Store a value under a key
    Put(command::put::Args),
    /// Print the value of a key
    Get(command::get::Args),
    /// Find the owner of a key
    Lookup(command::lookup::Args),
    /// Show the links, fingers and keys of a node
    State(command::state::Args),
    /// Have a node leave the ring
    Leave(command::leave::Args),
    /// Measure the figures of the Chord paper in a simulator, as charts and JSON
    Figures(command::figures::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Demo(args) => command::demo::run(&args),
        Command::Node(args) => command::node::run(&args),
        Command::Put(args) => command::put::run(&args),
        Command::Get(args) => command::get::run(&args),
        Command::Lookup(args) => command::lookup::run(&args),
        Command::State(args) => command::state::run(&args),
        Command::Leave(args) => command::leave::run(&args),
        Command::Figures(args) => command::figures::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lb-chord: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
