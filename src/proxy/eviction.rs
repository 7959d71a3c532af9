//! Room for new clients at the limit of connections.
//!
//! An unused connection does not keep a newcomer out: the one that has lingered longest is closed
//! first, then the one that has been idle longest, then the one whose request head, or PROXY header,
//! has been incomplete longest. Lingering connections have a limit of their own
//! besides, so that a flood of bad requests cannot fill the table with them.
//!
//! A search looks at every client, so it keeps the longest idle it finds for the next newcomers,
//! and is not repeated at once when it finds none.

use super::client_conn::{ClientConn, ClientConnState};
use super::connections::Connections;
use super::network::Network;
use super::timers::Timers;
use crate::ids::ClientConnId;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::time::Duration;

/// Connections one search finds.
const FOUND_AT_ONCE: usize = 64;
/// A connection that was idle for a shorter time is spared: its next request may be on the way.
const MIN_IDLE: Duration = Duration::from_millis(100);
/// A head that is younger is spared: a slow network may have lost a packet of it.
const MIN_HEAD_AGE: Duration = Duration::from_secs(2);
/// Time between a search that finds too little and the next.
const SEARCH_PAUSE: Duration = Duration::from_millis(50);

/// Connections to close for newcomers.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    /// Those found, the first to close last.
    found: Vec<Unused>,
    next_search: Timestamp,
}

/// A connection that waits for a request, or for the rest of one.
#[derive(Debug)]
struct Unused {
    id: ClientConnId,
    state: ClientConnState,
    /// The end of its timeout when it was found.
    deadline: Timestamp,
}

impl Unused {
    /// Returns the connection if it has waited long enough to be closed.
    fn of<T: Transport>(
        id: ClientConnId,
        client: &ClientConn<T>,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let timeouts = &client.listener.timeouts;
        let state = client.state;
        let (timeout, min_age) = match state {
            ClientConnState::Idle if client.awaits_request() => (timeouts.keep_alive, MIN_IDLE),
            // What has arrived and not been read may complete it.
            ClientConnState::Head | ClientConnState::ProxyHeader
                if !client.is_runnable && !client.conn.socket.may_read() =>
            {
                (timeouts.head, MIN_HEAD_AGE)
            }
            _ => return None,
        };
        let is_old = now + timeout >= deadline + min_age;
        is_old.then_some(Self {
            id,
            state,
            deadline,
        })
    }

    /// Idle ones first, then the order of their deadlines.
    fn order(&self) -> (bool, Timestamp, usize) {
        let is_idle = self.state == ClientConnState::Idle;
        (!is_idle, self.deadline, self.id.slot())
    }
}

impl Evictions {
    /// The client connection to close for one that waits to be accepted, if there is one that
    /// serves no exchange.
    pub(super) fn next<N: Network>(
        &mut self,
        conns: &mut Connections<N>,
        timers: &Timers,
        now: Timestamp,
    ) -> Option<ClientConnId> {
        let lingering = conns.longest_lingering();
        lingering.or_else(|| self.longest_unused(conns, timers, now))
    }

    fn longest_unused<N: Network>(
        &mut self,
        conns: &Connections<N>,
        timers: &Timers,
        now: Timestamp,
    ) -> Option<ClientConnId> {
        if let Some(id) = self.next_found(conns, timers, now) {
            return Some(id);
        }
        if now < self.next_search {
            return None;
        }
        self.search(conns, timers, now);
        self.next_found(conns, timers, now)
    }

    /// The next connection found that has been unused all the time since.
    fn next_found<N: Network>(
        &mut self,
        conns: &Connections<N>,
        timers: &Timers,
        now: Timestamp,
    ) -> Option<ClientConnId> {
        while let Some(found) = self.found.pop() {
            let client = conns.clients.get(found.id);
            let deadline = timers.at(found.id);
            let is_unused = client
                .and_then(|client| Unused::of(found.id, client, deadline, now))
                .is_some_and(|it| (it.state, it.deadline) == (found.state, found.deadline));
            if is_unused {
                return Some(found.id);
            }
        }
        None
    }

    fn search<N: Network>(&mut self, conns: &Connections<N>, timers: &Timers, now: Timestamp) {
        let clients = conns.clients.iter();
        let mut found: Vec<_> = clients
            .filter_map(|(id, client)| Unused::of(id, client, timers.at(id), now))
            .collect();
        found.sort_unstable_by_key(Unused::order);
        found.truncate(FOUND_AT_ONCE);
        found.reverse();
        if found.len() < FOUND_AT_ONCE {
            self.next_search = now + SEARCH_PAUSE;
        }
        self.found = found;
    }
}
