//! A publish/subscribe broker: topics as a tree, the last value kept, and JSON, XML and pickle
//! translated into each other.
//!
//! The way of a message:
//!
//! ```text
//! server/   socket -> bytes            reads, writes, accepts; the only clock and the only sockets
//! framing   bytes -> frame             four bytes of length before each
//! codec/    frame -> Request           json, xml, pickle; a value becomes a Payload
//! broker/   Request -> queues          rights, last values, tree of subscriptions, fan-out
//! queue     frame -> bytes             bounded, oldest dropped, written by the shell
//! ```
//!
//! Everything but `server` and `client` is pure: bytes and a [`time::Timestamp`] in, actions out.
//! The protocol is described in `PROTOCOL.md`.

pub mod announcement;
pub mod broker;
pub mod client;
pub mod codec;
pub mod connection_id;
pub mod error;
pub mod framing;
pub mod limits;
pub mod queue;
pub mod rights;
pub mod server;
pub mod time;
pub mod topic;
pub mod value;

mod retained;
mod subscriptions;
