//! Moving bytes between two connections.
//!
//! A [`Flow`] is one direction: it reads from a source, follows the body framing, and writes to
//! a sink, with bounded memory in between. It knows neither requests nor backends.

mod buffer;
mod flow;
mod peer;
mod socket;
mod transport;

pub use buffer::{Buffer, Buffers};
pub use flow::{Break, Flow, Pumped};
pub use peer::{Gathered, Input, Peer, Workspace};
pub use socket::{Readiness, Received, SendFailed, Socket};
pub use transport::{Pipes, Transport};
