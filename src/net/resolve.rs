//! From the names of backends, and of what is watched, to their addresses.

use super::{BindError, BindErrorKind};
use crate::address::Address;
use crate::config::{AddressKind, BackendAddress, Host, HostPort, Question, Target};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// All addresses of a backend, in the order in which they are tried.
///
/// # Errors
/// The name cannot be resolved.
pub(crate) fn resolve(backend: &BackendAddress) -> Result<Vec<Address>, BindError> {
    match backend {
        BackendAddress::Tcp(backend) => {
            let found = resolve_name(backend)?;
            Ok(found.into_iter().map(Address::Tcp).collect())
        }
        BackendAddress::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
    }
}

fn resolve_name(backend: &HostPort) -> Result<Vec<SocketAddr>, BindError> {
    look_up(backend.host(), backend.port())
        .map_err(|error| error.with_flag("--backends").with_address(backend))
}

/// All addresses of a host, each once.
pub(super) fn look_up(host: &Host, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let name = match host {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => name,
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
                return Err(unresolved(None));
            }
            Ok(found)
        }
        Err(error) => Err(unresolved(Some(error))),
    }
}

/// The error of a name without addresses: the look-up failed, or found none.
fn unresolved(failed: Option<io::Error>) -> BindError {
    let problem = match &failed {
        Some(error) => format!("cannot resolve the name: {error}"),
        None => "the name has no address".to_owned(),
    };
    let remedy = "check the name, or give an address";
    let unresolved = BindError::new(BindErrorKind::Unresolved, problem, remedy);
    match failed {
        Some(error) => unresolved.with_source(error),
        None => unresolved,
    }
}

/// The addresses of a target, of the kind that is wanted.
///
/// # Errors
/// The name cannot be resolved, or has no address of that kind.
pub(crate) fn resolve_target(
    target: &Target,
    kind: AddressKind,
) -> Result<Vec<Address>, BindError> {
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
    let refuse = |error: BindError| error.with_address(target.name());
    let mut found = found.map_err(refuse)?;
    let (is_wanted, remedy): (fn(&SocketAddr) -> bool, _) = match kind {
        AddressKind::Any => (|_| true, ""),
        AddressKind::V4 => (SocketAddr::is_ipv4, "leave --ipv4 out"),
        AddressKind::V6 => (SocketAddr::is_ipv6, "leave --ipv6 out"),
    };
    found.retain(is_wanted);
    if found.is_empty() {
        let problem = "the target has no address of this kind";
        let error = BindError::new(BindErrorKind::Unresolved, problem, remedy);
        return Err(refuse(error));
    }
    Ok(found.into_iter().map(Address::Tcp).collect())
}
