//! Sockets for echo messages: ICMP on a datagram socket, or on a raw one.
//!
//! One socket for each check, connected to its host. A check by echo then is like any other: it has
//! a socket, a token and a deadline, a late reply is ignored, and messages of other hosts cannot
//! fill its queue. One socket for all checks was the other way. It saves four system calls a check,
//! but has to sort the replies; and a flood from anywhere would drown them, so that any host could
//! have backends ejected.
//!
//! A datagram socket needs no privilege where `net.ipv4.ping_group_range` has our group; else it
//! is a raw one, for which it takes `CAP_NET_RAW`.

use super::{BindError, BindErrorKind};
use crate::address::Address;
use crate::health::icmp::without_ipv4_header;
use crate::health::{CheckKind, CheckTransport};
use rustix::net::{RecvFlags, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

/// Messages of other hosts passed over in one read. Messages after them wait for an event.
const MAX_STRANGERS: usize = 64;

/// Exchanges messages with one host.
#[derive(Debug)]
pub(crate) struct EchoSocket(Socket);

impl EchoSocket {
    /// A socket for messages to `host`; its port means nothing.
    ///
    /// # Errors
    /// Neither kind of socket is allowed, or there is no way to the host.
    pub(crate) fn open(host: SocketAddr) -> io::Result<Self> {
        let socket = open_either(host.ip())?;
        // The system does not name a peer that has no port.
        let mut peer = host;
        peer.set_port(1);
        socket.connect(&peer.into())?;
        Ok(Self(socket))
    }

    /// The next message from the host. A datagram socket takes replies from every host. The system
    /// is asked each time for the connected one: connections of all kinds are one type, and checks
    /// are few.
    pub(crate) fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let host = self.0.peer_addr()?.as_socket().map(|host| host.ip());
        for _ in 0..MAX_STRANGERS {
            let (_, length, from) = recvfrom(&self.0, &mut *into, RecvFlags::empty())?;
            let from = from.and_then(|from| SocketAddr::try_from(from).ok());
            if from.is_none_or(|from| Some(from.ip()) != host) {
                continue;
            }
            let packet = into.get(..length).unwrap_or_default();
            let message = without_ipv4_header(packet).len();
            if message > 0 {
                into.copy_within(length - message..length, 0);
                return Ok(message);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl AsFd for EchoSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open_either(host: IpAddr) -> io::Result<Socket> {
    let (domain, protocol) = match host {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let open = |kind| Socket::new(domain, kind, Some(protocol));
    let socket = open(Type::DGRAM).or_else(|_| open(Type::RAW))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Makes sure that backends at these addresses can be checked by echo, if they are to be.
///
/// # Errors
/// The system does not let us; says what would.
pub(crate) fn allow_check(
    check: Option<CheckKind>,
    backends: &[Vec<Address>],
) -> Result<(), BindError> {
    let Some(check) = check.filter(|check| check.transport() == CheckTransport::Echo) else {
        return Ok(());
    };
    let addresses = backends.iter().flatten().filter_map(Address::tcp);
    allow_echo(addresses.map(|address| address.ip()))
        .map_err(|error| error.with_flag("--health").with_value(check.name()))
}

/// Makes sure that echo messages can be exchanged with hosts of these kinds of address.
///
/// # Errors
/// The system does not let us; says what would.
pub(crate) fn allow_echo(hosts: impl Iterator<Item = IpAddr> + Clone) -> Result<(), BindError> {
    let one_of_each = [IpAddr::is_ipv4, IpAddr::is_ipv6].map(|is_kind| {
        let mut hosts = hosts.clone();
        hosts.find(is_kind)
    });
    let sockets = one_of_each.into_iter().flatten().map(open_either);
    let mut errors = sockets.filter_map(Result::err);
    // Other errors, as where there is no IPv6, are reported by each check.
    match errors.find(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        Some(error) => Err(refusal(error)),
        None => Ok(()),
    }
}

fn refusal(error: io::Error) -> BindError {
    BindError::new(
        BindErrorKind::PermissionDenied,
        "this user may not send echo requests",
        "allow its group to (sysctl -w net.ipv4.ping_group_range='0 2147483647'), \
         or give lb the capability CAP_NET_RAW (setcap cap_net_raw+ep FILE)",
    )
    .with_source(error)
}
