//! The tables of client connections, backend connections and exchanges, and how connections close.
//!
//! Closing is decided anywhere and done in one phase at the end of the turn, or of a later one if
//! there are many, so an id that is valid
//! at the start of a phase is valid to its end.

use super::Progress;
use super::backend_conn::{AddressTry, BackendConn, BackendConnState};
use super::client_conn::{ClientConn, ClientConnState};
use super::exchange::{Attempt, Exchange};
use super::network::{Network, Token};
use super::timers::Timers;
use crate::address::Address;
use crate::ids::{
    BackendConnId, BackendConnTag, ClientConnId, ClientConnTag, ExchangeId, ExchangeTag, Table,
};
use crate::pool::IdleConns;
use crate::time::Timestamp;
use crate::transport::{Buffers, Received};
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::time::Duration;

/// Time for which a client that may still be sending is read from after its last response.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// The whole time a client may linger, however much it sends. What it may send is bounded by the
/// reads of a turn, not in all: a client that sends its body before it reads would otherwise lose
/// the response (RFC 9112, section 9.6).
const MAX_LINGER_TIME: Duration = Duration::from_secs(30);
/// Client connections that linger at once. One more costs the one that has lingered longest the
/// rest of its time: a response is lost only if it is not acknowledged by then.
const MAX_LINGERING: usize = 1024;
/// Reads of discarded bytes in one go, so that others have their turn.
const LINGER_READS: usize = 4;

/// All connections and exchanges of a loop.
pub(super) struct Connections<N: Network> {
    pub(super) clients: Table<ClientConnTag, ClientConn<N::Stream>>,
    pub(super) backends: Table<BackendConnTag, BackendConn<N::Stream>>,
    pub(super) exchanges: Table<ExchangeTag, Exchange<N::Pipe>>,
    /// Lingering client connections, the longest lingering first. Those that lingered and are
    /// closed may still be among them.
    lingering: VecDeque<ClientConnId>,
    lingering_count: usize,
    closing_clients: VecDeque<ClientConnId>,
    closing_backends: VecDeque<BackendConnId>,
}

/// An exchange with its client and, if it is at a backend, the connection to that.
pub(super) struct Lent<'a, N: Network> {
    pub(super) exchange: &'a mut Exchange<N::Pipe>,
    pub(super) client: &'a mut ClientConn<N::Stream>,
    pub(super) backend: Option<&'a mut BackendConn<N::Stream>>,
}

impl<N: Network> Connections<N> {
    pub(super) fn new() -> Self {
        Self {
            clients: Table::new(),
            backends: Table::new(),
            exchanges: Table::new(),
            lingering: VecDeque::new(),
            lingering_count: 0,
            closing_clients: VecDeque::new(),
            closing_backends: VecDeque::new(),
        }
    }

    /// Borrows an exchange and its connections.
    pub(super) fn lend(&mut self, id: ExchangeId) -> Option<Lent<'_, N>> {
        let exchange = self.exchanges.get_mut(id)?;
        let client = self.clients.get_mut(exchange.client)?;
        let backend = match exchange.attempt {
            Attempt::At { conn, .. } => Some(self.backends.get_mut(conn)?),
            Attempt::None | Attempt::Queued => None,
        };
        Some(Lent {
            exchange,
            client,
            backend,
        })
    }

    /// Takes over an accepted connection.
    ///
    /// # Errors
    /// The system has no room to watch it; it is closed.
    pub(super) fn accept(
        &mut self,
        client: ClientConn<N::Stream>,
        network: &mut N,
    ) -> io::Result<ClientConnId> {
        let id = self.clients.insert(client);
        if let Some(client) = self.clients.get_mut(id) {
            let stream = client.conn.socket.io_mut().io_mut();
            if let Err(error) = network.register(stream, Token::ClientConn(id)) {
                self.clients.remove(id);
                return Err(error);
            }
        }
        Ok(id)
    }

    /// Opens a connection to the first of `addresses`, from `at` on, that does not fail at once.
    /// `make` makes a connection of a stream and its place in the round.
    ///
    /// # Errors
    /// That of the last address, or there is none.
    pub(super) fn connect(
        &mut self,
        network: &mut N,
        addresses: &[Address],
        mut at: AddressTry,
        make: impl FnOnce(N::Stream, AddressTry) -> BackendConn<N::Stream>,
    ) -> io::Result<BackendConnId> {
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        while let Some(index) = at.index(addresses.len())
            && let Some(address) = addresses.get(index)
        {
            match network.connect(address) {
                Ok(stream) => return self.insert_backend(make(stream, at), network),
                Err(error) => result = Err(error),
            }
            at = at.next();
        }
        result
    }

    fn insert_backend(
        &mut self,
        conn: BackendConn<N::Stream>,
        network: &mut N,
    ) -> io::Result<BackendConnId> {
        let id = self.backends.insert(conn);
        if let Some(backend) = self.backends.get_mut(id) {
            let stream = backend.conn.socket.io_mut().io_mut();
            if let Err(error) = network.register(stream, Token::BackendConn(id)) {
                self.backends.remove(id);
                return Err(error);
            }
        }
        Ok(id)
    }
}

/// Closing.
impl<N: Network> Connections<N> {
    /// Closes a client connection at the end of this turn.
    pub(super) fn close_client(&mut self, id: ClientConnId, buffers: &mut Buffers) {
        if let Some(client) = self.clients.get_mut(id)
            && client.state != ClientConnState::Closed
        {
            if let ClientConnState::Lingering { .. } = client.state {
                self.lingering_count -= 1;
            }
            // Between requests it is no break, and TLS says so.
            if client.state == ClientConnState::Idle && client.conn.socket.io().is_secure() {
                client.conn.socket.finish();
            }
            client.state = ClientConnState::Closed;
            buffers.give_some(client.conn.unread.take());
            self.closing_clients.push_back(id);
        }
    }

    /// Closes a backend connection at the end of this turn; an idle one leaves `idle`.
    pub(super) fn close_backend(
        &mut self,
        id: BackendConnId,
        idle: &mut IdleConns,
        buffers: &mut Buffers,
    ) {
        let Some(conn) = self.backends.get_mut(id) else {
            return;
        };
        let state = mem::replace(&mut conn.state, BackendConnState::Closed);
        let backend = conn.backend;
        buffers.give_some(conn.conn.unread.take());
        match state {
            BackendConnState::Closed => return,
            BackendConnState::Idle { place } => {
                let moved = idle.remove(backend, place);
                if let Some(moved) = moved.and_then(|id| self.backends.get_mut(id)) {
                    moved.state = BackendConnState::Idle { place };
                }
            }
            BackendConnState::Connecting(_) | BackendConnState::Busy(_) => {}
        }
        self.closing_backends.push_back(id);
    }

    /// Client connections that serve no exchange and have sent nothing of one.
    pub(super) fn idle_clients(&self) -> Vec<ClientConnId> {
        let is_idle = |client: &ClientConn<_>| {
            matches!(
                client.state,
                ClientConnState::Idle | ClientConnState::ProxyHeader | ClientConnState::Handshake
            )
        };
        let clients = self.clients.iter();
        let idle = clients.filter(|(_, client)| is_idle(client));
        idle.map(|(id, _)| id).collect()
    }

    /// Backend connections that serve no exchange.
    pub(super) fn idle_backends(&self) -> Vec<BackendConnId> {
        let is_idle = |conn: &BackendConn<_>| matches!(conn.state, BackendConnState::Idle { .. });
        let idle = self.backends.iter().filter(|(_, conn)| is_idle(conn));
        idle.map(|(id, _)| id).collect()
    }

    /// The closing phase: frees up to `limit` of the connections to the clients, and as many of
    /// those to backends.
    #[inline(never)]
    pub(super) fn close_some(&mut self, limit: usize, timers: &mut Timers) -> Progress {
        let clients = limit.min(self.closing_clients.len());
        for id in self.closing_clients.drain(..clients) {
            timers.clear(id);
            self.clients.remove(id);
        }
        let backends = limit.min(self.closing_backends.len());
        for id in self.closing_backends.drain(..backends) {
            timers.clear(id);
            self.backends.remove(id);
        }
        match self.has_closed() {
            true => Progress::More,
            false => Progress::Done,
        }
    }

    /// Returns whether anything was closed that is not freed yet.
    pub(super) fn has_closed(&self) -> bool {
        !self.closing_clients.is_empty() || !self.closing_backends.is_empty()
    }
}

/// Lingering.
impl<N: Network> Connections<N> {
    /// Returns whether more has come from a client that has its last response.
    pub(super) fn has_input(&self, id: ClientConnId) -> bool {
        let client = self.clients.get(id);
        client.is_some_and(|c| c.conn.unread.is_some() || c.conn.socket.may_read())
    }

    /// Ends the sending side of a client connection and closes it at the end of this turn. The
    /// sending side is ended first: bytes that arrive before the close cannot cost the client a
    /// response that is still held back.
    pub(super) fn finish_client(&mut self, id: ClientConnId, buffers: &mut Buffers) {
        if let Some(client) = self.clients.get_mut(id) {
            client.conn.socket.finish();
            self.close_client(id, buffers);
        }
    }

    /// Ends the sending side and discards input for a while, so that the response is not lost.
    pub(super) fn linger(
        &mut self,
        id: ClientConnId,
        buffers: &mut Buffers,
        timers: &mut Timers,
        now: Timestamp,
    ) {
        if let Some(client) = self.clients.get_mut(id) {
            client.conn.socket.finish();
            let until = now + MAX_LINGER_TIME;
            client.state = ClientConnState::Lingering { until };
            buffers.give_some(client.conn.unread.take());
            timers.set(id, now + LINGER_TIMEOUT);
            self.note_lingering(id, buffers);
        }
    }

    /// Keeps lingering connections within their limit: closes the one that has lingered longest.
    fn note_lingering(&mut self, id: ClientConnId, buffers: &mut Buffers) {
        self.lingering_count += 1;
        self.lingering.push_back(id);
        if self.lingering_count > MAX_LINGERING
            && let Some(longest) = self.longest_lingering()
        {
            self.close_client(longest, buffers);
        }
        if self.lingering.len() > 2 * MAX_LINGERING {
            let clients = &self.clients;
            self.lingering.retain(|id| is_lingering(clients, *id));
        }
    }

    /// The client connection that has lingered longest.
    pub(super) fn longest_lingering(&mut self) -> Option<ClientConnId> {
        while let Some(id) = self.lingering.front().copied() {
            if is_lingering(&self.clients, id) {
                return Some(id);
            }
            self.lingering.pop_front();
        }
        None
    }

    /// Discards what a lingering client sends, which extends its time. Returns whether there may be
    /// more to discard.
    pub(super) fn discard(
        &mut self,
        id: ClientConnId,
        scratch: &mut [u8],
        buffers: &mut Buffers,
        timers: &mut Timers,
        now: Timestamp,
    ) -> bool {
        let Some(client) = self.clients.get_mut(id) else {
            return false;
        };
        let ClientConnState::Lingering { until } = client.state else {
            return false;
        };
        let socket = &mut client.conn.socket;
        // After the end of the client's stream nothing can arrive that closing would reset.
        let mut is_over = socket.has_ended() || now >= until;
        let mut has_moved = false;
        for _ in 0..LINGER_READS {
            if is_over || !socket.may_read() {
                break;
            }
            match socket.recv(scratch) {
                Received::Bytes(_) => has_moved = true,
                Received::Blocked => break,
                Received::End | Received::Failed => is_over = true,
            }
        }
        if is_over {
            self.close_client(id, buffers);
            return false;
        }
        let may_read = socket.may_read();
        if has_moved {
            timers.set(id, until.min(now + LINGER_TIMEOUT));
        }
        may_read
    }
}

fn is_lingering<T>(clients: &Table<ClientConnTag, ClientConn<T>>, id: ClientConnId) -> bool {
    let client = clients.get(id);
    client.is_some_and(|client| matches!(client.state, ClientConnState::Lingering { .. }))
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use crate::proxy::exchange::ExchangeStats;
    use std::num::NonZeroU32;

    /// As large as the connections of the system: a descriptor and its kind.
    type Stream = (u32, i32);
    /// Two descriptors.
    type Pipe = (NonZeroU32, NonZeroU32);
    const LINE_BYTES: usize = 64;

    #[test]
    fn hot_fields_of_a_connection_are_in_its_first_line() {
        let line = LINE_BYTES - size_of::<u64>();
        assert!(mem::offset_of!(ClientConn<Stream>, listener) <= line);
        let state = mem::offset_of!(BackendConn<Stream>, state);
        assert!(state + size_of::<BackendConnState>() <= line);
    }

    #[test]
    fn hot_fields_of_an_exchange_are_in_its_first_lines() {
        type Known = Exchange<Pipe>;
        assert!(size_of::<Known>() <= 7 * LINE_BYTES - size_of::<u64>());
        let stats = mem::offset_of!(Known, stats) + mem::offset_of!(ExchangeStats, sent_at);
        assert!(stats <= 6 * LINE_BYTES);
    }
}
