//! `lb ping` and `lb monitor`: lines while targets are watched, a table at the end, and an exit
//! code that is 0 if all are up.
//!
//! Lines and table are the output, and go to stdout. If it is closed, as by `| head`, the watching
//! ends.

use crate::cli::Watching;
use crate::signals::{self, Request};
use crate::stderr::{FAILURE, fail, refuse_start};
use lb::monitor::{Monitor, MonitorEvent};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Watches until all is done or a signal comes.
pub(crate) fn carry_out(watching: &Watching) -> ExitCode {
    let monitor = match Monitor::new(&watching.config) {
        Ok(monitor) => monitor,
        Err(error) => return refuse_start(&error),
    };
    let (stopped, asked) = (monitor.handle(), monitor.handle());
    let answer = move |request| match request {
        Request::Report => {
            if let Some(report) = asked.report() {
                // Lines will follow.
                show(&format!("{report}\n"));
            }
        }
        // The table follows at once.
        Request::Stopping => {}
    };
    if let Err(error) = signals::obey(move || stopped.stop(), signals::no_change, answer) {
        return fail(&format!("signals cannot be watched: {error}"));
    }
    let quiet = watching.quiet;
    let report = match monitor.run(|event| tell(event, quiet)) {
        Ok(report) => report,
        Err(error) => return fail(&format!("cannot go on: {error}")),
    };
    show(&report);
    match report.all_up() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILURE),
    }
}

fn tell(event: &MonitorEvent, quiet: bool) -> io::Result<()> {
    if quiet && event.kind.new_state().is_none() {
        return Ok(());
    }
    writeln!(io::stdout(), "{event}")
}

fn show(table: &impl Display) {
    // If stdout is closed, the table has no reader.
    let _ = write!(io::stdout(), "\n{table}");
}
