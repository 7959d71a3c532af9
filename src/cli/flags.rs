//! The flags, one struct for each heading of the help page; the longer ones in files of their own.
//!
//! Owns their names, their help and how their text becomes values. Every default is taken from
//! the library, so that the page cannot disagree with it. The first paragraph of a comment is
//! what `-h` shows; `--help` shows all of it.

use super::forward_flags::ForwardFlags;
use super::health_flags::HealthFlags;
use super::heartbeat::SenderFlags;
use super::heartbeat_flags::HeartbeatFlags;
use super::help;
use super::limit_flags::LimitFlags;
use super::strategy_choice::StrategyChoice;
use super::timeout_flags::TimeoutFlags;
use super::watch_flags::{MonitorFlags, PingFlags};
use clap::{Args, Parser};
use lb::config::{
    AccessLogFormat, BackendSpec, DEFAULT_LISTENER, ListenerSpec, LoadBound, Mode, StrategyKind,
    Workers, parse_cookie_name, parse_load_bound,
};
use std::path::PathBuf;

#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    override_usage = help::USAGE,
    after_help = help::AFTER_SHORT,
    after_long_help = help::after_long(),
    max_term_width = 100,
    allow_negative_numbers = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(super) struct Flags {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) pool: PoolFlags,
    #[command(flatten)]
    pub(super) traffic: TrafficFlags,
    #[command(flatten)]
    pub(super) health: HealthFlags,
    #[command(flatten)]
    pub(super) heartbeats: HeartbeatFlags,
    #[command(flatten)]
    pub(super) forward: ForwardFlags,
    #[command(flatten)]
    pub(super) timeouts: TimeoutFlags,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    #[command(flatten)]
    pub(super) output: OutputFlags,
}

/// What else `lb` can do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    #[cfg(feature = "simulate")]
    Simulate(super::simulate::SimulateFlags),
    Heartbeat(SenderFlags),
    Ping(PingFlags),
    Monitor(MonitorFlags),
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Backends")]
pub(super) struct PoolFlags {
    /// Servers to balance over, separated by commas: at least one
    ///
    /// HOST is a name, an IPv4 address or an IPv6 address in brackets; a bare PORT is on this
    /// machine, as is a UNIX socket, written unix:PATH. WEIGHT, from 1 to 256, is the share relative to the others, 1 unless given. MAX
    /// is how many requests it is given at once. The flag can be repeated.
    #[arg(
        long,
        value_name = "HOST:PORT[=WEIGHT[/MAX]],...",
        value_delimiter = ','
    )]
    pub(super) backends: Vec<BackendSpec>,

    #[arg(
        long,
        value_name = "NAME",
        default_value = StrategyKind::default().name(),
        value_parser = StrategyChoice::parse,
        help = help::strategy(),
        long_help = help::strategy_long()
    )]
    pub(super) strategy: StrategyChoice,

    /// Most a hashing strategy gives a backend, in percent of a fair share, or off [default: 125]
    ///
    /// Of what is in flight, by weight; the share of eight requests is always had. A key whose
    /// backend is at its bound goes to the next on its way. Off: it stays, however busy it is
    /// there.
    #[arg(long, value_name = "PERCENT|off", value_parser = parse_load_bound)]
    pub(super) hash_bound: Option<LoadBound>,

    /// Cookie that brings a browser back to its backend
    ///
    /// The first answer sets it; as long as its backend may be picked, later requests go there,
    /// whatever the strategy. Its value names no address and cannot be made up.
    #[arg(long, value_name = "COOKIE", value_parser = parse_cookie_name)]
    pub(super) sticky: Option<String>,

    /// File with the secret that signs the sticky cookie
    ///
    /// With the same secret, cookies are good across restarts and among several lb. Without,
    /// each start makes up its own.
    #[arg(long, value_name = "FILE", requires = "sticky")]
    pub(super) sticky_secret: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Traffic")]
pub(super) struct TrafficFlags {
    /// Address to accept clients on
    ///
    /// IP:PORT or [IPv6]:PORT; a bare PORT is on this machine alone, *:PORT is on every IPv4
    /// address, port 0 is any free one. unix:PATH is a UNIX socket. With proxy+ in front, as in proxy+*:80, each connection
    /// must begin with a PROXY header (version 1 or 2), which says whose it is. The flag can be
    /// repeated.
    #[arg(
        long,
        value_name = "[proxy+]IP:PORT|unix:PATH",
        value_delimiter = ',',
        default_values_t = [ListenerSpec::from(DEFAULT_LISTENER)]
    )]
    pub(super) listen: Vec<ListenerSpec>,

    /// What is balanced: http or tcp
    ///
    /// http balances each HTTP/1.1 request on its own and keeps connections alive on both
    /// sides; tcp balances whole connections, whatever they carry.
    #[arg(long, value_name = "http|tcp", default_value = Mode::default().name())]
    pub(super) mode: Mode,

    /// Loops, each on a thread of its own
    ///
    /// A number, or auto for one on each core. Each has its own listeners, connections and pools;
    /// limits, the queue, and what is known of backends are of all. One is enough for most.
    #[arg(long, value_name = "N|auto", default_value = "1")]
    pub(super) workers: Workers,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputFlags {
    /// Log of exchanges on stdout: off, text or json
    ///
    /// One line each: text is for people, json is one object a line, for programs.
    #[arg(long, value_name = "off|text|json",
        default_value = AccessLogFormat::default().name())]
    pub(super) access_log: AccessLogFormat,

    /// Print no start line, no summary and nothing of backends that come and go
    #[arg(long)]
    pub(super) quiet: bool,
}
