//! Heartbeats: messages that servers push, and the detector that misses them.
//!
//! A health check finds out whether a server can be reached from here. A heartbeat, sent by the
//! server's own host, also carries the load of that host and whether a process lives there. Its
//! absence is noticed by [`Phi`]: how unlikely so long a silence is, given the gaps before.
//!
//! | file | owns |
//! |---|---|
//! | [`receiver`](Receiver) | everything that comes in: datagrams, connections, counters, events |
//! | `connections` | TCP connections of senders |
//! | [`message`](Heartbeat) | what a heartbeat says |
//! | `wire` | how it is written: layout, version, tag |
//! | [`key`](HeartbeatKey) | the shared secret, and the tags it makes |
//! | [`frames`](FrameReader) | messages in a stream of TCP |
//! | [`phi`](Accrual) | how sure it is that a silence lasts |
//! | `backend_heartbeats` | one backend: is a message new, when is it missing |
//! | [`detector`](Detector) | all backends, and when each is looked at |
//! | [`send_schedule`](SendSchedule) | the sender: when a heartbeat is due, and its repetitions |
//! | [`refusal`](HeartbeatRefusal) | why a heartbeat is rejected, and how often |
//! | [`log_event`](HeartbeatEvent) | events for the log, and how many at most |
//!
//! Everything here is pure: bytes, readiness and the time go in, [findings](HeartbeatFinding) come
//! out. Opening sockets is up to the proxy and the sender, what a finding does to a backend to the
//! pool.

mod backend_heartbeats;
mod connections;
mod detector;
mod frames;
mod key;
mod log_event;
mod message;
mod phi;
mod receiver;
mod refusal;
mod send_schedule;
mod wire;

#[cfg(test)]
mod tests;

pub use crate::address::ClientAddress;
pub use detector::HeartbeatReport;
pub(crate) use internal::*;
pub use key::HeartbeatKey;
pub use log_event::HeartbeatEvent;
pub use message::{INTERVALS, Load, ProcessState, SenderName};
pub use phi::Phi;
pub use refusal::{HeartbeatCounts, HeartbeatRefusal};

/// Items for the command, the benches and the tests.
pub(crate) mod internal {
    pub use super::backend_heartbeats::{Heard, HeartbeatFinding};
    pub use super::connections::HeartbeatConnId;
    pub use super::detector::Detector;
    pub use super::frames::{BadLength, FrameReader, framed};
    pub use super::log_event::{MAX_UNKNOWN, RefusalLog};
    pub use super::message::Heartbeat;
    pub use super::phi::Accrual;
    pub use super::receiver::{BackendFinding, BackendNames, Clocks, Receiver};
    pub use super::send_schedule::{SendDue, SendSchedule};
    pub use super::wire::{MAX_BYTES, REPEATS};
}
