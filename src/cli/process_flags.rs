//! The flags of the commands that tell a running lb what to do.

use super::Invocation;
use std::path::PathBuf;

/// Tell a running lb to read its configuration file again
///
/// Sends SIGHUP to the process that --pid-file names. How the reload ends is in the log of that
/// process; POST /v1/reload of its admin interface tells it to the client.
#[derive(Debug, clap::Args)]
#[command(max_term_width = 100)]
pub(super) struct ReloadFlags {
    /// The file that the running lb was given as --pid-file
    #[arg(long, value_name = "FILE")]
    pid_file: PathBuf,
}

impl ReloadFlags {
    pub(super) fn invocation(self) -> Invocation {
        Invocation::Reload(self.pid_file)
    }
}
