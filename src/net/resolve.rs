//! From the names of backends, and of what is watched, to their addresses.

use crate::address::Address;
use crate::config::{
    AddressKind, BackendAddress, ConfigError, ConfigErrorKind, Host, HostPort, Question, Target,
};
use std::net::{SocketAddr, ToSocketAddrs};

/// All addresses of a backend, in the order in which they are tried.
///
/// # Errors
/// The name cannot be resolved.
pub(crate) fn resolve(backend: &BackendAddress) -> Result<Vec<Address>, ConfigError> {
    match backend {
        BackendAddress::Tcp(backend) => {
            let found = resolve_name(backend)?;
            Ok(found.into_iter().map(Address::Tcp).collect())
        }
        BackendAddress::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
    }
}

fn resolve_name(backend: &HostPort) -> Result<Vec<SocketAddr>, ConfigError> {
    look_up(backend.host(), backend.port())
        .map_err(|invalid| invalid.with_flag("--backends").with_value(backend))
}

/// All addresses of a host, each once.
fn look_up(host: &Host, port: u16) -> Result<Vec<SocketAddr>, ConfigError> {
    let name = match host {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => name,
    };
    let refuse = |problem: String| {
        ConfigError::new(problem, "check the name, or give an address")
            .with_kind(ConfigErrorKind::Unresolved)
    };
    match (name.as_str(), port).to_socket_addrs() {
        Ok(addresses) => {
            let mut found: Vec<SocketAddr> = Vec::new();
            for address in addresses {
                if !found.contains(&address) {
                    found.push(address);
                }
            }
            if found.is_empty() {
                return Err(refuse("the name has no address".to_owned()));
            }
            Ok(found)
        }
        Err(error) => Err(refuse(format!("cannot resolve the name: {error}"))),
    }
}

/// The addresses of a target, of the kind that is wanted.
///
/// # Errors
/// The name cannot be resolved, or has no address of that kind.
pub(crate) fn resolve_target(
    target: &Target,
    kind: AddressKind,
) -> Result<Vec<Address>, ConfigError> {
    let found = match target.question() {
        Question::Ping(host) => look_up(host, 0),
        Question::Tcp(BackendAddress::Tcp(service))
        | Question::Http(BackendAddress::Tcp(service), _) => {
            look_up(service.host(), service.port())
        }
        Question::Tcp(BackendAddress::Unix(path))
        | Question::Http(BackendAddress::Unix(path), _) => {
            return Ok(vec![Address::Unix(path.clone())]);
        }
    };
    let refuse = |invalid: ConfigError| invalid.with_value(target.name());
    let mut found = found.map_err(refuse)?;
    let (is_wanted, remedy): (fn(&SocketAddr) -> bool, _) = match kind {
        AddressKind::Any => (|_| true, ""),
        AddressKind::V4 => (SocketAddr::is_ipv4, "leave --ipv4 out"),
        AddressKind::V6 => (SocketAddr::is_ipv6, "leave --ipv6 out"),
    };
    found.retain(is_wanted);
    if found.is_empty() {
        let problem = "the target has no address of this kind";
        let error = ConfigError::new(problem, remedy).with_kind(ConfigErrorKind::Unresolved);
        return Err(refuse(error));
    }
    Ok(found.into_iter().map(Address::Tcp).collect())
}
