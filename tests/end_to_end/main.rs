//! The real `lb`, through real sockets: one file for each thing it promises.
//!
//! All are one program, so that the harness is built and linked once, and so that what no test
//! uses of it shows. Nothing is shared between tests but the machine: each starts what it needs,
//! on ports of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod handle;
mod support;

mod access_log;
mod admin;
mod admission;
mod backends_file;
mod balance;
mod bulk;
mod command_line;
mod config_file;
mod conformance;
mod ctl;
mod dashboard;
mod examples;
mod faults;
mod health;
mod heartbeats;
mod http_mode;
mod identity;
mod limits;
mod membership;
mod migrations;
mod names;
mod openapi;
mod pauses;
mod policies;
mod pools;
mod proxy_protocol;
mod readme;
mod real_peers;
mod reload;
mod resources;
mod retries;
mod room;
mod routes;
mod sets;
mod signals;
#[cfg(feature = "simulate")]
mod simulate;
mod start_up;
mod tcp_mode;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "top")]
mod top;
mod turns;
mod unix_sockets;
mod upgrade;
mod watching;
mod workers;
