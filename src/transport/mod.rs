//! Moving bytes between two connections with bounded memory.
//!
//! A [`Flow`] is one direction: it reads from a [`Source`], follows the framing of the body and
//! writes to a [`Sink`]. It knows neither requests nor backends.
//!
//! ```text
//! Transport  ->  Socket          ->  BufferedConn  ->  Flow  ->  Socket
//! layer          readiness           unread bytes      body      readiness
//! ```

mod body;
mod buffer;
mod buffered_conn;
mod context;
mod flow;
mod layer;
mod memory;
mod pipe;
mod socket;

pub use body::{Sink, Source};
pub use buffer::{Buffer, Buffers};
pub use buffered_conn::{BufferedConn, Gathered, Input};
pub use context::IoContext;
pub use flow::{Break, Flow, Pumped};
pub use layer::Transport;
pub use memory::MemoryBudget;
pub use pipe::Pipes;
pub use socket::{Readiness, Received, SendFailed, Socket};
