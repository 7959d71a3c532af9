//! Watches over the heartbeats of all backends.
//!
//! Heartbeats and the time go in, [findings](HeartbeatFinding) come out; what becomes of a backend
//! is not decided here. Only backends that were heard of are watched: one entry each, and one
//! deadline, which every heartbeat moves on without touching the wheel.

use super::HeartbeatRefusal;
use super::backend_heartbeats::{BackendHeartbeats, Heard, HeartbeatFinding, is_fresh};
use super::message::{Heartbeat, Load, ProcessState};
use super::phi::Phi;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired, Wheel};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::time::Duration;

/// The heartbeats of all backends.
#[derive(Debug)]
pub struct Detector {
    watched: HashMap<BackendId, Watched>,
    wheel: Wheel<BackendId>,
    due: Vec<BackendId>,
}

#[derive(Debug)]
struct Watched {
    heartbeats: BackendHeartbeats,
    /// The next look at it.
    deadline: Deadline,
}

/// The facts about a backend from its heartbeats, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeartbeatReport {
    /// The name of the sender.
    pub name: String,
    /// Since the last heartbeat.
    pub silence: Duration,
    /// Certainty that no other comes.
    pub phi: Phi,
    /// Load of its host, if known.
    pub load: Option<Load>,
    /// State of its process, if one is watched.
    pub process: Option<ProcessState>,
}

impl Detector {
    /// A detector without backends.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            watched: HashMap::new(),
            wheel: Wheel::new(now),
            due: Vec::new(),
        }
    }

    /// A heartbeat of `backend` came. `wall` is our wall clock if it was signed.
    ///
    /// # Errors
    /// It was signed too long ago, or in the future.
    pub fn hear(
        &mut self,
        backend: BackendId,
        heartbeat: &Heartbeat,
        wall: Option<Duration>,
        now: Timestamp,
    ) -> Result<(Heard, Option<HeartbeatFinding>), HeartbeatRefusal> {
        if wall.is_some_and(|wall| !is_fresh(heartbeat, wall)) {
            return Err(HeartbeatRefusal::Clock);
        }
        let (heard, watched) = match self.watched.entry(backend) {
            Entry::Occupied(entry) => {
                let watched = entry.into_mut();
                let heard = watched.heartbeats.hear(heartbeat, wall.is_some(), now);
                (heard, watched)
            }
            Entry::Vacant(entry) => {
                let watched = entry.insert(Watched {
                    heartbeats: BackendHeartbeats::new(heartbeat, now),
                    deadline: Deadline::new(),
                });
                ((Heard::First, watched.heartbeats.judge()), watched)
            }
        };
        // What is stale buys no time: else recordings would put off every look.
        if heard.0 != Heard::Stale
            && let Some(at) = watched.deadline.set(watched.heartbeats.next_look(now))
        {
            self.wheel.arm(backend, at);
        }
        Ok(heard)
    }

    /// Returns when [`look`](Self::look) has something to do.
    #[must_use]
    pub fn next_look(&self) -> Option<Timestamp> {
        self.wheel.next_wakeup()
    }

    /// Looks at silent backends. Returns the new findings.
    pub fn look(&mut self, now: Timestamp) -> Vec<(BackendId, HeartbeatFinding)> {
        let mut found = Vec::new();
        let mut due = mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for backend in due.drain(..) {
            let Some(watched) = self.watched.get_mut(&backend) else {
                continue;
            };
            let next = match watched.deadline.fired(now) {
                Fired::Idle => None,
                Fired::Rearm(at) => Some(at),
                Fired::Due => {
                    let finding = watched.heartbeats.look(now);
                    found.extend(finding.map(|finding| (backend, finding)));
                    watched.deadline.set(watched.heartbeats.next_look(now))
                }
            };
            if let Some(at) = next {
                self.wheel.arm(backend, at);
            }
        }
        self.due = due;
        found
    }

    /// A backend was removed.
    pub fn forget(&mut self, backend: BackendId) {
        self.watched.remove(&backend);
    }

    /// Returns whether a backend may be gone.
    #[must_use]
    pub fn is_suspect(&self, backend: BackendId) -> bool {
        let watched = self.watched.get(&backend);
        watched.is_some_and(|watched| watched.heartbeats.is_suspect())
    }

    /// Returns the facts about a backend; `None` if it never sent one.
    #[must_use]
    pub fn report(&self, backend: BackendId, now: Timestamp) -> Option<HeartbeatReport> {
        let heartbeats = &self.watched.get(&backend)?.heartbeats;
        Some(HeartbeatReport {
            name: heartbeats.name().to_string(),
            silence: heartbeats.silence(now),
            phi: heartbeats.phi(now),
            load: heartbeats.load(),
            process: heartbeats.process(),
        })
    }
}
