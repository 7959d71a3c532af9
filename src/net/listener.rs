//! Addresses clients connect to.

use super::inherited::{Purpose, SharedSocket, Sockets};
use super::socket_file::{self, SocketFile};
use super::stream::Stream;
use super::{BindError, BindErrorKind};
use crate::address::{Address, ClientAddress};
use crate::config::FileMode;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Bytes of a response that the system takes before it can send them: as many as are moved at once.
const UNSENT_BYTES: u32 = 256 * 1024;

/// Connections the kernel holds for us while we are busy or at our limit. It takes at most
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Asks without waiting.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A connection as it was accepted, not registered yet.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) address: ClientAddress,
    /// The number of the listener.
    pub(crate) listener: u16,
}

/// A bound address, and whether connections may be waiting there.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Names it, in all workers.
    number: u16,
    socket: ListeningSocket,
    address: Address,
    /// As it was asked for, with port 0 for any.
    asked: Address,
    /// Edge-triggered like any socket: true from an event until nothing is left to accept.
    pub(crate) ready: bool,
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
    fn new(number: u16, socket: ListeningSocket, address: Address, asked: Address) -> Self {
        Self {
            number,
            socket,
            address,
            asked,
            ready: true,
        }
    }

    /// Its number among the listeners of all workers.
    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    /// The address, with the port the system chose for port 0.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Shares its socket, for another process.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn share(&self, purpose: Purpose) -> io::Result<SharedSocket> {
        match &self.socket {
            ListeningSocket::Tcp(socket) => SharedSocket::of(socket, purpose, &self.asked),
            ListeningSocket::Unix { socket, .. } => SharedSocket::of(socket, purpose, &self.asked),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            ListeningSocket::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            ListeningSocket::Unix { socket, .. } => {
                registry.register(socket, token, Interest::READABLE)
            }
        }
    }

    /// Asks for events no more. Closing alone does not do that where another process shares the
    /// socket.
    pub(crate) fn deregister(&mut self, registry: &Registry) {
        // What is not registered needs none of it.
        let _ = match &mut self.socket {
            ListeningSocket::Tcp(socket) => registry.deregister(socket),
            ListeningSocket::Unix { socket, .. } => registry.deregister(socket),
        };
    }

    /// Takes the next connection, if there is one, and asks whether it was the last: accepting in
    /// vain makes a socket and throws it away, which costs ten times as much. Latency matters more
    /// than packets, so small writes are sent at once; the connection inherits that from the
    /// listener.
    pub(crate) fn accept(&mut self) -> io::Result<Option<Accepted>> {
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
            Ok((stream, address)) => {
                self.ready = self.socket.has_arrivals();
                Ok(Some(Accepted {
                    stream,
                    address,
                    listener: self.number,
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.ready = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl ListeningSocket {
    /// Returns whether a connection waits to be accepted. Later ones are announced by an event.
    fn has_arrivals(&self) -> bool {
        let waiting = match self {
            Self::Tcp(socket) => PollFd::new(socket, PollFlags::IN),
            Self::Unix { socket, .. } => PollFd::new(socket, PollFlags::IN),
        };
        // If the system cannot say, accepting will show it.
        poll(&mut [waiting], Some(&AT_ONCE)) != Ok(0)
    }
}

/// Binds the address with this number, for so many workers: a listener for each, or one for the
/// first where the address is a path.
///
/// # Errors
/// The address cannot be bound; says why and what to do.
pub(crate) fn bind(
    number: u16,
    address: &Address,
    workers: usize,
    mode: Option<FileMode>,
) -> Result<Vec<Listener>, BindError> {
    bind_by(number, address, workers, mode, Vec::new())
}

/// As [`bind`], for clients, with the sockets of another process that listen there already, if any
/// do. There are more than one for each worker if that had more workers: closing one would cut off
/// the connections that wait in its queue.
///
/// # Errors
/// As those of [`bind`].
pub(crate) fn bind_from(
    number: u16,
    address: &Address,
    workers: usize,
    mode: Option<FileMode>,
    inherited: &mut Sockets,
) -> Result<Vec<Listener>, BindError> {
    let inherited = inherited.take_listening(Purpose::Clients, address);
    bind_by(number, address, workers, mode, inherited)
}

/// As [`bind`], by those sockets that were `inherited`.
///
/// # Errors
/// As those of [`bind`].
pub(crate) fn bind_by(
    number: u16,
    address: &Address,
    workers: usize,
    mode: Option<FileMode>,
    inherited: Vec<OwnedFd>,
) -> Result<Vec<Listener>, BindError> {
    let listener = |socket, at| Listener::new(number, socket, at, address.clone());
    match address {
        Address::Tcp(at) => match open(*at, workers, inherited) {
            Ok(sockets) => {
                let listener =
                    |(socket, at)| listener(ListeningSocket::Tcp(socket), Address::Tcp(at));
                Ok(sockets.into_iter().map(listener).collect())
            }
            Err(error) => Err(refusal(error).with_address(at)),
        },
        Address::Unix(path) => {
            let path = path.as_path();
            let opened = match inherited.into_iter().next() {
                Some(inherited) => socket_file::take_over(path, inherited),
                None => socket_file::listen(path, BACKLOG, mode),
            };
            match opened {
                Ok((socket, file)) => {
                    let socket = ListeningSocket::Unix {
                        socket,
                        _file: file,
                    };
                    Ok(vec![listener(socket, address.clone())])
                }
                Err(error) => Err(path_refusal(error).with_address(address)),
            }
        }
    }
}

/// The error of a path that cannot be bound.
fn path_refusal(error: io::Error) -> BindError {
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
    BindError::new(BindErrorKind::System, problem, remedy)
        .with_source(error)
        .with_flag("--listen")
}

/// The error of an address that cannot be bound.
pub(crate) fn refusal(error: io::Error) -> BindError {
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
    BindError::new(BindErrorKind::System, problem, remedy)
        .with_source(error)
        .with_flag("--listen")
}

/// Opens so many sockets at one address, over which the system spreads connections. Only the
/// first is bound as if it were alone, so that an address another process listens on is in use.
/// Those that are `inherited` come first; where others cannot be bound beside them, as those of
/// another user, workers share one.
fn open(
    address: SocketAddr,
    count: usize,
    inherited: Vec<OwnedFd>,
) -> io::Result<Vec<(TcpListener, SocketAddr)>> {
    let mut sockets: Vec<Socket> = inherited.into_iter().map(Socket::from).collect();
    let is_inherited = !sockets.is_empty();
    for socket in &sockets {
        prepare(socket)?;
    }
    if !is_inherited {
        sockets.push(bound(address, false)?);
    }
    // With the port that the system chose for port 0.
    let local = sockets.first().map(Socket::local_addr).transpose()?;
    let address = local.and_then(|local| local.as_socket()).unwrap_or(address);
    for socket in sockets.iter().filter(|_| count > 1) {
        socket.set_reuse_port(true)?;
    }
    while sockets.len() < count {
        let socket = match (bound(address, true), sockets.first()) {
            (Err(_), Some(first)) if is_inherited => first.try_clone()?,
            (socket, _) => socket?,
        };
        sockets.push(socket);
    }
    let listen = |socket: Socket| {
        socket.listen(BACKLOG)?;
        Ok((TcpListener::from_std(socket.into()), address))
    };
    sockets.into_iter().map(listen).collect()
}

fn bound(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
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
    prepare(&socket)?;
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Sets what connections inherit of their listener.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    bound_unsent(socket)?;
    socket.set_nonblocking(true)
}

/// Bounds what the system holds of a response that it cannot send yet, for all connections of a
/// listener, which inherit it. A slow reader then costs so much and what is on its way to it. The
/// size of the send buffer is left to the system: it is what makes bulk fast.
///
/// With less in its queues the system as a whole spends less on a byte: on loopback, 64 readers of
/// 1 MiB took 1.03 s of CPU a GB on both ends and here, and 1.33 s without the bound. Of that
/// more is ours, as bytes go out in our own call and not when the reader acknowledges others.
fn bound_unsent(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn last_waiting_connection_is_recognised_and_the_next_is_announced() {
        let any_port = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
        let mut listener = bind(0, &any_port.into(), 1, None).unwrap().pop().unwrap();
        let address = listener.address().tcp().unwrap();
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
        listener.register(poll.registry(), Token(0)).unwrap();
        for crowd in [1, 3, 1] {
            let _clients: Vec<_> = (0..crowd)
                .map(|_| TcpStream::connect(address).unwrap())
                .collect();
            poll.poll(&mut events, Some(LONG)).unwrap();
            assert!(!events.is_empty(), "nobody was announced");
            for left in (0..crowd).rev() {
                assert!(listener.accept().unwrap().is_some());
                let began = Instant::now();
                // The last step of a handshake may still be under way.
                while left > 0 && !listener.ready && began.elapsed() < LONG {
                    listener.ready = listener.socket.has_arrivals();
                }
                assert_eq!(listener.ready, left > 0, "{left} of {crowd} are left");
            }
        }
        assert!(listener.accept().unwrap().is_none());
    }

    #[test]
    fn a_client_that_does_not_read_is_owed_little() {
        use crate::transport::Transport as _;
        use std::io::IoSlice;
        let any_port = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
        let mut listener = bind(0, &any_port.into(), 1, None).unwrap().pop().unwrap();
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_recv_buffer_size(16 * 1024).unwrap();
        let address = listener.address().tcp().unwrap();
        client.connect(&address.into()).unwrap();
        let mut stream = listener.accept().unwrap().unwrap().stream;
        let block = [0; 64 * 1024];
        let mut taken = 0;
        while let Ok(count) = stream.send(&[IoSlice::new(&block)]) {
            taken += count;
        }
        let most = UNSENT_BYTES as usize + 128 * 1024;
        assert!((1..=most).contains(&taken), "{taken} bytes were taken");
    }
}
