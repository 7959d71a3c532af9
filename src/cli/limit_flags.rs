//! The flags about how much there may be of everything.

use clap::Args;
use lb::config::{Limits, parse_number};

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
