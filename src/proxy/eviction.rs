//! Room for new clients at the limit of connections.
//!
//! An unused connection does not keep a newcomer out: the one that has lingered longest is closed
//! first, then the one that has been idle longest. Lingering connections have a limit of their own
//! besides, so that a flood of bad requests cannot fill the table with them.
//!
//! A search looks at every client, so it keeps the longest idle it finds for the next newcomers,
//! and is not repeated at once when it finds none.

use super::Proxy;
use super::client_conn::ClientConnState;
use super::network::Network;
use crate::ids::ClientConnId;
use crate::time::Timestamp;
use std::time::Duration;

/// Idle connections one search finds.
const FOUND_AT_ONCE: usize = 64;
/// A connection that was idle for a shorter time is spared: its next request may be on the way.
const MIN_IDLE: Duration = Duration::from_millis(100);
/// Time between a search that finds too little and the next.
const SEARCH_PAUSE: Duration = Duration::from_millis(50);

/// Connections to close for newcomers.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    /// Idle connections with the end of their idle timeout when they were found, the longest idle
    /// last.
    idle: Vec<(Timestamp, ClientConnId)>,
    next_search: Timestamp,
}

impl<N: Network> Proxy<N> {
    /// Closes one client connection that serves no exchange, at the end of this turn, for one that
    /// waits to be accepted. Returns whether there was one.
    pub fn make_room(&mut self, now: Timestamp) -> bool {
        let lingering = self.conns.longest_lingering();
        let Some(id) = lingering.or_else(|| self.longest_idle(now)) else {
            return false;
        };
        self.conns.close_client(id, &mut self.io.buffers);
        true
    }

    fn longest_idle(&mut self, now: Timestamp) -> Option<ClientConnId> {
        if let Some(id) = self.next_found() {
            return Some(id);
        }
        if now < self.evictions.next_search {
            return None;
        }
        self.search(now);
        self.next_found()
    }

    /// The next connection found that has been idle all the time since.
    fn next_found(&mut self) -> Option<ClientConnId> {
        while let Some((deadline, id)) = self.evictions.idle.pop() {
            if self.awaits_request(id) && self.timers.at(id) == deadline {
                return Some(id);
            }
        }
        None
    }

    /// Returns whether a client connection waits for a request of which nothing has arrived.
    fn awaits_request(&self, id: ClientConnId) -> bool {
        self.conns.clients.get(id).is_some_and(|client| {
            client.state == ClientConnState::Idle
                && client.conn.unread.is_none()
                && !client.conn.socket.may_read()
        })
    }

    fn search(&mut self, now: Timestamp) {
        let clients = self.conns.clients.iter();
        let deadlines = clients.map(|(id, client)| {
            let limit = client.listener.timeouts.keep_alive;
            (self.timers.at(id), limit, id)
        });
        let mut found: Vec<_> = deadlines
            .filter(|(deadline, limit, id)| {
                self.awaits_request(*id) && now + *limit >= *deadline + MIN_IDLE
            })
            .map(|(deadline, _, id)| (deadline, id))
            .collect();
        found.sort_unstable_by_key(|(deadline, id)| (*deadline, id.slot()));
        found.truncate(FOUND_AT_ONCE);
        found.reverse();
        if found.len() < FOUND_AT_ONCE {
            self.evictions.next_search = now + SEARCH_PAUSE;
        }
        self.evictions.idle = found;
    }
}
