//! Workers: one event loop on one thread each, and the ways they reach each other.
//!
//! Owns the phases of a turn, accepting, and the commands of other threads. It decides nothing
//! about requests: that is up to the [`proxy`](crate::proxy). Every phase and every queue is
//! bounded, and nothing here waits but the loop for events.

mod accept;
mod address_space;
mod admin;
mod control;
mod discovery;
mod event_loop;
mod heartbeats;
mod mailbox;
mod other_workers;
mod outbox;
mod reload;
mod report;
mod subscribers;

pub(crate) use address_space::AddressSpace;
pub(crate) use admin::AdminParts;
pub(crate) use event_loop::{EventLoop, Finished, LoopParts};
pub(crate) use mailbox::{Command, Inbox, Mailbox, PoolRef, Untaken, WorkerMessage, mailbox};
pub(crate) use other_workers::OtherWorkers;
pub(crate) use reload::{
    BackendChange, FirstReload, Leftovers, ReloadAnswer, ReloadRequest, ReloadSender, WorkerReload,
};
pub(crate) use report::{Question, WorkerReport, light_snapshot, snapshot};
