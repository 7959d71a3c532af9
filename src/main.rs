//! The `lb` command: reads the command line, runs the command, ends with its exit code.

mod cli;
mod command;
mod signals;
mod stderr;

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match cli::read(std::env::args_os()) {
        Ok(invocation) => command::run(invocation),
        Err(complaints) => stderr::refuse_all(&complaints),
    };
    stderr::flush();
    code
}
