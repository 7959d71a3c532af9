//! From the names of backends to their addresses.

use crate::address::Address;
use crate::config::{BackendAddress, Host, HostPort, Invalid};
use std::net::{SocketAddr, ToSocketAddrs};

/// All addresses of a backend, in the order in which they are tried.
///
/// # Errors
/// The name cannot be resolved.
pub(crate) fn resolve(backend: &BackendAddress) -> Result<Vec<Address>, Invalid> {
    match backend {
        BackendAddress::Tcp(backend) => {
            let found = resolve_name(backend)?;
            Ok(found.into_iter().map(Address::Tcp).collect())
        }
        BackendAddress::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
    }
}

fn resolve_name(backend: &HostPort) -> Result<Vec<SocketAddr>, Invalid> {
    let name = match backend.host() {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, backend.port())]),
        Host::Name(name) => name,
    };
    let refuse = |problem: String| {
        Invalid::new(problem, "check the name, or give an address")
            .with_flag("--backends")
            .with_value(backend)
    };
    match (name.as_str(), backend.port()).to_socket_addrs() {
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
