//! What others speak to: the HTTP API, the sessions of agents, the services of existing fleets.
//!
//! Turns requests into calls and inputs of the shell, and answers into bytes. Knows no rule.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is shell: it speaks to sockets"
)]

pub(crate) mod agents;
pub(crate) mod compat;
pub(crate) mod deploy;
pub(crate) mod fleet;
pub(crate) mod http;
mod log;
pub(crate) mod metrics;
pub(crate) mod stream;
