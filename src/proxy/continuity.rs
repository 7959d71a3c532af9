//! Whether client connections go on after the exchange they serve: as they are, under other
//! settings, or not at all.
//!
//! An exchange keeps the settings it began with; a connection takes new ones between two exchanges.
//! A connection that rests takes them at once. Those that are busy are found when their exchange
//! ends, and only while there are any: a plain request pays for none of this.

use super::LAST_REQUEST_TIME;
use super::client_conn::ClientConnState;
use super::listener::Listener;
use super::network::Network;
use super::traffic::Traffic;
use crate::ids::ClientConnId;
use crate::time::Timestamp;
use std::sync::Arc;

/// Whether client connections go on after their exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// They do.
    Unchanged,
    /// They do, but those whose listener has other settings, or is removed, are looked at.
    Renewing,
    /// They do not: the proxy stops.
    Stopping,
}

impl Continuity {
    /// Returns whether the response that comes next is the last of its connection.
    pub(crate) fn closes(self, listener: &Listener) -> bool {
        match self {
            Self::Unchanged => false,
            Self::Renewing => listener.is_closing,
            Self::Stopping => true,
        }
    }

    /// Returns whether the proxy stops.
    pub(crate) fn is_stopping(self) -> bool {
        self == Self::Stopping
    }
}

/// Listeners that are not the present ones, and that connections still hold.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    /// Each with the one in its place.
    replaced: Vec<(Arc<Listener>, Arc<Listener>)>,
    closing: Vec<Closing>,
}

/// A listener that is removed.
#[derive(Debug)]
struct Closing {
    listener: Arc<Listener>,
    /// True while the table of listeners has it, for connections that another worker hands on.
    is_listed: bool,
}

impl Superseded {
    /// `old` gives way to `new`.
    fn replace(&mut self, old: Arc<Listener>, new: &Arc<Listener>) {
        for (_, successor) in &mut self.replaced {
            if Arc::ptr_eq(successor, &old) {
                *successor = Arc::clone(new);
            }
        }
        self.replaced.push((old, Arc::clone(new)));
    }

    /// Connections are under a listener that closes.
    fn close(&mut self, listener: &Arc<Listener>) {
        let mut known = self.closing.iter();
        if !known.any(|it| Arc::ptr_eq(&it.listener, listener)) {
            self.closing.push(Closing {
                listener: Arc::clone(listener),
                is_listed: true,
            });
        }
    }

    /// The table has a listener no more.
    fn unlist(&mut self, listener: &Arc<Listener>) {
        let mut closing = self.closing.iter_mut();
        if let Some(known) = closing.find(|it| Arc::ptr_eq(&it.listener, listener)) {
            known.is_listed = false;
        }
    }

    fn successor(&self, of: &Arc<Listener>) -> Option<&Arc<Listener>> {
        let mut replaced = self.replaced.iter();
        let found = replaced.find(|(old, _)| Arc::ptr_eq(old, of));
        found.map(|(_, new)| new)
    }

    /// Forgets those that no connection holds any more. Returns whether none is left.
    fn tidy(&mut self) -> bool {
        self.replaced.retain(|(old, _)| Arc::strong_count(old) > 1);
        let is_held = |it: &Closing| {
            let own = 1 + usize::from(it.is_listed);
            Arc::strong_count(&it.listener) > own
        };
        self.closing.retain(is_held);
        self.replaced.is_empty() && self.closing.is_empty()
    }
}

impl<N: Network> Traffic<N> {
    /// Has the connections of `old` go on under `new`, which stands in its place. Those of one that
    /// closes are told so by their next response; those that rest are closed, a moment later if
    /// they were just served, as their next request may be on its way.
    pub(super) fn supersede(&mut self, old: Arc<Listener>, new: &Arc<Listener>, now: Timestamp) {
        let is_closing = new.is_closing;
        for id in self.conns.clients.ids() {
            let Some(client) = self.conns.clients.get_mut(id) else {
                continue;
            };
            if !Arc::ptr_eq(&client.listener, &old) {
                continue;
            }
            // One that closes has the settings it had.
            let is_busy = matches!(client.state, ClientConnState::Busy(_));
            if is_closing || !is_busy {
                client.listener = Arc::clone(new);
            }
            if is_closing && client.state == ClientConnState::Idle {
                self.close_soon(id, now);
            }
        }
        match is_closing {
            true => self.superseded.close(new),
            false => self.superseded.replace(old, new),
        }
        self.look_at_connections();
    }

    /// A connection comes by a listener that was removed meanwhile: another worker handed it on.
    #[cold]
    pub(super) fn note_closing(&mut self, listener: &Arc<Listener>) {
        self.superseded.close(listener);
        self.look_at_connections();
    }

    /// No connection comes by a listener any more.
    pub(super) fn unlist(&mut self, listener: Arc<Listener>) {
        self.superseded.unlist(&listener);
        drop(listener);
        self.settle_continuity();
    }

    fn look_at_connections(&mut self) {
        if self.continuity == Continuity::Unchanged {
            self.continuity = Continuity::Renewing;
        }
    }

    /// Stops looking at connections when none is left to look at.
    fn settle_continuity(&mut self) {
        if self.superseded.tidy() && self.continuity == Continuity::Renewing {
            self.continuity = Continuity::Unchanged;
        }
    }

    /// Closes a connection that waits for a request: a moment later if it was just served.
    pub(super) fn close_soon(&mut self, id: ClientConnId, now: Timestamp) {
        match self.was_active(id, now) {
            true => self.timers.set(id, now + LAST_REQUEST_TIME),
            false => self.conns.close_client(id, &mut self.io.buffers),
        }
    }

    /// An exchange is over whose response said that the connection goes on: it waits for the next
    /// request, for a moment only if it is to close.
    #[cold]
    pub(super) fn await_request_renewed(&mut self, id: ClientConnId, now: Timestamp) {
        let Some(client) = self.conns.clients.get_mut(id) else {
            return;
        };
        if let Some(new) = self.superseded.successor(&client.listener) {
            client.listener = Arc::clone(new);
        }
        let closes = self.continuity.closes(&client.listener);
        self.await_request(id, now);
        if closes {
            self.timers.set(id, now + LAST_REQUEST_TIME);
        }
        self.settle_continuity();
    }
}
