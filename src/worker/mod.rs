//! Workers: one event loop on one thread each, and the ways they reach each other.
//!
//! Owns the phases of a turn, accepting, and what other threads ask of a loop. It decides nothing
//! about requests: that is [`proxy`](crate::proxy)'s. Every phase is bounded.

mod accept;
mod event_loop;
mod heartbeats;
mod mailbox;
mod other_workers;
mod report;
mod subscribers;

pub(crate) use event_loop::{EventLoop, Finished, LoopParts};
pub(crate) use mailbox::{Command, Mailbox};
pub(crate) use other_workers::OtherWorkers;
pub(crate) use report::{WorkerReport, snapshot};
