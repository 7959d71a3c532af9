//! State that several workers share: atomics, and nothing that waits.
//!
//! A worker that is alone has none of it. It knows neither sockets nor requests; when it is read
//! and written is up to the [`pool`](crate::pool), the [`proxy`](crate::proxy) and the worker.

mod connection_limit;
mod load;
mod queue;

pub(crate) use connection_limit::ConnectionLimit;
pub use load::SharedLoad;
pub(crate) use load::{Admission, BackendLoad, FIRST_PICK, Finding, IDLE_WORDS};
pub use queue::{QueueMember, SharedQueue};
