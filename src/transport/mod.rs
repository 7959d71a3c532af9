//! Moving bytes between two connections.
//!
//! A [`Flow`] is one direction: it reads from a source, follows the body framing, and writes to
//! a sink, with bounded memory in between. It knows neither requests nor backends.

mod buffer;
mod buffered_conn;
mod flow;
mod socket;
mod stream;

pub use buffer::{Buffer, Buffers};
pub use buffered_conn::{BufferedConn, Gathered, Input, IoContext};
pub use flow::{Break, Flow, Pumped};
pub use socket::{Readiness, Received, SendFailed, Socket};
pub use stream::{Pipes, Transport};
