//! `lb --backends ...`: runs a balancer until a signal stops it.

mod event_log;
mod start_line;

use crate::cli::Order;
use crate::signals::{self, Wish};
use crate::stderr::{FAILURE, USAGE, fail, say};
use lb::telemetry::Summary;
use lb::{Balancer, Handle};
use start_line::{HeartbeatLine, StartLine};
use std::process::ExitCode;

/// Binds, runs and reports.
pub(super) fn run(order: &Order) -> ExitCode {
    let balancer = match Balancer::bind(&order.config) {
        Ok(balancer) => balancer,
        Err(invalid) => return fail(USAGE, &invalid),
    };
    let handle = balancer.handle();
    if let Err(error) = signals::obey(move |wish| obey(&handle, wish)) {
        return fail(FAILURE, &format!("signals cannot be watched: {error}"));
    }
    if !order.quiet {
        say(&StartLine::new(&order.config, balancer.addresses()));
        if let Some(line) = HeartbeatLine::new(&order.config, balancer.heartbeat_address()) {
            say(&line);
        }
    }
    let event_log = match order.quiet {
        true => None,
        false => event_log::tell(balancer.handle().events(), balancer.handle().stalls()).ok(),
    };
    if !order.quiet && order.config.heartbeats.is_some() {
        // It ends with the balancer; what is not told is counted.
        let _ = event_log::notify(balancer.handle().heartbeat_events());
    }
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
                say(&format!(
                    "{lines} log lines were dropped: stdout was not read fast enough"
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &format!("cannot go on: {error}")),
    }
}

fn obey(balancer: &Handle, wish: Wish) {
    match wish {
        Wish::Stop => balancer.stop(),
        Wish::Show => {
            if let Some(snapshot) = balancer.snapshot() {
                say(&Summary(&snapshot));
            }
        }
    }
}
