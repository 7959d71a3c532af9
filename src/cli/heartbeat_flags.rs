//! The flags about heartbeats that backends send.

use super::secret;
use clap::Args;
use lb::config::{ConfigError, Heartbeats, parse_heartbeat_address};
use lb::heartbeat::HeartbeatKey;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(next_help_heading = "Heartbeats of backends")]
pub(super) struct HeartbeatFlags {
    /// Address to listen to heartbeats on, by UDP and TCP
    ///
    /// Written as for --listen. lb heartbeat sends them. A backend that sends them is left alone
    /// when they stop coming, within four intervals, or when they say that its process is dead;
    /// one that never sent any is not missed.
    #[arg(long, value_name = "IP:PORT", value_parser = parse_heartbeat_address)]
    heartbeat_listen: Option<SocketAddr>,

    /// File with the key that heartbeats must be signed with
    ///
    /// At least 16 bytes that nobody can guess, the same as the senders are given. Without it,
    /// whoever reaches the address can keep a dead backend in service, or a live one out.
    #[arg(long, value_name = "FILE", requires = "heartbeat_listen")]
    heartbeat_key: Option<PathBuf>,
}

impl HeartbeatFlags {
    /// What these flags say, with the key read.
    pub(super) fn heartbeats(self) -> Result<Option<Heartbeats>, ConfigError> {
        let Some(address) = self.heartbeat_listen else {
            return Ok(None);
        };
        let key = self.heartbeat_key.as_deref();
        let key = key
            .map(|path| key_in("--heartbeat-key", path))
            .transpose()?;
        Ok(Some(Heartbeats { address, key }))
    }
}

/// The key in a file.
pub(super) fn key_in(flag: &'static str, path: &Path) -> Result<HeartbeatKey, ConfigError> {
    secret::read(flag, path, HeartbeatKey::new)
}
