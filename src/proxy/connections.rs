//! Everything that has an id: clients, links, exchanges.

use super::arena::{
    Arena, BackendConnId, ClientConnId, ExchangeId, OfBackendConn, OfClientConn, OfExchange,
};
use super::backend_conn::BackendConn;
use super::client_conn::ClientConn;
use super::exchange::{Attempt, Exchange};
use super::network::Network;
use crate::timers::Deadline;

/// All slots of a server.
pub(super) struct Connections<N: Network> {
    /// A connection that is gone leaves its deadline, and so what it has armed on the wheel, to
    /// the next in its slot: connections that come and go do not fill the wheel.
    pub(super) clients: Arena<OfClientConn, ClientConn<N::Stream>, Deadline>,
    pub(super) backends: Arena<OfBackendConn, BackendConn<N::Stream>, Deadline>,
    pub(super) exchanges: Arena<OfExchange, Exchange<N::Pipe>>,
}

/// The three an exchange at a backend is about.
pub(super) struct ExchangeIo<'a, N: Network> {
    pub(super) exchange: &'a mut Exchange<N::Pipe>,
    pub(super) client: &'a mut ClientConn<N::Stream>,
    pub(super) link: &'a mut BackendConn<N::Stream>,
}

impl<N: Network> Connections<N> {
    pub(super) fn new() -> Self {
        Self {
            clients: Arena::new(),
            backends: Arena::new(),
            exchanges: Arena::new(),
        }
    }

    pub(super) fn remove_client(&mut self, id: ClientConnId) {
        let left = |client: &ClientConn<_>| client.deadline.for_successor();
        self.clients.remove_leaving(id, left);
    }

    pub(super) fn remove_link(&mut self, id: BackendConnId) {
        let left = |link: &BackendConn<_>| link.deadline.for_successor();
        self.backends.remove_leaving(id, left);
    }

    /// Borrows an exchange with its client and its link, if it is at a backend.
    pub(super) fn io(&mut self, id: ExchangeId) -> Option<ExchangeIo<'_, N>> {
        let exchange = self.exchanges.get_mut(id)?;
        let Attempt::At { link, .. } = exchange.attempt else {
            return None;
        };
        Some(ExchangeIo {
            client: self.clients.get_mut(exchange.client)?,
            link: self.backends.get_mut(link)?,
            exchange,
        })
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use crate::proxy::backend_conn::BackendConnState;
    use crate::proxy::exchange::ExchangeStats;
    use std::mem;
    use std::num::NonZeroU32;

    /// As large as the connections of the system: a descriptor and its kind.
    type Stream = (u32, i32);
    /// Two descriptors.
    type Pipe = (NonZeroU32, NonZeroU32);
    const LINE_BYTES: usize = 64;

    #[test]
    fn what_every_event_needs_of_a_connection_is_in_its_first_line() {
        let line = LINE_BYTES - size_of::<u64>();
        assert!(mem::offset_of!(ClientConn<Stream>, address) <= line);
        assert!(
            mem::offset_of!(BackendConn<Stream>, state) + size_of::<BackendConnState>() <= line
        );
    }

    #[test]
    fn what_an_answer_needs_of_an_exchange_is_in_its_first_lines() {
        type Known = Exchange<Pipe>;
        assert!(size_of::<Known>() <= 7 * LINE_BYTES - size_of::<u64>());
        let stats = mem::offset_of!(Known, stats) + mem::offset_of!(ExchangeStats, sent_at);
        assert!(stats <= 6 * LINE_BYTES);
    }
}
