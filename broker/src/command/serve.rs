//! `lb-broker serve`: flags in, a server run until a signal ends it.

use super::Failure;
use super::limits::LimitFlags;
use clap::{Args, ValueEnum};
use lb_broker::rights::AccessRules;
use lb_broker::server::{Fsync, Notice, Notifier, Server, Settings, Store};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::thread;

const EXAMPLES: &str = "\
Examples:
  lb-broker serve                                       for programs on this machine
  lb-broker serve --data /var/lib/lb-broker             last values survive a restart
  lb-broker serve --listen '*:5001' --tokens rights.toml

A file of tokens; each topic stands for everything below it, too:
  [[token]]
  secret = \"s3cr3t\"
  publish = [\"/weather\"]
  subscribe = [\"/\", \"$broker\"]

  [anonymous]                   connections without a token; leave it out to refuse them
  subscribe = [\"/weather\"]

SIGTERM and SIGINT stop the broker, which tells its clients; SIGHUP reads the tokens again.
Counters: lb-broker sub '$broker' --retain-subtree";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Address to listen on: PORT, HOST:PORT, or *:PORT for all interfaces; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: String,

    /// Directory to keep last values in, so that they survive the end of the broker [default: they
    /// are kept in memory only]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// When stored values are forced to the disk. The end of the process loses nothing with any;
    /// a loss of power may cost the newest values with `checkpoint`, and more with `never`
    #[arg(long, value_enum, default_value_t = FsyncPolicy::Checkpoint, requires = "data")]
    fsync: FsyncPolicy,

    /// TOML file with tokens and their rights; read again on SIGHUP [default: every connection may
    /// do everything]
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitFlags,
}

#[derive(Clone, Copy, ValueEnum)]
enum FsyncPolicy {
    /// Before every acknowledgement
    Always,
    /// When the write-ahead log is written over into the database
    Checkpoint,
    /// When the system likes
    Never,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let listen = address(&self.listen).map_err(Failure::Setup)?;
        let rules = match &self.tokens {
            Some(file) => read_rules(file).map_err(Failure::Setup)?,
            None => AccessRules::open(),
        };
        self.limits.allow_descriptors();
        let store = self.open_store()?;
        let settings = Settings {
            listen,
            limits: self.limits.limits(),
            rules,
            store,
            send_buffer: self.limits.send_buffer(),
        };
        let server = Server::new(settings).map_err(Failure::Setup)?;
        watch_signals(server.notifier(), self.tokens.clone())
            .map_err(|error| Failure::Setup(format!("signals cannot be watched: {error}")))?;
        self.announce(server.address());
        server
            .run()
            .map_err(|error| Failure::Setup(format!("cannot wait for events: {error}")))
    }

    fn open_store(&self) -> Result<Option<Store>, Failure> {
        let Some(directory) = &self.data else {
            return Ok(None);
        };
        let fsync = match self.fsync {
            FsyncPolicy::Always => Fsync::Always,
            FsyncPolicy::Checkpoint => Fsync::Checkpoint,
            FsyncPolicy::Never => Fsync::Never,
        };
        let store = Store::open(directory, fsync);
        store
            .map(Some)
            .map_err(|error| Failure::Setup(error.to_string()))
    }

    /// Says on stdout that the broker is up, at once even into a pipe: scripts read the port here.
    fn announce(&self, address: SocketAddr) {
        if !address.ip().is_loopback() && self.tokens.is_none() {
            eprintln!(
                "lb-broker: {address} is open to the network, and any client may do everything: \
                 see --tokens"
            );
        }
        let mut stdout = std::io::stdout().lock();
        // It serves all the same if stdout is closed.
        let _ = writeln!(stdout, "lb-broker listens on {address}");
        let _ = stdout.flush();
    }
}

/// Reads PORT, HOST:PORT or *:PORT.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let wrong = || format!("--listen {text}: PORT, HOST:PORT or *:PORT is needed");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if host == "*" || host.is_empty() {
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::from((ip, port)));
    }
    let mut found = (host, port)
        .to_socket_addrs()
        .map_err(|e| format!("--listen {text}: {e}"))?;
    found
        .next()
        .ok_or_else(|| format!("--listen {text}: the name has no address"))
}

fn read_rules(file: &Path) -> Result<AccessRules, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    AccessRules::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Stops at SIGTERM and SIGINT, reads tokens again at SIGHUP.
fn watch_signals(notifier: Notifier, tokens: Option<PathBuf>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                match (signal, &tokens) {
                    (SIGHUP, Some(file)) => match read_rules(file) {
                        Ok(rules) => notifier.tell(Notice::Rules(rules)),
                        Err(error) => eprintln!("lb-broker: {error}; the tokens stay as they were"),
                    },
                    (SIGHUP, None) => {}
                    _ => notifier.tell(Notice::Stop),
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_spelling() {
        for (text, expected) in [
            ("5001", "127.0.0.1:5001"),
            ("*:80", "0.0.0.0:80"),
            (":80", "0.0.0.0:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "host", "host:", "1.2.3.4:99999"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
