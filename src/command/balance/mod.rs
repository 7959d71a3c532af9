//! `lb --backends ...`: runs a balancer until a signal stops it.

mod event_log;
mod notify;
mod reload;
mod start_line;
mod upgrade;

use super::pid_file::PidFile;
use crate::cli::Order;
use crate::signals::{self, Change, Request};
use crate::stderr::{fail, refuse_start, say};
use lb::config::HumanDuration;
use lb::internal::plural::Counted;
use lb::telemetry::Summary;
use lb::{Balancer, Handle, Sockets};
use notify::Notifier;
use reload::{FileSource, FlagSource};
use start_line::{AdminLine, HeartbeatLine, StartLine};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use upgrade::Upgrader;

/// Binds, runs and reports.
pub(super) fn run(order: &Order) -> ExitCode {
    let mut sockets = match Sockets::from_environment() {
        Ok(sockets) => sockets,
        Err(error) => return fail(&format!("inherited sockets cannot be used: {error}")),
    };
    let notifier = Notifier::from_environment();
    let mut balancer = match Balancer::bind_from(&order.config, &mut sockets) {
        Ok(balancer) => balancer,
        Err(error) => return refuse_start(&error),
    };
    let speaks_tls = order.config.listeners().iter().any(|it| it.speaks_tls());
    if let Some(file) = order.file.clone() {
        balancer.reload_from(FileSource::new(file, order.quiet, notifier.clone()));
    } else if speaks_tls {
        let given = order.given.clone();
        balancer.reload_from(FlagSource::new(given, order.quiet, notifier.clone()));
    }
    let (stopped, asked) = (balancer.handle(), balancer.handle());
    let shutdown = HumanDuration(order.config.timeouts().shutdown);
    let quiet = order.quiet;
    let answer = move |request| match request {
        Request::Report => report(&asked),
        Request::Stopping if quiet => {}
        Request::Stopping => report_open_work(&asked, shutdown),
    };
    let has_file = order.file.is_some() || speaks_tls;
    let reloaded = balancer.handle();
    let upgrader = Upgrader::new(balancer.handle(), notifier.clone(), order.pid_file.clone());
    let given_up = upgrader.clone();
    let change = move |change| match change {
        Change::Reload => request_reload(&reloaded, has_file),
        Change::Upgrade => {
            let (stopped, quiet) = (reloaded.clone(), quiet);
            upgrader.begin(move || {
                stopped.stop();
                if !quiet {
                    report_open_work(&stopped, shutdown);
                }
            });
        }
    };
    let told = notifier.clone();
    let stop = move || {
        given_up.give_up();
        stopped.stop();
        told.stopping();
    };
    if let Err(error) = signals::obey(stop, change, answer) {
        return fail(&format!("signals cannot be watched: {error}"));
    }
    let pid_file = order.pid_file.as_deref().map(PidFile::write);
    let _pid_file = match pid_file.transpose() {
        Ok(file) => file,
        Err(error) => return fail(&error),
    };
    if !order.quiet {
        say(&StartLine::new(&order.config, balancer.addresses()));
        if let Some(line) = AdminLine::new(&order.config, balancer.admin_addresses()) {
            say(&line);
        }
        if let Some(line) = HeartbeatLine::new(&order.config, balancer.heartbeat_address()) {
            say(&line);
        }
    }
    for note in &order.notes {
        say(&format_args!("lb: {note}"));
    }
    for latecomer in balancer.latecomers() {
        say(&format!("lb: warning: {latecomer}"));
    }
    if balancer.is_short_of_descriptors() {
        say(&format!(
            "lb: warning: takes {} client connections, not 8000: the limit of file descriptors \
             allows no more (ulimit -n)",
            balancer.max_connections()
        ));
    }
    let event_log = match order.quiet {
        true => None,
        false => event_log::start(&mut balancer).ok(),
    };
    if !order.quiet && order.config.heartbeats.is_some() {
        // It ends with the balancer; events it does not log are counted.
        let _ = event_log::start_heartbeats(balancer.handle().heartbeat_events());
    }
    for address in sockets.addresses() {
        say(&format!(
            "lb: warning: the inherited socket {address} is not in the configuration"
        ));
    }
    let (_end, has_ended) = channel();
    if let Err(error) = notifier.keep_watchdog(balancer.handle(), has_ended) {
        return fail(&format!("no thread can be started: {error}"));
    }
    // The one that waits for it may have given up: then two serve, until one is stopped.
    let _ = sockets.say_ready();
    drop(sockets);
    notifier.ready();
    let ended = balancer.run();
    if let Some(event_log) = event_log {
        // It ends with the balancer; a panic there is nothing to stop for.
        let _ = event_log.join();
    }
    match ended {
        Ok(ended) => {
            if !order.quiet {
                say(&Summary(&ended.snapshot));
            }
            if ended.dropped_log_lines > 0 {
                let lines = ended.dropped_log_lines;
                let log = ended.snapshot.access_log.unwrap_or_default();
                let reason = match log.write_errors {
                    0 => "was not read fast enough",
                    _ => "could not be written",
                };
                say(&format!(
                    "lb: {} dropped: {} {reason}",
                    Counted(lines, "log line"),
                    order.config.access_log_to
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format!("cannot go on: {error}")),
    }
}

/// Asks for a reload, which tells itself how it ends.
fn request_reload(balancer: &Handle, has_file: bool) {
    if !has_file {
        return say(&"lb: SIGHUP has no effect without a configuration file (--config FILE)");
    }
    if let Err(error) = balancer.request_reload() {
        say(&format_args!("lb: reload refused: {error}"));
    }
}

fn report(balancer: &Handle) {
    if let Some(snapshot) = balancer.snapshot() {
        say(&Summary(&snapshot));
    }
}

/// Tells what a stop waits for, and how long at most.
fn report_open_work(balancer: &Handle, shutdown: HumanDuration) {
    if let Some(snapshot) = balancer.snapshot() {
        let in_flight: u32 = snapshot.backends.iter().map(|b| b.in_flight).sum();
        let open = Counted(snapshot.connections_open, "client connection");
        let in_flight = Counted(in_flight.into(), "exchange");
        say(&format!(
            "lb: stopping: {open} open, {in_flight} in flight; \
             waits {shutdown} at most, a second signal exits at once"
        ));
    }
}
