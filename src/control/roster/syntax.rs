//! The syntax of what programs and operators say of backends: names, weights, addresses.

use super::Refused;
use crate::address::{Address, BackendAddress};
use crate::config::{Host, Weight};
use std::net::SocketAddr;

/// Bytes of the name of a backend, an owner or a fleet.
const MAX_NAME_BYTES: usize = 255;

/// Checks the name of `what`.
///
/// # Errors
/// It is empty, too long, or has control characters.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Refused> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let message = format!(
            "{what} {name:?}: a name has 1 to {MAX_NAME_BYTES} bytes and no control characters"
        );
        return Err(Refused::Invalid(message));
    }
    Ok(())
}

/// Checks a weight.
///
/// # Errors
/// It is not from 1 to 256.
pub(crate) fn check_weight(weight: u32) -> Result<(), String> {
    match weight {
        1..=256 => Ok(()),
        _ => Err(format!(
            "a weight is from 1 to {}, not {weight}",
            Weight::MAX
        )),
    }
}

/// Checks the name of a backend.
///
/// # Errors
/// It is empty, too long, or has control characters.
pub(crate) fn check_backend_name(name: &str) -> Result<(), Refused> {
    check_name("backend", name)
}

/// The address of a backend: of IP and port, or a UNIX socket. Names are not resolved here, because
/// that would hold up the loop.
///
/// # Errors
/// It is none.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Address::Tcp(address));
    }
    match text.parse::<BackendAddress>() {
        Ok(BackendAddress::Unix(path)) => Ok(Address::Unix(path)),
        Ok(BackendAddress::Tcp(at)) => match at.host() {
            Host::Ip(ip) => Ok(Address::Tcp(SocketAddr::new(*ip, at.port()))),
            Host::Name(name) => Err(format!(
                "{name} is a name, which is not resolved here; give an IP address and a port"
            )),
        },
        Err(error) => Err(error.to_string()),
    }
}
