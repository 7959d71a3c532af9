//! The `lb` command: reads the command line, runs the balancer, ends with an exit code.
//!
//! Owns the exit codes and where each text goes: what was asked for to stdout, what went wrong
//! to stderr as one line that begins with `lb: `.

mod cli;
#[cfg(feature = "simulate")]
mod experiment;
mod news;
mod sender;
mod signals;
mod start_line;
mod watching;

use cli::{Invocation, Order};
use lb::telemetry::Summary;
use lb::{Balancer, Handle};
use signals::Wish;
use start_line::{HeartbeatLine, StartLine};
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// The command line cannot be understood or obeyed.
const USAGE: u8 = 2;
/// The balancer could not start, or could not go on.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    match cli::read(std::env::args_os()) {
        Ok(Invocation::Balance(order)) => run(&order),
        #[cfg(feature = "simulate")]
        Ok(Invocation::Simulate(order)) => match experiment::carry_out(&order) {
            Ok(()) => ExitCode::SUCCESS,
            Err(invalid) => fail(USAGE, &invalid),
        },
        Ok(Invocation::Send(sending)) => sender::carry_out(*sending),
        Ok(Invocation::Watch(watching)) => watching::carry_out(&watching),
        Ok(Invocation::Show(page)) => {
            // Nobody is left to tell if stdout is closed, as by `lb --help | head`.
            let _ = page.print();
            ExitCode::SUCCESS
        }
        Ok(Invocation::List(page)) => {
            // As above.
            let _ = write!(std::io::stdout(), "{page}");
            ExitCode::SUCCESS
        }
        Err(invalid) => fail(USAGE, &invalid),
    }
}

/// Balances until told to stop.
fn run(order: &Order) -> ExitCode {
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
    let news = match order.quiet {
        true => None,
        false => news::tell(balancer.handle().events(), balancer.handle().stalls()).ok(),
    };
    if !order.quiet && order.config.heartbeats.is_some() {
        // It ends with the balancer; what is not told is counted.
        let _ = news::notify(balancer.handle().heartbeat_events());
    }
    let ended = balancer.run();
    if let Some(news) = news {
        // It ends with the balancer; a panic there is nothing to stop for.
        let _ = news.join();
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

/// Says something to people: stdout is kept for the access log.
fn say(text: &impl Display) {
    // If stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn fail(code: u8, reason: &impl Display) -> ExitCode {
    // As above: the exit code still tells.
    let _ = writeln!(std::io::stderr(), "lb: {reason}");
    ExitCode::from(code)
}
