//! What is wanted: services that cannot be wrong.
//!
//! Owns the types of a specification and the reading of `fleet.toml` into them ([`file`]). Knows
//! nothing of the world: whether a command exists or a port is free shows at the launch.

mod bus;
mod docker;
mod file;
mod service;
mod span;

pub(crate) use bus::{BusSpec, BusUrl, Topics};
pub(crate) use docker::{BuildFrom, DockerTemplate, EngineUrl};
pub(crate) use file::{FleetSpec, check, read};
pub(crate) use service::{
    Bounds, Check, ExecCommands, Mode, PortRange, ProviderKind, Request, ServiceSpec, Template,
    Timing,
};
pub(crate) use span::{Problem, Report};
