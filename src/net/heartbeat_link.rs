//! A sender's way to one balancer: a UDP socket, or a TCP connection, opened again and again.
//!
//! Nothing comes back from a balancer, so success is the absence of failure: a balancer counts as
//! reached when, by the time something else is sent, no error has come for the message before.
//! There is no waiting: a connection that fails, takes too long or does not take a message at once
//! is closed, and the next address of the balancer has its turn.

use crate::address::HostPort;
use crate::heartbeat::framed;
use crate::time::Timestamp;
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Time limit for a connection, and for the acknowledgement of what was sent on it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A balancer can be reached, or not any more.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reachability {
    /// Which balancer.
    pub target: HostPort,
    /// The failure; `None`: it can be reached.
    pub failure: Option<io::Error>,
}

/// A way to one balancer.
#[derive(Debug)]
pub(super) struct HeartbeatLink {
    target: HostPort,
    addresses: Vec<SocketAddr>,
    /// Number of them that have had their turn.
    turns: usize,
    /// The one that was used last.
    current: Option<SocketAddr>,
    token: Token,
    by_tcp: bool,
    line: Line,
    /// The last heartbeat.
    message: Vec<u8>,
    /// True if something was sent since the line was opened.
    has_sent: bool,
    is_reached: Option<bool>,
}

#[derive(Debug)]
enum Line {
    Down,
    Datagrams(UdpSocket),
    Connecting { stream: TcpStream, since: Timestamp },
    Connected(TcpStream),
}

/// An event of the link.
impl HeartbeatLink {
    /// A way that was not used yet. `by_tcp` or by UDP.
    pub(super) fn new(
        target: HostPort,
        addresses: Vec<SocketAddr>,
        by_tcp: bool,
        token: Token,
    ) -> Self {
        Self {
            target,
            addresses,
            turns: 0,
            current: None,
            token,
            by_tcp,
            line: Line::Down,
            message: Vec::new(),
            has_sent: false,
            is_reached: None,
        }
    }

    /// Takes the addresses that the balancer has now. Returns whether it has moved: the line to
    /// its old address is closed, and the last heartbeat is to be sent again.
    pub(super) fn resolved(&mut self, addresses: Vec<SocketAddr>) -> bool {
        self.addresses = addresses;
        let current = self.current.take_if(|used| !self.addresses.contains(used));
        if current.is_none() {
            return false;
        }
        self.line = Line::Down;
        self.has_sent = false;
        self.turns = 0;
        true
    }

    /// Returns whether nothing is known against what was sent last.
    pub(super) fn is_reached(&self) -> bool {
        self.is_reached == Some(true)
    }

    /// Sends a new heartbeat.
    pub(super) fn send(
        &mut self,
        message: &[u8],
        registry: &Registry,
        now: Timestamp,
    ) -> Option<Reachability> {
        self.message = message.to_vec();
        let before = self.confirm(now);
        let after = self.open(registry, now).and_then(|()| self.deliver());
        after
            .map_or_else(|error| self.failed(error), |()| None)
            .or(before)
    }

    /// Sends the last one again, by UDP; TCP does that by itself, once it is connected.
    pub(super) fn repeat(&mut self, registry: &Registry, now: Timestamp) -> Option<Reachability> {
        let before = self.confirm(now);
        if let Line::Connected(_) = self.line {
            return before;
        }
        let after = self.open(registry, now).and_then(|()| self.deliver());
        after
            .map_or_else(|error| self.failed(error), |()| None)
            .or(before)
    }

    /// Finds out what became of what was sent before.
    pub(super) fn confirm(&mut self, now: Timestamp) -> Option<Reachability> {
        let failure = match &mut self.line {
            Line::Down => return None,
            Line::Connecting { since, .. } if now.since(*since) < PATIENCE => return None,
            Line::Connecting { .. } => Some(io::ErrorKind::TimedOut.into()),
            Line::Datagrams(socket) => socket.take_error().ok().flatten(),
            Line::Connected(stream) => ending_of(stream),
        };
        match failure {
            Some(error) => self.failed(error),
            None if self.has_sent => self.note(None),
            None => None,
        }
    }

    /// There was an event for its connection.
    pub(super) fn ready(&mut self) -> Option<Reachability> {
        match mem::replace(&mut self.line, Line::Down) {
            Line::Connecting { stream, since } => match stream.take_error() {
                Ok(None) if stream.peer_addr().is_ok() => {
                    self.line = Line::Connected(stream);
                    self.deliver().err().and_then(|error| self.failed(error))
                }
                Ok(None) => {
                    self.line = Line::Connecting { stream, since };
                    None
                }
                Ok(Some(error)) | Err(error) => self.failed(error),
            },
            Line::Connected(mut stream) => match ending_of(&mut stream) {
                Some(error) => self.failed(error),
                None => {
                    self.line = Line::Connected(stream);
                    None
                }
            },
            line @ (Line::Down | Line::Datagrams(_)) => {
                self.line = line;
                None
            }
        }
    }
}

/// The steps.
impl HeartbeatLink {
    /// Opens a line if there is none.
    fn open(&mut self, registry: &Registry, now: Timestamp) -> io::Result<()> {
        let Line::Down = self.line else {
            return Ok(());
        };
        let turn = self.turns % self.addresses.len().max(1);
        let Some(address) = self.addresses.get(turn).copied() else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        self.current = Some(address);
        self.line = if self.by_tcp {
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_user_timeout(Some(PATIENCE))?;
            registry.register(
                &mut stream,
                self.token,
                Interest::READABLE | Interest::WRITABLE,
            )?;
            Line::Connecting { stream, since: now }
        } else {
            let any: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
            // So that the system reports datagrams that find no receiver.
            socket.connect(address)?;
            Line::Datagrams(socket)
        };
        Ok(())
    }

    /// Sends the last heartbeat, unless the connection is still being made.
    fn deliver(&mut self) -> io::Result<()> {
        match &mut self.line {
            Line::Down | Line::Connecting { .. } => return Ok(()),
            Line::Datagrams(socket) => match socket.send(&self.message) {
                // The next will do.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => drop(sent?),
            },
            Line::Connected(stream) => {
                let message = framed(&self.message);
                // A receiver that does not take one message is far behind; part of one would be
                // garbage.
                if stream.write(&message)? < message.len() {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
        }
        self.has_sent = true;
        Ok(())
    }

    fn failed(&mut self, error: io::Error) -> Option<Reachability> {
        self.line = Line::Down;
        self.has_sent = false;
        self.turns = self.turns.wrapping_add(1);
        self.note(Some(error))
    }

    /// Notes whether the balancer can be reached. Returns whether that has changed.
    fn note(&mut self, failure: Option<io::Error>) -> Option<Reachability> {
        let is_reached = failure.is_none();
        let before = self.is_reached.replace(is_reached);
        // It is to be expected at first.
        (before.unwrap_or(true) != is_reached).then(|| Reachability {
            target: self.target.clone(),
            failure,
        })
    }
}

/// Returns how a connection has ended, if it has. A balancer says nothing, so there is nothing to
/// read.
fn ending_of(stream: &mut TcpStream) -> Option<io::Error> {
    match stream.read(&mut [0; 64]) {
        Ok(0) => Some(io::ErrorKind::ConnectionAborted.into()),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => Some(error),
    }
}
