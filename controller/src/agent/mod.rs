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

mod heartbeat;
mod load;
mod log;
mod run;
mod server;
mod session;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs one server of a fleet and watches it from beside it. Started by lb-controller.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Run directory, with the order of the controller in it
    #[arg(long, value_name = "DIR")]
    run_dir: PathBuf,
}

/// Runs until the server has ended for good.
#[must_use]
pub fn agent() -> ExitCode {
    let args = Args::parse();
    // A signal to the controller's group is not meant for servers.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(|error| error.to_string())
        .and_then(|it| it.block_on(run::run(args.run_dir)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-agent: {error}");
            ExitCode::FAILURE
        }
    }
}
