//! Everything that has an id: clients, links, exchanges.

use super::arena::{Arena, ClientId, ExchangeId, LinkId, OfClient, OfExchange, OfLink};
use super::client::Client;
use super::exchange::{Attempt, Exchange};
use super::link::Link;
use super::network::Network;
use crate::timers::Deadline;

/// All slots of a server.
pub(super) struct Slots<N: Network> {
    /// A connection that is gone leaves its deadline, and so what it has armed on the wheel, to
    /// the next in its slot: connections that come and go do not fill the wheel.
    pub(super) clients: Arena<OfClient, Client<N::Stream>, Deadline>,
    pub(super) links: Arena<OfLink, Link<N::Stream>, Deadline>,
    pub(super) exchanges: Arena<OfExchange, Exchange<N::Pipe>>,
}

/// The three an exchange at a backend is about.
pub(super) struct Parties<'a, N: Network> {
    pub(super) exchange: &'a mut Exchange<N::Pipe>,
    pub(super) client: &'a mut Client<N::Stream>,
    pub(super) link: &'a mut Link<N::Stream>,
}

impl<N: Network> Slots<N> {
    pub(super) fn new() -> Self {
        Self {
            clients: Arena::new(),
            links: Arena::new(),
            exchanges: Arena::new(),
        }
    }

    pub(super) fn remove_client(&mut self, id: ClientId) {
        let left = |client: &Client<_>| client.deadline.for_successor();
        self.clients.remove_leaving(id, left);
    }

    pub(super) fn remove_link(&mut self, id: LinkId) {
        let left = |link: &Link<_>| link.deadline.for_successor();
        self.links.remove_leaving(id, left);
    }

    /// Borrows an exchange with its client and its link, if it is at a backend.
    pub(super) fn parties(&mut self, id: ExchangeId) -> Option<Parties<'_, N>> {
        let exchange = self.exchanges.get_mut(id)?;
        let Attempt::At { link, .. } = exchange.attempt else {
            return None;
        };
        Some(Parties {
            client: self.clients.get_mut(exchange.client)?,
            link: self.links.get_mut(link)?,
            exchange,
        })
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use crate::server::exchange::Notes;
    use crate::server::link::LinkState;
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
        assert!(mem::offset_of!(Client<Stream>, address) <= line);
        assert!(mem::offset_of!(Link<Stream>, state) + size_of::<LinkState>() <= line);
    }

    #[test]
    fn what_an_answer_needs_of_an_exchange_is_in_its_first_lines() {
        type Known = Exchange<Pipe>;
        assert!(size_of::<Known>() <= 7 * LINE_BYTES - size_of::<u64>());
        let notes = mem::offset_of!(Known, notes) + mem::offset_of!(Notes, sent_at);
        assert!(notes <= 6 * LINE_BYTES);
    }
}
