//! Messages and services of the wire, generated from `proto/`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    unused_qualifications,
    dead_code,
    reason = "generated"
)]

/// The session of agents.
pub(crate) mod agents {
    tonic::include_proto!("lb.controller.v1");
}

/// The two services without a package.
pub(crate) mod compat {
    tonic::include_proto!("_");
}
