//! A unit of provider `process`: a run directory, the server in it, and the agent beside it.
//!
//! Owns what both sides, provider and agent, agree on: the files of the run directory and how a
//! process is told from another that was given its number later.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "reads /proc and the files of run directories"
)]

mod identity;
mod run_dir;

pub(crate) use identity::{Identity, children, cpu_ticks, is_stopped, now};
pub(crate) use run_dir::{Ended, Order, RunDir, Started};
