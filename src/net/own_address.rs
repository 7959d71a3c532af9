//! Finds a balancer that would be its own backend, which would send each request round and round.
//!
//! An address has many spellings: names, unspecified and mapped addresses, all addresses of this
//! machine where a listener is on every one, links to the file of a UNIX socket. They are compared
//! by where a connection ends up.

use super::{BindError, BindErrorKind};
use crate::address::{Address, SocketPath};
use crate::config::PoolConfig;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Refuses a pool where a connection to a backend reaches a listener.
///
/// # Errors
/// It does; names the backend.
pub(crate) fn refuse_own_address(
    pool: &PoolConfig,
    backends: &[Vec<Address>],
    listeners: &[Address],
) -> Result<(), BindError> {
    for (spec, addresses) in pool.backends().iter().zip(backends) {
        let mut ends = addresses.iter();
        if ends.any(|backend| listeners.iter().any(|own| reaches(backend, own))) {
            let remedy = "name another server, or listen elsewhere";
            let problem = "lb itself listens there";
            return Err(BindError::new(BindErrorKind::OwnAddress, problem, remedy)
                .with_flag("--backends")
                .with_address(&spec.address));
        }
    }
    Ok(())
}

/// Returns whether a connection to `backend` reaches what listens on `listener`.
pub(super) fn reaches(backend: &Address, listener: &Address) -> bool {
    match (backend, listener) {
        (Address::Tcp(backend), Address::Tcp(listener)) => tcp_reaches(*backend, *listener),
        (Address::Unix(backend), Address::Unix(listener)) => is_same_file(backend, listener),
        (Address::Tcp(_), Address::Unix(_)) | (Address::Unix(_), Address::Tcp(_)) => false,
    }
}

fn tcp_reaches(backend: SocketAddr, listener: SocketAddr) -> bool {
    let (to, on) = (destination(backend.ip()), listener.ip());
    let is_every_address = on.is_unspecified() && on.is_ipv4() == to.is_ipv4();
    backend.port() == listener.port() && (to == on || is_every_address && is_own(to))
}

/// The address that a connection to `ip` goes to: this machine where none is given, and IPv4
/// where it is written in IPv6.
fn destination(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Returns whether this machine has the address: no other can be bound.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

fn is_same_file(one: &SocketPath, other: &SocketPath) -> bool {
    let real = |path: &SocketPath| fs::canonicalize(path.as_path()).ok();
    one == other || real(one).is_some_and(|one| real(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(backend: &str, listener: &str) -> bool {
        tcp_reaches(backend.parse().unwrap(), listener.parse().unwrap())
    }

    #[test]
    fn every_spelling_of_a_listener_is_found() {
        for (backend, listener) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("127.9.9.9:80", "0.0.0.0:80"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::ffff:127.0.0.1]:80", "0.0.0.0:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert!(reaches(backend, listener), "{backend} {listener}");
        }
    }

    #[test]
    fn other_servers_are_not_taken_for_a_listener() {
        for (backend, listener) in [
            ("127.0.0.1:81", "0.0.0.0:80"),
            ("127.0.0.2:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "[::]:80"),
            ("[::1]:80", "0.0.0.0:80"),
            // TEST-NET-1 (RFC 5737): no machine has it.
            ("192.0.2.1:80", "0.0.0.0:80"),
        ] {
            assert!(!reaches(backend, listener), "{backend} {listener}");
        }
    }

    #[test]
    fn a_link_to_a_socket_is_that_socket() {
        let directory = std::env::temp_dir().join(format!("lb-own-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let (file, link) = (directory.join("file"), directory.join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let path = |path: &std::path::Path| format!("unix:{}", path.display()).parse().unwrap();
        let of = |address: crate::address::BackendAddress| match address {
            crate::address::BackendAddress::Unix(path) => path,
            other => panic!("{other}"),
        };
        let (file, link) = (of(path(&file)), of(path(&link)));
        assert!(is_same_file(&file, &link));
        let dotted = of(path(&directory.join(".").join("file")));
        assert!(is_same_file(&file, &dotted));
        assert!(!is_same_file(&file, &of(path(&directory.join("none")))));
        fs::remove_dir_all(&directory).unwrap();
    }
}
