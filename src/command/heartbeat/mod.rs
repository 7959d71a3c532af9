//! `lb heartbeat`: samples the vitals of a server, and has them sent.
//!
//! Owns the samples from the system (the watched process, the load) and the text for people: a line
//! on stderr for each thing that goes wrong, and one when that is over.

mod load;
mod process;

use crate::cli::{LoadSource, Sending};
use crate::signals;
use crate::stderr::{FAILURE, fail, refuse, refuse_start, say};
use lb::config::SenderConfig;
use lb::heartbeat::ProcessState;
use lb::{HeartbeatSender, Reachability, Vitals};
use process::Process;
use std::process::ExitCode;

/// Sends until all is sent or a signal comes.
pub(crate) fn carry_out(sending: Sending) -> ExitCode {
    let Sending {
        config,
        process,
        load,
    } = sending;
    let (start_line, is_counted) = (start_line(&config), config.count.is_some());
    let mut process = match process.map(Process::watch).transpose() {
        Ok(process) => process,
        Err(error) => return refuse(&error),
    };
    let sender = match HeartbeatSender::new(config) {
        Ok(sender) => sender,
        Err(error) => return refuse_start(&error),
    };
    let handle = sender.handle();
    // There is nothing to report.
    if let Err(error) = signals::obey(move || handle.stop(), signals::no_change, |_| {}) {
        return fail(&format!("signals cannot be watched: {error}"));
    }
    say(&start_line);
    let mut before = None;
    let vitals = || {
        let state = process.as_mut().map(Process::state);
        if let (Some(process), true) = (&process, before != state) {
            tell_process(process, before, state);
        }
        before = state;
        let load = match load {
            LoadSource::Auto => load::now(),
            LoadSource::Fixed(load) => Some(load),
        };
        Vitals {
            load,
            process: state,
        }
    };
    match sender.run(vitals, |news| tell_reachability(&news)) {
        Ok(false) if is_counted => ExitCode::from(FAILURE),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot go on: {error}")),
    }
}

fn start_line(config: &SenderConfig) -> String {
    let targets: Vec<String> = config.targets().iter().map(ToString::to_string).collect();
    let by = if config.by_tcp { "TCP" } else { "UDP" };
    let seconds = config.interval().as_secs_f64();
    let of = match &config.address {
        Some(address) => format!(" for {address}"),
        None => String::new(),
    };
    format!(
        "lb sends heartbeats as {}{of} every {seconds} s to {} ({by})",
        config.name,
        targets.join(", ")
    )
}

/// A living process is not reported at first.
fn tell_process(process: &Process, before: Option<ProcessState>, now: Option<ProcessState>) {
    match now {
        Some(ProcessState::Alive) if before.is_none() => {}
        Some(state) => say(&format!("lb: process {process} is {}", state.word())),
        None => {}
    }
}

fn tell_reachability(news: &Reachability) {
    let target = &news.target;
    match &news.failure {
        Some(error) => say(&format!("lb: {target} cannot be reached: {error}")),
        None => say(&format!("lb: {target} is reached again")),
    }
}
