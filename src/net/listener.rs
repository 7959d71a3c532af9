//! Addresses clients connect to.

use super::socket_file::{self, SocketFile};
use super::stream::Stream;
use crate::address::{Address, ClientAddress};
use crate::config::{Config, Invalid};
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Connections the kernel holds for us while we are busy or at our limit. It takes no more than
/// `net.core.somaxconn` whatever is asked.
const BACKLOG: i32 = 4096;

/// A bound address, and whether connections may be waiting there.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListeningSocket,
    address: Address,
    /// Edge-triggered like any socket: true from an event until nothing is left to accept.
    pub(super) ready: bool,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix {
        socket: UnixListener,
        /// Dropped after the socket, as the order of the fields has it; that removes the file.
        _file: SocketFile,
    },
}

impl Listener {
    fn new(socket: ListeningSocket, address: Address) -> Self {
        Self {
            socket,
            address,
            ready: true,
        }
    }

    /// The address, with the port the system chose for port 0.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            ListeningSocket::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            ListeningSocket::Unix { socket, .. } => {
                registry.register(socket, token, Interest::READABLE)
            }
        }
    }

    /// Takes the next connection, if there is one. Latency matters more than packets, so small
    /// writes are sent at once; the connection inherits that from the listener.
    pub(super) fn accept(&mut self) -> io::Result<Option<(Stream, ClientAddress)>> {
        let accepted = match &self.socket {
            ListeningSocket::Tcp(socket) => {
                let accepted = socket.accept();
                accepted.map(|(stream, from)| (Stream::Tcp(stream), from.into()))
            }
            ListeningSocket::Unix { socket, .. } => {
                let accepted = socket.accept();
                accepted.map(|(stream, _)| (Stream::Unix(stream), ClientAddress::Unix))
            }
        };
        match accepted {
            Ok(accepted) => Ok(Some(accepted)),
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
pub(crate) fn bind(address: &Address) -> Result<Listener, Invalid> {
    match address {
        Address::Tcp(at) => open(*at).map_err(|error| refusal(&error).with_value(at)),
        Address::Unix(path) => match socket_file::listen(path.as_path(), BACKLOG) {
            Ok((socket, file)) => {
                let socket = ListeningSocket::Unix {
                    socket,
                    _file: file,
                };
                Ok(Listener::new(socket, address.clone()))
            }
            Err(error) => Err(path_refusal(&error).with_value(path)),
        },
    }
}

/// Why a path cannot be bound, and what to do.
fn path_refusal(error: &io::Error) -> Invalid {
    let (problem, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            "the path is in use".to_owned(),
            "stop what listens there, or choose another path",
        ),
        _ => (
            format!("cannot listen there: {error}"),
            "choose a path in a directory that can be written to",
        ),
    };
    Invalid::new(problem, remedy).with_flag("--listen")
}

/// Why an address cannot be bound, and what to do.
pub(super) fn refusal(error: &io::Error) -> Invalid {
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
    Invalid::new(problem, remedy).with_flag("--listen")
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
    let socket = ListeningSocket::Tcp(socket);
    Ok(Listener::new(socket, Address::Tcp(address)))
}

/// Refuses a balancer that would send its clients back to itself, round and round.
///
/// # Errors
/// A backend is one of the addresses listened on.
pub(crate) fn refuse_own_address(
    config: &Config,
    backends: &[Vec<Address>],
    listeners: &[Address],
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
