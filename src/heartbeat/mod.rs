//! Heartbeats: servers say that they are well, and whoever ceases to is missed.
//!
//! A check by the balancer finds out whether a server can be reached from here; a heartbeat, sent
//! by the server's own host, also tells how busy that is and whether a process still lives there.
//! Its absence is noticed without asking, by [`Phi`]: how unlikely so long a silence is, given the
//! gaps before.
//!
//! | file | owns |
//! |---|---|
//! | [`message`](Heartbeat) | what a heartbeat says |
//! | `wire` | how it is written: layout, version, tag |
//! | [`key`](Key) | the shared secret, and the tags it makes |
//! | [`frames`](Frames) | messages in a stream of TCP |
//! | [`phi`](Accrual) | how sure it is that a silence lasts |
//! | `watch` | one backend: what is news, when it is missing |
//! | [`detector`](Detector) | all backends, and whose turn it is to be looked at |
//! | [`rhythm`](Rhythm) | the sender's side: when a heartbeat is due, and its repetitions |
//! | [`refusal`](Refusal) | why a heartbeat is not taken, and how often |
//! | [`notice`](HeartbeatEvent) | what people are told of all this |
//!
//! Everything here is pure: bytes and the time go in, [findings](Finding) come out. Sockets are
//! the server's and the sender's; what becomes of a backend is the upstream's to decide.

mod detector;
mod frames;
mod key;
mod log_event;
mod message;
mod phi;
mod refusal;
mod rhythm;
mod watch;
mod wire;

#[cfg(test)]
mod tests;

pub use detector::{Detector, Report};
pub use frames::{BadLength, Frames, framed};
pub use key::Key;
pub use log_event::{Complaints, HeartbeatEvent, MAX_UNKNOWN};
pub use message::{Heartbeat, INTERVALS, Load, Name, ProcessState};
pub use phi::{Accrual, Phi};
pub use refusal::{Counts, Refusal};
pub use rhythm::{Due, Rhythm};
pub use watch::{Finding, Heard};
pub use wire::{MAX_BYTES, REPEATS};
