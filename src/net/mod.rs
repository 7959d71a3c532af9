//! The only place that makes system calls: sockets, pipes, events, descriptors.
//!
//! Everything here is a thin shell around [`Server`](crate::server::Server): it accepts, waits
//! for events, passes them on, and writes log lines. It decides nothing about requests.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod descriptors;
mod event_loop;
mod heartbeat_link;
mod heartbeat_listener;
mod heartbeat_sender;
mod listener;
mod log_writer;
mod network;
mod pipe;
mod resolve;
mod socket_file;
mod stream;

pub(crate) use descriptors::allow_connections;
pub(crate) use event_loop::{Command, EventLoop, LoopParts, WAKER};
pub use heartbeat_link::Reachability;
pub(crate) use heartbeat_listener::HeartbeatListener;
pub use heartbeat_sender::{HeartbeatSender, SenderHandle, Vitals};
pub(crate) use listener::{bind, refuse_own_address};
pub(crate) use network::SystemNetwork;
pub(crate) use pipe::SystemPipes;
pub(crate) use resolve::resolve;
