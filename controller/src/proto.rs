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

/// The fleet, and the session of agents.
pub(crate) mod v1 {
    tonic::include_proto!("lb.controller.v1");
}

/// Every file of `proto/`, encoded, for reflection.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The two services without a package.
pub(crate) mod compat {
    tonic::include_proto!("_");
}
