//! `lb-agent`: runs one server, watches it from beside it, and tells the controller.
//!
//! The server outlives its agent: it writes to a file and not to a pipe, it is in a process group
//! of its own, and a new agent takes it over by the identity in the run directory. While a
//! controller leads, a server that ends is the controller's to start again, with another token;
//! alone, the agent starts it itself, by the same backoff, and reports that later.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the agent is shell: it starts processes, reads the clock and speaks to sockets"
)]

mod compat;
mod heartbeat;
mod http;
mod load;
mod log;
mod run;
mod server;
mod session;
mod slider;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs one server of a fleet and watches it from beside it. Started by lb-controller with --run-dir,
/// or by hand with --compat-listen for a monitor that pings its servers.
#[derive(Debug, Parser)]
#[command(name = "lb-agent", version)]
struct Args {
    /// Run directory, with the order of the controller in it
    #[arg(long, value_name = "DIR", conflicts_with = "compat_listen")]
    #[arg(required_unless_present = "compat_listen")]
    run_dir: Option<PathBuf>,
    #[command(flatten)]
    compat: compat::Alone,
}

/// Runs until the server has ended for good.
#[must_use]
pub fn agent() -> ExitCode {
    let args = Args::parse();
    if !args.compat.is_given() {
        // A signal to the controller's group is not meant for servers.
        let _ = rustix::process::setsid();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(|error| error.to_string())
        .and_then(|it| match args.run_dir {
            Some(path) => it.block_on(run::run(path)),
            None => it.block_on(compat::run(args.compat)),
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-agent: {error}");
            ExitCode::FAILURE
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
        for line in [
            "lb-agent --run-dir d",
            "lb-agent --compat-listen 127.0.0.1:0 --load 0.5",
            "lb-agent --compat-listen 127.0.0.1:0 --announce h:1 --name i -- serve --port 1",
            "lb-agent --compat-listen 127.0.0.1:0 --ip 10.0.0.7 --bus kafka://h:1/{ip}_status",
        ] {
            let parsed = Args::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
        for line in [
            "lb-agent",
            "lb-agent --run-dir d --compat-listen 127.0.0.1:0",
            "lb-agent --compat-listen 127.0.0.1:0 --announce h:1 --ip x --name i",
            "lb-agent --bus kafka://h:1/t",
            "lb-agent --compat-listen 127.0.0.1:0 --bus h:1",
            "lb-agent --compat-listen 127.0.0.1:0 --bus kafka://h:1 --bus-interval 0",
            "lb-agent --compat-listen 127.0.0.1:0 --load 2",
        ] {
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
