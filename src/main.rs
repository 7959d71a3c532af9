//! The `lb` command: reads the command line, runs the balancer, ends with an exit code.
//!
//! Owns the exit codes and where each text goes: what was asked for to stdout, what went wrong
//! to stderr as one line that begins with `lb: `.

mod cli;

use cli::{Invocation, Order};
use lb::config::Invalid;
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// The command line cannot be understood or obeyed.
const USAGE: u8 = 2;
/// The balancer could not start, or could not go on.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    match cli::read(std::env::args_os()) {
        Ok(Invocation::Balance(order)) => match run(order) {
            Ok(()) => ExitCode::SUCCESS,
            Err(invalid) => fail(FAILURE, &invalid),
        },
        Ok(Invocation::Show(page)) => {
            // Nobody is left to tell if stdout is closed, as by `lb --help | head`.
            let _ = page.print();
            ExitCode::SUCCESS
        }
        Err(invalid) => fail(USAGE, &invalid),
    }
}

/// Balances until told to stop.
fn run(order: Order) -> Result<(), Invalid> {
    let Order {
        config,
        quiet: _quiet,
    } = order;
    let problem = format!("cannot balance over {} yet", config.backends().len());
    Err(Invalid::new(problem, "wait for the next version"))
}

fn fail(code: u8, reason: &impl Display) -> ExitCode {
    // As above: the exit code still tells.
    let _ = writeln!(std::io::stderr(), "lb: {reason}");
    ExitCode::from(code)
}
