//! The rules under simulation: crashes, lost and late messages, dying servers, failing providers.

mod bus;
mod crash;
mod rules;
mod world;

use super::id::ServiceName;
use crate::scale::Policy;
use crate::spec::{Bounds, Check, Mode, PortRange, ServiceSpec, Template, Timing};
use std::net::{IpAddr, Ipv4Addr};

/// A service of processes in pool `default`.
pub(crate) fn service(name: &str, min: usize, desired: usize, max: usize) -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::new(name),
        template: Template::Process {
            command: vec!["serve".into(), "{port}".into()],
            environment: std::collections::BTreeMap::new(),
            directory: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Some(PortRange {
                first: 5000,
                last: 5099,
            }),
        },
        check: Check::Tcp,
        pool: Some(super::id::PoolName::new("default")),
        weight: 1,
        max_in_flight: None,
        bounds: Bounds { min, desired, max },
        surge: 1,
        singleton: false,
        policy: Policy::Fixed { floors: Vec::new() },
        mode: Mode::Live,
        timing: Timing::default(),
    }
}
