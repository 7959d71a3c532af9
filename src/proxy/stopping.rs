//! What is asked of a server from outside: to stop, and to say how it is.

use super::Proxy;
use super::backend_conn::BackendConnState;
use super::client_conn::ClientConnState;
use super::network::Network;
use crate::error::Fault;
use crate::telemetry::{BackendView, Metrics, Snapshot};
use crate::time::Timestamp;
use std::mem;
use std::time::Duration;

impl<N: Network> Proxy<N> {
    /// Begins to stop: idle connections are closed now, the others after the exchange they serve.
    /// No connection may be handed over from now on.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.stop_checks();
        self.stop_heartbeat_conns();
        for id in self.conns.clients.ids() {
            let state = self.conns.clients.get(id).map(|client| client.state);
            if matches!(
                state,
                Some(ClientConnState::Idle | ClientConnState::ProxyHeader)
            ) {
                self.close_client(id);
            }
        }
        for id in self.conns.backends.ids() {
            let state = self.conns.backends.get(id).map(|link| link.state);
            if matches!(state, Some(BackendConnState::Idle { .. })) {
                self.close_link(id);
            }
        }
    }

    /// Cuts what is still open off. Every exchange gets its record.
    pub fn abandon(&mut self, now: Timestamp) {
        self.stopping = true;
        for id in self.conns.exchanges.ids() {
            self.fail(id, Fault::ShuttingDown, now);
            // One try to deliver the answer that was just made.
            self.drive(id, now);
            self.finish_exchange(id, now);
        }
        for id in self.conns.clients.ids() {
            self.close_client(id);
        }
        self.close_all();
    }

    /// Whether a stopped server has nothing left to finish.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.conns.clients.len() == 0
    }

    /// How it is, as of `now`.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.shown(&self.metrics, self.open_clients() as u64, now)
    }

    /// What was counted, for the backends as they are.
    pub(super) fn shown(&self, metrics: &Metrics, open: u64, now: Timestamp) -> Snapshot {
        let live = self.pool.candidates().iter().filter(|c| c.live);
        let views = live.map(|candidate| BackendView {
            id: candidate.id,
            name: self.pool.name(candidate.id).unwrap_or("?"),
            state: self
                .pool
                .state(candidate.id)
                .map_or("removed", |s| s.word()),
            in_flight: candidate.in_flight,
        });
        let mut snapshot = metrics.snapshot(now, open, views);
        self.report_heartbeats(&mut snapshot, now);
        snapshot
    }

    /// Tells the server what the wall clock showed at `now`, for its log lines.
    pub fn set_wall_clock(&mut self, wall: Duration, now: Timestamp) {
        self.wall_at_zero = wall.saturating_sub(now.since(Timestamp::ZERO));
    }

    /// Takes the log lines written since the last time; empty if there is no access log.
    pub fn take_log_lines(&mut self) -> Vec<u8> {
        mem::take(&mut self.log_lines)
    }
}
