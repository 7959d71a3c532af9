//! Everything that has an id: clients, links, exchanges.

use super::arena::{Arena, ExchangeId, OfClient, OfExchange, OfLink};
use super::client::Client;
use super::exchange::{Attempt, Exchange};
use super::link::Link;
use super::network::Network;

/// All slots of a server.
pub(super) struct Slots<N: Network> {
    pub(super) clients: Arena<OfClient, Client<N::Stream>>,
    pub(super) links: Arena<OfLink, Link<N::Stream>>,
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
