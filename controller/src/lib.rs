//! The fleet control plane of lb: keeps, heals and scales the servers behind it.

mod fleet;
mod scale;
mod spec;
mod store;
