//! The broker over real sockets, each test with a server of its own on a free port.
//!
//! Every wait has a deadline; nothing sleeps to let something happen.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests use sockets and deadlines, and a broken rule ends them"
)]

mod access;
mod breaking;
mod command_line;
mod crowds;
mod durability;
mod formats;
mod full_disk;
mod keep_alive;
mod kit;
mod many;
mod process;
mod sequence;
mod slow;
