//! The address heartbeats are received on, and the key that signs them.

use super::settings::{Scope, Section};
use super::{ConfigError, ListenerSpec, MAX_BACKENDS, secret};
use crate::address::Address;
use crate::heartbeat::HeartbeatKey;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Connections for heartbeats beside those of the backends: senders that reconnect, unknown ones.
const SPARE_CONNECTIONS: usize = 16;

static SECTION: Section = Section {
    title: "Heartbeats of backends",
    scope: Scope::Global,
};

settings! {
    /// Settings of the heartbeat receiver.
    #[derive(Clone, Debug)]
    pub(crate) struct HeartbeatSettings in draft.heartbeats, section SECTION;

    /// Address to receive heartbeats on, by UDP and TCP
    ///
    /// Written as for --listen. lb heartbeat sends them. A backend that sends them is ejected when
    /// they stop, within four intervals, or when they report that its process is dead; one that
    /// never sent any is not expected to.
    "heartbeat-listen" <"IP:PORT"> listen: Option<SocketAddr> = None;

    /// File with the key that signs heartbeats
    ///
    /// At least 16 bytes that cannot be guessed, the same for the senders. Without it, anything
    /// that reaches the address can keep a dead backend in service, or a live one out.
    "heartbeat-key" <"FILE"> key: Option<PathBuf> = None, with { requires: Some("heartbeat-listen") };
}

impl HeartbeatSettings {
    /// The receiver, with its key read; `None` if there is none.
    pub(super) fn heartbeats(&self) -> Result<Option<Heartbeats>, ConfigError> {
        let Some(address) = self.listen else {
            return Ok(None);
        };
        let read = |path: &PathBuf| secret::read("--heartbeat-key", path, HeartbeatKey::new);
        let key = self.key.as_ref().map(read).transpose()?;
        Ok(Some(Heartbeats { address, key }))
    }
}

/// Settings of the heartbeat receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeats {
    /// Its address, by UDP and TCP; port 0 asks the system for one that is free for both.
    pub address: SocketAddr,
    /// The key that signs heartbeats; `None`: every sender that reaches the address is trusted.
    pub key: Option<HeartbeatKey>,
}

impl Heartbeats {
    /// Returns whether other machines may reach the address, and none needs a key.
    #[must_use]
    pub const fn is_open_and_unsigned(&self) -> bool {
        self.key.is_none() && !self.address.ip().is_loopback()
    }

    /// The most connections that bring heartbeats, for so many backends: two each, as a sender
    /// that lost its connection may be back before the old one is given up.
    #[must_use]
    pub(crate) fn max_connections(backends: usize) -> usize {
        2 * backends.min(MAX_BACKENDS) + SPARE_CONNECTIONS
    }
}

/// Reads where heartbeats are listened to, written as a listener is: `IP:PORT`, `PORT`, `*:PORT`.
///
/// # Errors
///
/// No such address, or a UNIX socket.
pub fn parse_heartbeat_address(text: &str) -> Result<SocketAddr, ConfigError> {
    let spec: ListenerSpec = text.parse()?;
    match spec.address {
        Address::Tcp(address) if !spec.accepts_proxy && !spec.is_tls => Ok(address),
        Address::Tcp(_) | Address::Unix(_) => {
            let remedy = "write IP:PORT, as in 10.0.0.5:7000, or *:PORT for every address";
            Err(ConfigError::new("not an address for heartbeats", remedy).with_value(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_those_of_listeners() {
        for (text, meaning) in [
            ("7000", "127.0.0.1:7000"),
            ("*:7000", "0.0.0.0:7000"),
            ("[::1]:0", "[::1]:0"),
        ] {
            let address = parse_heartbeat_address(text).unwrap();
            assert_eq!(address.to_string(), meaning);
        }
        for text in ["unix:/run/x", "proxy+7000"] {
            assert_eq!(
                parse_heartbeat_address(text).unwrap_err().to_string(),
                format!(
                    "'{text}': not an address for heartbeats; \
                     write IP:PORT, as in 10.0.0.5:7000, or *:PORT for every address"
                )
            );
        }
        assert!(parse_heartbeat_address("lb.example:7000").is_err());
    }

    #[test]
    fn unsigned_heartbeats_of_other_machines_are_a_risk() {
        let of = |address: &str, key| Heartbeats {
            address: address.parse().unwrap(),
            key,
        };
        let key = HeartbeatKey::new(&[7; 16]);
        assert!(of("0.0.0.0:7000", None).is_open_and_unsigned());
        assert!(of("10.0.0.5:7000", None).is_open_and_unsigned());
        assert!(!of("127.0.0.1:7000", None).is_open_and_unsigned());
        assert!(!of("0.0.0.0:7000", key).is_open_and_unsigned());
    }
}
