//! `lb-broker serve`: flags in, a server run until a signal ends it.

use super::Failure;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::server::{Fsync, Notice, Notifier, Server, Settings, Store};
use lb_broker::topic::TopicLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Descriptors besides those of connections: listener, epoll, waker, store, standard streams.
const SPARE_DESCRIPTORS: u64 = 32;

#[derive(Args)]
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

    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(1, 1_000_000))]
    max_connections: usize,

    /// Bytes of a frame, in both directions
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = count(1024, 256 << 20))]
    max_frame: usize,

    /// Bytes of a value [default: as --max-frame]
    #[arg(long, value_name = "BYTES", value_parser = count(1, 256 << 20))]
    max_value: Option<usize>,

    /// Bytes of a topic
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = count(1, 65_536))]
    max_topic: usize,

    /// Segments of a topic
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(1, 1024))]
    max_depth: usize,

    /// Topics with a last value
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = count(0, 100_000_000))]
    max_topics: usize,

    /// Bytes of all last values
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20,
          value_parser = count(0, 1 << 40))]
    max_retained: usize,

    /// Subscriptions of one connection
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = count(1, 1_000_000))]
    max_subscriptions: usize,

    /// Messages that may wait for one consumer
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(2, 10_000_000))]
    queue_messages: usize,

    /// Bytes that may wait for one consumer
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20,
          value_parser = count(1024, 1 << 40))]
    queue_bytes: usize,

    /// Bytes that may wait for all consumers together; a message for many counts once
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30,
          value_parser = count(1 << 20, 1 << 40))]
    queue_total_bytes: usize,

    /// Bytes that the system may hold for one consumer besides its queue [default: the system's
    /// choice, some megabytes]
    #[arg(long, value_name = "BYTES", value_parser = count(4096, 1 << 30))]
    send_buffer: Option<usize>,

    /// Seconds of silence before a client is pinged; after twice as long it is disconnected
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    ping_interval: Duration,

    /// Seconds that a new connection has for its announcement
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    announce_timeout: Duration,

    /// Seconds between publications of the broker's own topics, below $broker
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    stats_interval: Duration,
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
        allow_descriptors(self.max_connections);
        let store = self.open_store()?;
        let limits = self.limits();
        let settings = Settings {
            listen,
            limits,
            rules,
            store,
            send_buffer: self.send_buffer,
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

    fn limits(&self) -> Limits {
        Limits {
            max_connections: self.max_connections,
            max_frame_bytes: self.max_frame,
            max_value_bytes: self.max_value.unwrap_or(self.max_frame),
            topic: TopicLimits {
                max_bytes: self.max_topic,
                max_depth: self.max_depth,
            },
            max_topics: self.max_topics,
            max_retained_bytes: self.max_retained,
            max_subscriptions: self.max_subscriptions,
            queue_messages: self.queue_messages,
            queue_bytes: self.queue_bytes,
            queue_total_bytes: self.queue_total_bytes as u64,
            ping_interval: self.ping_interval,
            announce_timeout: self.announce_timeout,
            stats_interval: self.stats_interval,
        }
    }

    /// Says on stdout that the broker is up, at once even into a pipe: scripts read the port here.
    fn announce(&self, address: SocketAddr) {
        if !address.ip().is_loopback() && self.tokens.is_none() {
            eprintln!(
                "lb-broker: {address} is open to the network, and any client may do everything: see --tokens"
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

/// Raises the limit on descriptors as far as needed, or says how far it goes.
fn allow_descriptors(connections: usize) {
    let needed = connections as u64 + SPARE_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(current),
            maximum: limit.maximum,
        },
    );
    if raised.is_err() || current < needed {
        eprintln!(
            "lb-broker: the system allows {current} descriptors, {needed} are needed for --max-connections {connections}: see ulimit -n"
        );
    }
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

fn count(min: u64, max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min..=max)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "seconds are needed, as 30 or 0.5".to_owned())?;
    if (0.01..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("0.01 to 86400 seconds are possible".to_owned())
    }
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

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        for text in ["0", "-1", "NaN", "inf", "1e9", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
