//! Addresses clients connect to.

use super::stream::Stream;
use crate::config::{Config, Invalid};
use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Connections the kernel holds for us while we are busy or at our limit. It takes no more than
/// `net.core.somaxconn` whatever is asked.
const BACKLOG: i32 = 4096;

/// A bound address, and whether connections may be waiting there.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    /// Edge-triggered like any socket: true from an event until nothing is left to accept.
    pub(super) ready: bool,
}

impl Listener {
    /// The address, with the port the system chose for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the next connection, if there is one. Latency matters more than packets, so small
    /// writes are sent at once; the connection inherits that from the listener.
    pub(super) fn accept(&mut self) -> io::Result<Option<(Stream, SocketAddr)>> {
        match self.socket.accept() {
            Ok((stream, address)) => Ok(Some((Stream(stream), address))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.ready = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Binds an address.
///
/// # Errors
/// The address cannot be bound; says why and what to do.
pub(crate) fn bind(address: SocketAddr) -> Result<Listener, Invalid> {
    open(address).map_err(|error| {
        let (problem, remedy) = match error.kind() {
            io::ErrorKind::AddrInUse => (
                "the address is in use".to_owned(),
                "stop what listens there or choose another port",
            ),
            io::ErrorKind::PermissionDenied => (
                "not allowed to listen there".to_owned(),
                "choose a port from 1024 up, or grant CAP_NET_BIND_SERVICE",
            ),
            io::ErrorKind::AddrNotAvailable => (
                "this machine does not have the address".to_owned(),
                "choose one of its own, or *:PORT for all",
            ),
            _ => (
                format!("cannot listen there: {error}"),
                "choose another address",
            ),
        };
        Invalid::new(problem, remedy)
            .with_flag("--listen")
            .with_value(address)
    })
}

fn open(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections of an earlier run that linger do not keep the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into());
    let address = socket.local_addr().unwrap_or(address);
    Ok(Listener {
        socket,
        address,
        ready: true,
    })
}

/// Refuses a balancer that would send its clients back to itself, round and round.
///
/// # Errors
/// A backend is one of the addresses listened on.
pub(crate) fn refuse_own_address(
    config: &Config,
    backends: &[Vec<SocketAddr>],
    listeners: &[SocketAddr],
) -> Result<(), Invalid> {
    for (spec, addresses) in config.backends().iter().zip(backends) {
        if addresses.iter().any(|address| listeners.contains(address)) {
            let remedy = "name another server, or listen elsewhere";
            return Err(Invalid::new("lb itself listens there", remedy)
                .with_flag("--backends")
                .with_value(&spec.address));
        }
    }
    Ok(())
}
