//! The proxy's view of the system: connections to backends, and events for its sockets.

use crate::address::Address;
use crate::health::{CheckId, CheckTransport};
use crate::heartbeat::HeartbeatConnId;
use crate::ids::{BackendConnId, ClientConnId};
use crate::route::Credentials;
use crate::transport::{Pipes, Transport};
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;

/// Which of the server's sockets an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A connection accepted from a client.
    ClientConn(ClientConnId),
    /// A connection made to a backend.
    BackendConn(BackendConnId),
    /// The socket of a health check.
    Check(CheckId),
    /// A connection accepted that brings heartbeats.
    HeartbeatConn(HeartbeatConnId),
}

impl Token {
    /// Packs the token into 63 bits, for an event queue.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        match self {
            Self::ClientConn(id) => id.to_bits(),
            Self::BackendConn(id) => id.to_bits() | BACKEND_CONN_BIT,
            Self::Check(id) => id.to_bits() | CHECK_BIT,
            Self::HeartbeatConn(id) => id.to_bits() | BACKEND_CONN_BIT | CHECK_BIT,
        }
    }

    /// Unpacks what [`to_bits`](Self::to_bits) packed.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let id = bits & !(BACKEND_CONN_BIT | CHECK_BIT);
        match (bits & BACKEND_CONN_BIT != 0, bits & CHECK_BIT != 0) {
            (false, false) => Self::ClientConn(ClientConnId::from_bits(id)),
            (true, false) => Self::BackendConn(BackendConnId::from_bits(id)),
            (false, true) => Self::Check(CheckId::from_bits(id)),
            (true, true) => Self::HeartbeatConn(HeartbeatConnId::from_bits(id)),
        }
    }
}

const BACKEND_CONN_BIT: u64 = 1 << 62;
const CHECK_BIT: u64 = 1 << 61;

/// The outside world as the server sees it. Dropping a stream closes it.
pub trait Network {
    /// A connection.
    type Stream: Transport<Pipe = Self::Pipe>;
    /// Carries bulk bytes between two connections.
    type Pipe: Debug;
    /// Source of pipes.
    type Pipes: Pipes<Pipe = Self::Pipe>;

    /// Starts connecting to a backend. The connection may still be under way when this returns;
    /// an event tells how it ended.
    ///
    /// # Errors
    /// The connection failed at once, or no descriptor is left.
    fn connect(&mut self, address: &Address) -> io::Result<Self::Stream>;

    /// Has credentials verified elsewhere, for a request of `client`, and says so by
    /// [`Message::Verified`](super::Message::Verified). Returns whether there is room for that.
    fn verify(&mut self, _client: ClientConnId, _credentials: Credentials) -> bool {
        false
    }

    /// Returns whether a connection to `backend` reaches what listens at `listener`.
    fn reaches(&self, backend: &Address, listener: &Address) -> bool {
        backend == listener
    }

    /// Opens a socket for echo messages to a host and back. Each read returns one ICMP message
    /// from that host, of any kind; a write sends one.
    ///
    /// # Errors
    /// There is no way to the host, no descriptor is left, or echo is not allowed or not known.
    fn open_echo(&mut self, _host: SocketAddr) -> io::Result<Self::Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Asks for events of `stream`, edge-triggered, for reading and writing, for its whole life.
    ///
    /// # Errors
    /// The system has no room for another registration.
    fn register(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// Opens the socket of a health check, with events for `token`.
    ///
    /// # Errors
    /// As those of [`connect`](Self::connect), [`open_echo`](Self::open_echo) and
    /// [`register`](Self::register).
    fn open_check(
        &mut self,
        address: &Address,
        transport: CheckTransport,
        token: Token,
    ) -> io::Result<Self::Stream> {
        let mut stream = match (transport, address) {
            (CheckTransport::Connection, _) => self.connect(address),
            (CheckTransport::Echo, Address::Tcp(host)) => self.open_echo(*host),
            (CheckTransport::Echo, Address::Unix(_)) => Err(io::ErrorKind::Unsupported.into()),
        }?;
        self.register(&mut stream, token)?;
        Ok(stream)
    }
}
