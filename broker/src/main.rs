//! The `lb-broker` command: reads the command line, runs one subcommand, ends with an exit code.
//!
//! Exit codes: 0 done, 1 the broker refuses or is gone, 2 the command line or the system does not
//! allow it. Errors are one line on stderr that begins with `lb-broker: `.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the command line is a shell: it has sockets, deadlines and signals"
)]

mod command;

use clap::Parser as _;
use command::Arguments;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lb-broker: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
