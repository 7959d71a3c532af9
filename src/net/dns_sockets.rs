//! The sockets of DNS: one for each attempt at a question.
//!
//! A UDP socket is connected, so that the system drops what does not come from the server, and is
//! bound to a port of the system's choice, which cannot be foreseen. Both kinds are non-blocking
//! and edge-triggered: they are read until nothing is left.

use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a datagram that are read; a reply without EDNS has 512 at most (RFC 1035, section
/// 4.2.1).
const DATAGRAM_BYTES: usize = 4096;
/// The length in front of a message of a stream.
const LENGTH_BYTES: usize = 2;
/// Datagrams read of one socket in one go. More are made up.
const MAX_DATAGRAMS: usize = 64;

/// The sockets of all attempts, by the number of the attempt.
#[derive(Debug)]
pub(crate) struct DnsSockets {
    registry: Registry,
    /// The token of the attempt 0.
    first: usize,
    sockets: HashMap<u64, Socket>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp(Stream),
}

/// A connection for one question.
#[derive(Debug)]
struct Stream {
    stream: TcpStream,
    /// What is still to be sent.
    unsent: Vec<u8>,
    received: Vec<u8>,
}

/// What has come for an attempt.
#[derive(Debug)]
pub(crate) enum Arrived {
    Message(Vec<u8>),
    Failed(String),
}

impl DnsSockets {
    /// No sockets yet. Their tokens are those from `first` up.
    pub(crate) fn new(registry: Registry, first: usize) -> Self {
        Self {
            registry,
            first,
            sockets: HashMap::new(),
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// The system refuses the socket, or knows no way to the server.
    pub(crate) fn send(&mut self, attempt: u64, to: SocketAddr, message: &[u8]) -> io::Result<()> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(to)?;
        let token = self.token(attempt);
        self.registry
            .register(&mut socket, token, Interest::READABLE)?;
        socket.send(message)?;
        self.sockets.insert(attempt, Socket::Udp(socket));
        Ok(())
    }

    /// Opens a connection for a message.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) fn open(&mut self, attempt: u64, to: SocketAddr, message: &[u8]) -> io::Result<()> {
        let mut stream = TcpStream::connect(to)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let token = self.token(attempt);
        self.registry.register(&mut stream, token, both)?;
        let length = (message.len() as u16).to_be_bytes();
        let stream = Stream {
            stream,
            unsent: [&length, message].concat(),
            received: Vec::new(),
        };
        self.sockets.insert(attempt, Socket::Tcp(stream));
        Ok(())
    }

    /// Closes the socket of an attempt.
    pub(crate) fn close(&mut self, attempt: u64) {
        // Closing a socket ends its events.
        self.sockets.remove(&attempt);
    }

    /// The attempt whose socket has this token, if it is one's.
    pub(crate) fn attempt(&self, token: Token) -> Option<u64> {
        let attempt = token.0.checked_sub(self.first)? as u64;
        self.sockets.contains_key(&attempt).then_some(attempt)
    }

    fn token(&self, attempt: u64) -> Token {
        Token(self.first + attempt as usize)
    }

    /// Goes on with a socket that has an event.
    pub(crate) fn ready(&mut self, attempt: u64) -> Vec<Arrived> {
        match self.sockets.get_mut(&attempt) {
            None => Vec::new(),
            Some(Socket::Udp(socket)) => datagrams(socket),
            Some(Socket::Tcp(stream)) => stream
                .go_on()
                .unwrap_or_else(|error| vec![Arrived::Failed(format!("by TCP: {error}"))]),
        }
    }
}

fn datagrams(socket: &UdpSocket) -> Vec<Arrived> {
    let mut arrived = Vec::new();
    let mut buffer = [0; DATAGRAM_BYTES];
    for _ in 0..MAX_DATAGRAMS {
        match socket.recv(&mut buffer) {
            Ok(count) => {
                let message = buffer.get(..count).unwrap_or_default();
                arrived.push(Arrived::Message(message.to_vec()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return arrived,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Such as the refusal of a port on which nothing listens.
            Err(error) => {
                arrived.push(Arrived::Failed(error.to_string()));
                return arrived;
            }
        }
    }
    arrived.push(Arrived::Failed("it sends too much".to_owned()));
    arrived
}

impl Stream {
    fn go_on(&mut self) -> io::Result<Vec<Arrived>> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if is_unready(&error) => return Ok(Vec::new()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut buffer = [0; DATAGRAM_BYTES];
        loop {
            if let Some(message) = self.message() {
                return Ok(vec![Arrived::Message(message)]);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.received.extend_from_slice(bytes);
                }
                Err(error) if is_unready(&error) => return Ok(Vec::new()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The message, when it is whole.
    fn message(&self) -> Option<Vec<u8>> {
        let (length, rest) = self.received.split_at_checked(LENGTH_BYTES)?;
        let length = u16::from_be_bytes(length.try_into().ok()?);
        rest.get(..usize::from(length)).map(<[u8]>::to_vec)
    }
}

fn is_unready(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

/// Returns whether this machine knows a way to an address. Sends nothing.
pub(crate) fn has_route(to: IpAddr) -> bool {
    let any: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0));
    socket.is_ok_and(|socket| socket.connect((to, 9)).is_ok())
}
