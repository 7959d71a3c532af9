//! Backends that have no room for another connection at this moment.
//!
//! A UNIX socket whose backlog is full refuses a connection at once (`EAGAIN`), where one by TCP
//! would wait until the server accepts. That says nothing but that the server is busy: the backend
//! is given nothing for a moment, as one at its limit, so that exchanges go to another or wait in
//! the queue. One that has had no room for as long as a connection may take is unreachable, as it
//! would be by TCP. The same holds for an address to which all local ports are taken, but that tells
//! nothing of the backend however long it lasts.

use super::members::Members;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::time::Duration;

/// A backend that was not asked for a connection for so long may have had room meanwhile.
const MEMORY: Duration = Duration::from_secs(1);

/// The time for which a backend has had no room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    since: Timestamp,
    last_at: Timestamp,
}

impl Congestion {
    /// It had no room once more; `None` if that has been so for as long as `patience`.
    fn once_more(before: Option<Self>, patience: Duration, now: Timestamp) -> Option<Self> {
        let since = match before.filter(|it| now.since(it.last_at) < MEMORY) {
            Some(it) => it.since,
            None => now,
        };
        let last_at = now;
        (now.since(since) < patience).then_some(Self { since, last_at })
    }
}

impl Members {
    /// A backend had no room for a connection: for a moment it is given no exchange. Returns
    /// whether it has been so for less than `patience`.
    #[cold]
    pub(super) fn congested(
        &mut self,
        backend: BackendId,
        patience: Duration,
        now: Timestamp,
    ) -> bool {
        let slot = backend.slot();
        let (Some(candidate), Some(known)) =
            (self.candidates.get_mut(slot), self.backends.get_mut(slot))
        else {
            return false;
        };
        known.congestion = Congestion::once_more(known.congestion, patience, now);
        if known.congestion.is_some() {
            known.max_in_flight = 0;
            known.judge(candidate);
        }
        known.congestion.is_some()
    }

    /// A backend has accepted a connection.
    pub(super) fn accepted(&mut self, backend: BackendId) {
        if let Some(known) = self.backends.get_mut(backend.slot()) {
            known.congestion = None;
        }
    }

    /// Lets backends that had no room be asked again.
    pub(super) fn end_congestion(&mut self) {
        let places = self.places;
        for (known, candidate) in self.backends.iter_mut().zip(&mut self.candidates) {
            if known.is_congested() {
                known.max_in_flight = known.own_max.min(places);
                known.judge(candidate);
            }
        }
    }
}
