//! The flags, one struct for each heading of the help page.
//!
//! Owns their names, their help and how their text becomes values. Every default is taken from
//! the library, so that the page cannot disagree with it. The first paragraph of a comment is
//! what `-h` shows; `--help` shows all of it.

use super::forward_flags::ForwardFlags;
use super::health_flags::HealthFlags;
use super::heartbeat::SenderFlags;
use super::heartbeat_flags::HeartbeatFlags;
use super::help;
use super::strategy_choice::StrategyChoice;
use super::watch_flags::{MonitorFlags, PingFlags};
use clap::builder::ArgPredicate;
use clap::{Args, Parser};
use lb::config::{
    AccessLogFormat, BackendSpec, DEFAULT_LISTENER, HumanDuration, Limits, ListenerSpec, LoadBound,
    Mode, StrategyKind, Timeouts, Workers, parse_cookie_name, parse_load_bound, parse_number,
    parse_timeout,
};
use std::path::PathBuf;
use std::time::Duration;

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
#[command(next_help_heading = "Timeouts (as in 500ms, 3s, 2m, 1h)")]
pub(super) struct TimeoutFlags {
    /// For a backend to accept a connection
    ///
    /// Each attempt has this long; another backend is tried after it.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_t = HumanDuration(Timeouts::default().connect))]
    connect_timeout: HumanDuration,

    /// For a client to begin its next request
    ///
    /// Counted on a new connection, and from each answer; the connection is closed after it.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_if("client_timeout", ArgPredicate::IsPresent, None),
        default_value = shown(Timeouts::default().keep_alive))]
    keep_alive_timeout: Option<HumanDuration>,

    /// For a client to send the head of a request
    ///
    /// All of it, from its first byte: sending it drop by drop gains no time.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_if("client_timeout", ArgPredicate::IsPresent, None),
        default_value = shown(Timeouts::default().head))]
    head_timeout: Option<HumanDuration>,

    /// For a client to send the next bytes of a request body
    ///
    /// See --min-body-rate for clients that send just enough.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_if("client_timeout", ArgPredicate::IsPresent, None),
        default_value = shown(Timeouts::default().body))]
    body_timeout: Option<HumanDuration>,

    /// For a client or a backend to take some of what it is sent
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_if("client_timeout", ArgPredicate::IsPresent, None),
        default_value = shown(Timeouts::default().write))]
    write_timeout: Option<HumanDuration>,

    /// Sets the keep-alive, head, body and write timeouts at once
    ///
    /// Those that are given as well keep what they are given.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    client_timeout: Option<HumanDuration>,

    /// For a backend to begin its answer
    ///
    /// Counted from the last byte of the request to the end of the answer's head. Unless given,
    /// it is what --server-timeout is given.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_if("server_timeout", ArgPredicate::IsPresent, None),
        default_value = shown(Timeouts::default().first_byte))]
    first_byte_timeout: Option<HumanDuration>,

    /// For a backend to send the next part of an answer
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_t = HumanDuration(Timeouts::default().server))]
    server_timeout: HumanDuration,

    /// For either side of a tunnel to send something
    ///
    /// A tunnel is a connection in tcp mode, or one that was upgraded, as for a WebSocket.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_t = HumanDuration(Timeouts::default().tunnel))]
    tunnel_timeout: HumanDuration,

    /// For open exchanges to finish after a signal to stop
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_t = HumanDuration(Timeouts::default().shutdown))]
    shutdown_timeout: HumanDuration,

    /// For a backend to have room while all are at their limit
    ///
    /// A request that waited this long is answered 503.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_t = HumanDuration(Timeouts::default().queue))]
    queue_timeout: HumanDuration,

    /// For an idle backend connection to be used again
    ///
    /// It is closed after this. Stay below the time after which the servers close theirs.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout,
        default_value_t = HumanDuration(Timeouts::default().pool_idle))]
    pool_idle_timeout: HumanDuration,
}

/// A default as the user would write it.
fn shown(default: Duration) -> &'static str {
    HumanDuration(default).to_string().leak()
}

impl From<TimeoutFlags> for Timeouts {
    /// What has no value, not even its default, is part of a group that was set at once.
    fn from(flags: TimeoutFlags) -> Self {
        let defaults = Self::default();
        let of_client = |flag: Option<HumanDuration>, default| {
            flag.or(flags.client_timeout).map_or(default, |time| time.0)
        };
        Self {
            connect: flags.connect_timeout.0,
            keep_alive: of_client(flags.keep_alive_timeout, defaults.keep_alive),
            head: of_client(flags.head_timeout, defaults.head),
            body: of_client(flags.body_timeout, defaults.body),
            write: of_client(flags.write_timeout, defaults.write),
            first_byte: flags.first_byte_timeout.unwrap_or(flags.server_timeout).0,
            server: flags.server_timeout.0,
            tunnel: flags.tunnel_timeout.0,
            shutdown: flags.shutdown_timeout.0,
            queue: flags.queue_timeout.0,
            pool_idle: flags.pool_idle_timeout.0,
        }
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// Client connections open at once
    ///
    /// More wait in the kernel's queue until one is closed.
    #[arg(long, value_name = "N", value_parser = parse_number::<usize>,
        default_value_t = Limits::default().max_connections)]
    max_connections: usize,

    /// Idle connections kept per backend
    ///
    /// 0 keeps none: every request gets a new connection.
    #[arg(long, value_name = "N", value_parser = parse_number::<usize>,
        default_value_t = Limits::default().max_idle_per_backend)]
    max_idle_per_backend: usize,

    /// Requests a backend is given at once [default: any number]
    ///
    /// When all backends are at their limit, requests wait and go to whichever is free first.
    /// Set it to what a backend really works on at once, never below. A backend's own MAX, in
    /// --backends, goes first.
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>)]
    backend_max_connections: Option<u32>,

    /// Requests that wait while every backend is at its limit
    ///
    /// More are answered 503 at once. 0 lets none wait.
    #[arg(long, value_name = "N", value_parser = parse_number::<usize>,
        default_value_t = Limits::default().queue_limit)]
    queue_limit: usize,

    /// Times a failed request is repeated
    ///
    /// Only a request that is safe to repeat is sent again once a backend may have seen it.
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>,
        default_value_t = Limits::default().max_retries)]
    max_retries: u32,

    /// Requests that are repeated, in percent of all
    ///
    /// Counted over ten seconds; ten a second always are. A request that could not be delivered
    /// to anybody is not counted, as it costs no server anything.
    #[arg(long, value_name = "PERCENT", value_parser = parse_number::<u32>,
        default_value_t = Limits::default().retry_budget_percent)]
    retry_budget: u32,

    /// Bytes of a request or response head
    #[arg(long, value_name = "BYTES", value_parser = parse_number::<usize>,
        default_value_t = Limits::default().max_head_bytes)]
    max_head_bytes: usize,

    /// Fields in a request or response head
    #[arg(long, value_name = "N", value_parser = parse_number::<usize>,
        default_value_t = Limits::default().max_head_fields)]
    max_head_fields: usize,

    /// Bytes of a request target
    #[arg(long, value_name = "BYTES", value_parser = parse_number::<usize>,
        default_value_t = Limits::default().max_target_bytes)]
    max_target_bytes: usize,

    /// Bytes of a request body that a client must send each second
    ///
    /// Measured over 5s after a grace of 5s, while nobody but the client is waited for. A client
    /// that is slower is answered 408. 0 asks for nothing.
    #[arg(long, value_name = "BYTES", value_parser = parse_number::<u64>,
        default_value_t = Limits::default().min_body_rate)]
    min_body_rate: u64,
}

impl From<LimitFlags> for Limits {
    fn from(flags: LimitFlags) -> Self {
        Self {
            max_connections: flags.max_connections,
            max_head_bytes: flags.max_head_bytes,
            max_head_fields: flags.max_head_fields,
            max_target_bytes: flags.max_target_bytes,
            max_retries: flags.max_retries,
            retry_budget_percent: flags.retry_budget,
            backend_max_connections: flags.backend_max_connections,
            queue_limit: flags.queue_limit,
            max_idle_per_backend: flags.max_idle_per_backend,
            min_body_rate: flags.min_body_rate,
        }
    }
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
