//! The flags about who is waited for, and how long.

use clap::Args;
use clap::builder::ArgPredicate;
use lb::config::{HumanDuration, Timeouts, parse_timeout};
use std::time::Duration;

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
