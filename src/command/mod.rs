//! The commands: each takes its arguments, runs, and returns an exit code.

mod admin_client;
mod balance;
mod ctl;
mod event_words;
mod heartbeat;
mod monitor;
mod pid_file;
#[cfg(feature = "simulate")]
mod simulate;
mod table;
mod terminal;
#[cfg(feature = "top")]
mod top;

use crate::cli::{Invocation, write_manual};
use crate::stderr::fail;
#[cfg(feature = "simulate")]
use crate::stderr::refuse;
use rustix::process::Signal;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Runs one command to its end.
pub(crate) fn run(invocation: Invocation) -> ExitCode {
    match invocation {
        Invocation::Balance(order) => balance::run(&order),
        #[cfg(feature = "simulate")]
        Invocation::Simulate(order) => match simulate::carry_out(&order) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&error),
        },
        Invocation::Send(sending) => heartbeat::carry_out(*sending),
        Invocation::Watch(watching) => monitor::carry_out(&watching),
        Invocation::Reload(pid_file) => send(&pid_file, Signal::HUP),
        Invocation::Upgrade(pid_file) => send(&pid_file, Signal::USR2),
        Invocation::Steer(steering) => ctl::carry_out(&steering),
        #[cfg(feature = "top")]
        Invocation::Top(watched) => top::carry_out(&watched),
        Invocation::Manual(folder) => match write_manual(&folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{}: {error}; name a folder", folder.display())),
        },
        Invocation::Show(page) => {
            // stdout may be closed, as by `lb --help | head`.
            let _ = page.print();
            ExitCode::SUCCESS
        }
        Invocation::List(page) => {
            // As above.
            let _ = write!(std::io::stdout(), "{page}");
            ExitCode::SUCCESS
        }
    }
}

/// Sends a signal to a running lb.
fn send(pid_file: &Path, signal: Signal) -> ExitCode {
    match pid_file::send(pid_file, signal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}
