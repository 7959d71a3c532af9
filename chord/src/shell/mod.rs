//! The shell: sockets, the clock, signals and the resolver round the pure core.
//!
//! mio and not tokio: the core says itself what is due when, so all that is left is one loop that
//! waits for sockets or the next deadline; a runtime would add tasks and timers that nobody needs.
//! Every turn is bounded in datagrams, bytes and accepted connections, so that a flood on one socket
//! starves neither the deadlines nor the other hosts of a demo.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is where sockets and the clock are"
)]

pub mod client;
mod clock;
mod endpoint;
mod event_loop;
mod resolve;
mod signals;
mod streams;
mod udp;

pub use clock::Clock;
pub use event_loop::{Shell, Turn};
pub use resolve::first_ip;
pub use udp::BindError;

/// 32 bytes from the operating system.
///
/// # Errors
/// As the operating system says.
pub fn random_seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(seed)
}
