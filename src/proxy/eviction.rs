//! Room for new clients at the limit of connections.
//!
//! An unused connection does not keep a newcomer out: the one that has lingered longest is closed
//! first, then the one that has been idle longest. Lingering connections have a limit of their own
//! besides, so that a flood of bad requests cannot fill the table with them.
//!
//! A search looks at every client, so it keeps the longest idle it finds for the next newcomers,
//! and is not repeated at once when it finds none.

use super::client_conn::ClientConn;
use super::connections::Connections;
use super::network::Network;
use super::timers::Timers;
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
        lingering.or_else(|| self.longest_idle(conns, timers, now))
    }

    fn longest_idle<N: Network>(
        &mut self,
        conns: &Connections<N>,
        timers: &Timers,
        now: Timestamp,
    ) -> Option<ClientConnId> {
        if let Some(id) = self.next_found(conns, timers) {
            return Some(id);
        }
        if now < self.next_search {
            return None;
        }
        self.search(conns, timers, now);
        self.next_found(conns, timers)
    }

    /// The next connection found that has been idle all the time since.
    fn next_found<N: Network>(
        &mut self,
        conns: &Connections<N>,
        timers: &Timers,
    ) -> Option<ClientConnId> {
        while let Some((deadline, id)) = self.idle.pop() {
            if conns
                .clients
                .get(id)
                .is_some_and(ClientConn::awaits_request)
                && timers.at(id) == deadline
            {
                return Some(id);
            }
        }
        None
    }

    fn search<N: Network>(&mut self, conns: &Connections<N>, timers: &Timers, now: Timestamp) {
        let idle = conns
            .clients
            .iter()
            .filter(|(_, client)| client.awaits_request());
        let deadlines = idle.map(|(id, client)| {
            let limit = client.listener.timeouts.keep_alive;
            (timers.at(id), limit, id)
        });
        let mut found: Vec<_> = deadlines
            .filter(|(deadline, limit, _)| now + *limit >= *deadline + MIN_IDLE)
            .map(|(deadline, _, id)| (deadline, id))
            .collect();
        found.sort_unstable_by_key(|(deadline, id)| (*deadline, id.slot()));
        found.truncate(FOUND_AT_ONCE);
        found.reverse();
        if found.len() < FOUND_AT_ONCE {
            self.next_search = now + SEARCH_PAUSE;
        }
        self.idle = found;
    }
}
