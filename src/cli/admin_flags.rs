//! The flags by which a command finds the admin interface of a running lb.

use clap::Args;
use lb::config::{AddressError, BackendAddress, HumanDuration};
use std::path::PathBuf;
use std::time::Duration;

/// The admin interface of a running lb. Ids are apart from those of the settings of a lb itself,
/// with which flags of commands within commands are merged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The running lb")]
pub(crate) struct AdminFlags {
    /// Where its admin interface listens
    ///
    /// As it was given to lb: --admin 127.0.0.1:9090 or --admin unix:/run/lb.sock.
    #[arg(
        id = "running-admin",
        long = "admin",
        global = true,
        value_name = "HOST:PORT|unix:PATH",
        env = "LB_ADMIN",
        hide_env_values = true,
        default_value = "127.0.0.1:9090",
        value_parser = address
    )]
    pub(crate) admin: BackendAddress,

    /// File with a token, if it asks for one
    ///
    /// The first token of the file that may change something, else the first: the file that lb was
    /// given as --admin-token-file is read as well.
    #[arg(
        id = "running-token-file",
        long = "token-file",
        global = true,
        value_name = "FILE",
        env = "LB_ADMIN_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// Time limit for an answer
    #[arg(
        id = "running-timeout",
        long = "timeout",
        global = true,
        value_name = "TIME",
        default_value_t = HumanDuration(Duration::from_secs(5))
    )]
    pub(crate) timeout: HumanDuration,
}

/// An address, also as the start line of lb shows it.
fn address(text: &str) -> Result<BackendAddress, AddressError> {
    let bare = text.strip_prefix("http://").unwrap_or(text);
    match bare.starts_with("unix:") {
        true => bare.parse(),
        false => bare.trim_end_matches('/').parse(),
    }
}
