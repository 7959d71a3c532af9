//! The only place that makes system calls: sockets, pipes, events, descriptors.
//!
//! Everything here is a thin shell around [`Server`](crate::server::Server): it accepts, waits
//! for events, passes them on, and writes log lines. It decides nothing about requests.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod allotment;
mod audience;
mod colleagues;
mod descriptors;
mod echo;
mod event_loop;
mod heartbeat_link;
mod heartbeat_listener;
mod heartbeat_sender;
mod listener;
mod log_writer;
mod mailbox;
mod network;
mod outside;
mod pipe;
mod resolve;
mod socket_file;
mod stream;
mod watch_loop;
mod watch_target;

pub(crate) use allotment::Allotment;
pub(crate) use colleagues::Colleagues;
pub(crate) use descriptors::allow_connections;
pub(crate) use echo::allow_check;
pub(crate) use event_loop::{EventLoop, Finished, LoopParts, WAKER};
pub use heartbeat_link::Reachability;
pub(crate) use heartbeat_listener::HeartbeatListener;
pub use heartbeat_sender::{HeartbeatSender, SenderHandle, Vitals};
pub(crate) use listener::{Listener, bind, refuse_own_address};
pub(crate) use log_writer::Log;
pub(crate) use mailbox::{Command, Mailbox};
pub(crate) use network::SystemNetwork;
pub(crate) use outside::{events, no_events, seed};
pub(crate) use pipe::SystemPipes;
pub(crate) use resolve::resolve;
pub(crate) use watch_loop::{WatchCommand, WatchLoop};
pub(crate) use watch_target::prepare_targets;
