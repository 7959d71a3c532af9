//! Heartbeats as they come in, and what follows from them.
//!
//! Datagrams are handed over by whoever has the socket; connections are [`conns`](super::conns).
//! From there on both are the same: a message is read, its backend looked up, the
//! [`Detector`] told, and what that finds goes to the pool. A look that is due waits for one
//! more turn, in which all that has come in by then is read: a pause of our own makes nobody look
//! dead.

use super::Proxy;
use super::heartbeat_conns::HeartbeatConn;
use super::network::Network;
use crate::address::ClientAddress;
use crate::heartbeat::Refusal;
use crate::heartbeat::{
    Complaints, Counts, Detector, Finding, Heard, Heartbeat, HeartbeatEvent, Key,
};
use crate::ids::{HeartbeatConnTag, Table};
use crate::pool::{PoolId, State};
use crate::strategy::BackendId;
use crate::telemetry::Snapshot;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::mem;

/// Names that are remembered; with more all are looked up anew.
const MAX_NAMES: usize = 2 * crate::config::MAX_BACKENDS;
/// Notices kept until somebody takes them.
const MAX_NOTICES: usize = 256;

/// Everything about heartbeats.
#[derive(Debug)]
pub(super) struct Heartbeats<T> {
    /// What they must be signed with, if with anything.
    pub(super) key: Option<Key>,
    pub(super) conns: Table<HeartbeatConnTag, HeartbeatConn<T>>,
    pub(super) max_conns: usize,
    detector: Detector,
    /// Whether what had come in when the next look was due has been read.
    is_caught_up: bool,
    /// Which backends the names in heartbeats stand for.
    names: HashMap<String, BackendId>,
    counts: Counts,
    complaints: Complaints,
    heartbeat_events: Vec<HeartbeatEvent>,
}

/// For whoever runs the server.
impl<N: Network> Proxy<N> {
    /// Listens to heartbeats from now on, on up to `max_conns` connections. With a `key`, all
    /// that are not signed with it are refused.
    pub fn hear_heartbeats(&mut self, key: Option<Key>, max_conns: usize, now: Timestamp) {
        self.heartbeats = Some(Heartbeats {
            key,
            conns: Table::new(),
            max_conns,
            detector: Detector::new(now),
            is_caught_up: false,
            names: HashMap::new(),
            counts: Counts::default(),
            complaints: Complaints::default(),
            heartbeat_events: Vec::new(),
        });
    }

    /// A datagram came in. The wall clock must have been [set](Self::set_wall_clock) lately.
    pub fn heartbeat(&mut self, datagram: &[u8], from: ClientAddress, now: Timestamp) {
        let Some(heartbeats) = &self.heartbeats else {
            return;
        };
        let message = Heartbeat::decode(datagram, heartbeats.key.as_ref());
        // A datagram has no connection that could be closed for it.
        let _ = self.hear(message, from, now);
    }

    /// Whether there is anything that people should know of heartbeats.
    pub(super) fn has_heartbeat_events(&self) -> bool {
        let heartbeats = self.heartbeats.as_ref();
        heartbeats.is_some_and(|heartbeats| !heartbeats.heartbeat_events.is_empty())
    }

    /// Takes what people should know of heartbeats since the last time.
    pub fn take_heartbeat_events(&mut self) -> Vec<HeartbeatEvent> {
        let heartbeats = self.heartbeats.as_mut();
        heartbeats.map_or_else(Vec::new, |heartbeats| {
            mem::take(&mut heartbeats.heartbeat_events)
        })
    }
}

/// One message.
impl<N: Network> Proxy<N> {
    /// A message came in, or something that is none. Returns whether it was news, or why it was
    /// refused.
    pub(super) fn hear(
        &mut self,
        message: Result<Heartbeat, Refusal>,
        from: ClientAddress,
        now: Timestamp,
    ) -> Result<Heard, Refusal> {
        let heard = message.and_then(|message| self.take_heartbeat(&message, from, now));
        match heard {
            // Its name is in the complaint already.
            Ok(_) | Err(Refusal::UnknownBackend) => {}
            Err(refusal) => self.refuse_heartbeat(refusal, from, None, now),
        }
        heard
    }

    fn take_heartbeat(
        &mut self,
        message: &Heartbeat,
        from: ClientAddress,
        now: Timestamp,
    ) -> Result<Heard, Refusal> {
        let name = message.backend();
        let Some(backend) = self.speaks_for(&name) else {
            self.refuse_heartbeat(Refusal::UnknownBackend, from, Some(name), now);
            return Err(Refusal::UnknownBackend);
        };
        let wall = self.log.wall_clock(now);
        let Some(heartbeats) = &mut self.heartbeats else {
            return Ok(Heard::Stale);
        };
        let wall = heartbeats.key.is_some().then_some(wall);
        let heard = heartbeats.detector.hear(backend, message, wall, now)?;
        let finding = match heard {
            Heard::Stale => {
                heartbeats.counts.stale += 1;
                None
            }
            Heard::First(finding) => {
                heartbeats.counts.taken += 1;
                heartbeats.tell(HeartbeatEvent::First {
                    backend: self
                        .pools
                        .first()
                        .backends
                        .name(backend)
                        .unwrap_or_default()
                        .to_owned(),
                    name: message.name.to_string(),
                    interval: message.interval,
                });
                finding
            }
            Heard::Taken(finding) => {
                heartbeats.counts.taken += 1;
                finding
            }
        };
        if let Some(finding) = finding {
            self.follow_finding(backend, finding, now);
        }
        Ok(heard)
    }

    /// The backend that `name` stands for: its address, or a host with one backend only.
    fn speaks_for(&mut self, name: &str) -> Option<BackendId> {
        let heartbeats = self.heartbeats.as_mut()?;
        let pool = &self.pools.first().backends;
        let is_here = |id: &BackendId| {
            let state = pool.state(*id);
            state.is_some_and(|state| state != State::Removed)
        };
        if let Some(known) = heartbeats.names.get(name).filter(|id| is_here(id)) {
            return Some(*known);
        }
        let found = match pool.find(name) {
            Some(backend) => backend,
            None => pool.find_only_of_host(name)?,
        };
        if heartbeats.names.len() >= MAX_NAMES {
            heartbeats.names.clear();
        }
        heartbeats.names.insert(name.to_owned(), found);
        Some(found)
    }

    pub(super) fn refuse_heartbeat(
        &mut self,
        refusal: Refusal,
        from: ClientAddress,
        backend: Option<String>,
        now: Timestamp,
    ) {
        if let Some(heartbeats) = &mut self.heartbeats {
            let counts = &mut heartbeats.counts;
            let complaints = &mut heartbeats.complaints;
            if let Some(notice) = complaints.refuse(counts, refusal, from, backend, now) {
                heartbeats.tell(notice);
            }
        }
    }
}

/// Silence.
impl<N: Network> Proxy<N> {
    /// When [`look_at_heartbeats`](Self::look_at_heartbeats) has something to do.
    pub(super) fn heartbeat_look_due(&self) -> Option<Timestamp> {
        self.heartbeats.as_ref()?.detector.next_look()
    }

    /// Looks at those whose heartbeats are late. Returns whether there was something to do.
    pub(super) fn look_at_heartbeats(&mut self, now: Timestamp) -> bool {
        if self.heartbeat_look_due().is_none_or(|due| now < due) {
            return false;
        }
        let Some(heartbeats) = &mut self.heartbeats else {
            return false;
        };
        heartbeats.is_caught_up = !heartbeats.is_caught_up;
        if heartbeats.is_caught_up {
            return false;
        }
        for (backend, finding) in heartbeats.detector.look(now) {
            self.follow_finding(backend, finding, now);
        }
        true
    }

    fn follow_finding(&mut self, backend: BackendId, finding: Finding, now: Timestamp) {
        if self.pools.first().backends.state(backend).is_none()
            && let Some(heartbeats) = &mut self.heartbeats
        {
            heartbeats.detector.forget(backend);
        }
        if finding == Finding::Suspect {
            self.check_soon(backend, now);
        }
        self.pools
            .get_mut(PoolId::FIRST)
            .backends
            .heartbeats_show(backend, finding, now);
    }

    /// Whether a backend may be gone, by its heartbeats.
    pub(super) fn seems_gone(&self, backend: BackendId) -> bool {
        let heartbeats = self.heartbeats.as_ref();
        heartbeats.is_some_and(|heartbeats| heartbeats.detector.is_suspect(backend))
    }

    /// Adds what heartbeats say to a snapshot of this server.
    pub(super) fn report_heartbeats(&self, snapshot: &mut Snapshot, now: Timestamp) {
        let Some(heartbeats) = &self.heartbeats else {
            return;
        };
        snapshot.heartbeats = Some(heartbeats.counts);
        let live = self
            .pools
            .first()
            .backends
            .candidates()
            .iter()
            .filter(|c| c.live);
        for (row, candidate) in snapshot.backends.iter_mut().zip(live) {
            row.heartbeat = heartbeats.detector.report(candidate.id, now);
        }
    }
}

impl<T> Heartbeats<T> {
    /// The closing phase. Returns whether anything was closed.
    pub(super) fn close_all(&mut self) -> bool {
        let closing = self.conns.iter().filter(|(_, conn)| conn.is_closing());
        let closing: Vec<_> = closing.map(|(id, _)| id).collect();
        for id in &closing {
            self.conns.remove(*id);
        }
        !closing.is_empty()
    }

    fn tell(&mut self, notice: HeartbeatEvent) {
        if self.heartbeat_events.len() < MAX_NOTICES {
            self.heartbeat_events.push(notice);
        }
    }
}
