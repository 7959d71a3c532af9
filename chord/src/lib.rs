//! A Chord ring (Stoica et al., IEEE/ACM Transactions on Networking 11(1), 2003).
pub mod addr;
pub mod config;
mod host;
pub mod id;
pub mod message;
mod node;
mod output;
pub mod time;
pub mod wire;

pub mod shell;
pub mod sim;

pub use config::Config;
pub use host::Host;
pub use node::Snapshot;
pub use output::{Event, Looked, Output, Source, StreamId, Traffic};
