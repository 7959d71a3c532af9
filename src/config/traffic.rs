//! Listeners, mode and workers.

use super::settings::{Scope, Section};
use super::{ConfigError, ListenerSpec, Mode, Workers};

static SECTION: Section = Section {
    title: "Traffic",
    scope: Scope::Listener,
};
static GLOBAL: Section = Section {
    title: SECTION.title,
    scope: Scope::Global,
};

settings! {
    /// Listeners, mode and workers.
    #[derive(Clone, Debug)]
    pub(crate) struct TrafficSettings in draft.traffic, section SECTION;

    /// Address to accept clients on [default: 127.0.0.1:8080]
    ///
    /// IP:PORT or [IPv6]:PORT; a bare PORT is on this machine alone, *:PORT is on every IPv4
    /// address, port 0 is any free one. unix:PATH is a UNIX socket. With proxy+ in front, as in
    /// proxy+*:80, each connection must begin with a PROXY header (version 1 or 2), which names
    /// its client; with tls+ clients speak TLS, which takes --tls-cert. The flag can be repeated.
    "listen" <"[proxy+][tls+]IP:PORT|unix:PATH"> listen: Vec<ListenerSpec> = Vec::new();

    /// Permissions of UNIX sockets, in octal [default: by the umask]
    ///
    /// As for chmod: 660 lets the group of lb connect, 666 every user.
    "listen-mode" <"MODE"> listen_mode: Option<FileMode> = None, read |text| FileMode::parse(text).map(Some);

    /// Unit of balancing, a request or a connection: http or tcp
    ///
    /// http balances each HTTP/1.1 request on its own and keeps connections alive on both sides;
    /// tcp balances whole connections of any protocol.
    "mode" <"http|tcp"> mode: Mode = Mode::Http;

    /// Drop a queued request when its client closes: on or off
    ///
    /// For requests that are read to their end and wait for a backend with room. Off keeps clients
    /// that close their sending side and still read.
    "abort-on-close" <"on|off"> abort_on_close: bool = true, with { http_only: true };

    /// Threads, each with an event loop
    ///
    /// A number, or auto for one on each core. Each has its own listening sockets and
    /// connections; limits, the queue and the state of backends are shared. One is enough for most.
    "workers" <"N|auto"> workers: Workers = Workers::default(), with { section: &GLOBAL };
}

/// The permissions of a file: 0 to 777 in octal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(u32);

impl FileMode {
    /// Reads a mode in octal, as in `660`.
    ///
    /// # Errors
    /// Anything but three octal digits, or four that begin with 0.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let digits = match text.len() {
            4 => text.strip_prefix('0'),
            _ => Some(text).filter(|text| text.len() == 3),
        };
        let is_octal = |text: &&str| text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = digits.filter(is_octal);
        match mode.and_then(|mode| u32::from_str_radix(mode, 8).ok()) {
            Some(mode) => Ok(Self(mode)),
            None => {
                let remedy = "give three octal digits, as in 660";
                Err(ConfigError::new("not a file mode", remedy).with_value(text))
            }
        }
    }

    /// The permission bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal() {
        for (text, bits) in [("660", 0o660), ("0600", 0o600), ("000", 0), ("777", 0o777)] {
            assert_eq!(FileMode::parse(text).map(FileMode::bits), Ok(bits));
        }
        for text in ["", "66", "680", "1777", "00660", "+66", "rw-", "0o66"] {
            assert_eq!(
                FileMode::parse(text).unwrap_err().to_string(),
                format!("'{text}': not a file mode; give three octal digits, as in 660")
            );
        }
    }
}
