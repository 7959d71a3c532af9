//! The only place that makes system calls: sockets, pipes, events, descriptors.
//!
//! Everything here is a thin shell around [`Proxy`](crate::proxy::Proxy): it accepts, waits
//! for events, passes them on, and writes log lines. It decides nothing about requests.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod bind_error;
pub(crate) mod descriptors;
mod dns_sockets;
mod echo;
mod file_watch;
mod heartbeat_link;
mod heartbeat_listener;
mod heartbeat_resolver;
mod heartbeat_sender;
mod inherited;
mod listener;
mod log_file;
mod log_writer;
mod memory;
mod network;
mod own_address;
mod pipe;
mod poll;
mod resolve;
mod socket_file;
mod state_file;
mod stream;
mod syslog;
mod verifier;

pub use bind_error::{BindError, BindErrorKind};
pub(crate) use descriptors::{DEFAULT_CONNECTIONS, allow_connections, open_descriptors};
pub(crate) use dns_sockets::{Arrived, DnsSockets, has_route};
pub(crate) use echo::{allow_check, allow_echo};
pub(crate) use file_watch::{FileWatch, FollowedFile, Look};
pub use heartbeat_link::Reachability;
pub(crate) use heartbeat_listener::HeartbeatListener;
pub use heartbeat_sender::{HeartbeatSender, SenderHandle, Vitals};
pub use inherited::{Passed, Sockets};
pub(crate) use inherited::{Purpose, SharedSocket};
pub(crate) use listener::{Accepted, Listener, bind, bind_by, bind_from};
pub(crate) use log_writer::{Log, LogStatus, LogWriter};
pub(crate) use memory::{
    address_space_limit, address_space_taken, available_memory, resident_memory, share_heap,
};
pub(crate) use network::SystemNetwork;
pub(crate) use own_address::refuse_own_address;
pub(crate) use pipe::SystemPipes;
pub(crate) use poll::{WAKER, events, no_events, readiness, seed};
pub(crate) use resolve::{resolve, resolve_target};
pub(crate) use state_file::{StateFile, read_state};
pub(crate) use stream::Stream;
pub(crate) use verifier::Verifier;
