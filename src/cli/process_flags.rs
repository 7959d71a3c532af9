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

/// Have a running lb replaced by the binary that is at its path now
///
/// Sends SIGUSR2 to the process that --pid-file names. It starts the binary with the same arguments
/// and hands its listening sockets over. When the new process serves, the old one finishes what is
/// open, within --shutdown-timeout; if the new one fails, the old one goes on and says why.
#[derive(Debug, clap::Args)]
#[command(max_term_width = 100)]
pub(super) struct UpgradeFlags {
    /// The file that the running lb was given as --pid-file
    #[arg(long, value_name = "FILE")]
    pid_file: PathBuf,
}

impl UpgradeFlags {
    pub(super) fn invocation(self) -> Invocation {
        Invocation::Upgrade(self.pid_file)
    }
}
