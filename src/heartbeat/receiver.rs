//! The receiver of heartbeats: datagrams, connections and `now` in, findings about backends out.
//!
//! It owns the connections, the failure detector, the counters and the events for the log. Which
//! backend a name stands for it asks; what a finding does to a backend it does not know.
//!
//! A look at silent senders that is due waits for one more turn, in which everything that has
//! come in by then is read: a pause of our own process makes no sender look dead.

use super::connections::{DecodedMessage, HeartbeatConns};
use super::{
    Detector, Heard, Heartbeat, HeartbeatConnId, HeartbeatCounts, HeartbeatEvent, HeartbeatFinding,
    HeartbeatKey, HeartbeatRefusal, HeartbeatReport, RefusalLog,
};
use crate::address::ClientAddress;
use crate::strategy::BackendId;
use crate::time::Timestamp;
use crate::transport::{Readiness, Transport};
use std::collections::HashMap;
use std::mem;
use std::time::Duration;

/// Names that are remembered; with more all are looked up anew.
const MAX_NAMES: usize = 8192;
/// Events kept until they are taken.
const MAX_EVENTS: usize = 256;

/// The backends that heartbeats may speak for.
pub trait BackendNames {
    /// The backend that `name` stands for: its address, or a host with one backend only.
    fn find(&self, name: &str) -> Option<BackendId>;

    /// The name of a backend; `None` if it was removed.
    fn name(&self, backend: BackendId) -> Option<&str>;
}

/// The time, on the loop's clock and on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// On the clock of the loop.
    pub now: Timestamp,
    /// Since the Unix epoch.
    pub wall: Duration,
}

/// Receives the heartbeats of all backends. `T` is a connection.
#[derive(Debug)]
pub struct Receiver<T> {
    /// All messages must be signed with it, if there is one.
    key: Option<HeartbeatKey>,
    messages: Messages,
    conns: HeartbeatConns<T>,
    /// True if everything that had come in when the next look was due has been read.
    is_caught_up: bool,
}

/// Processing of messages, over either transport.
#[derive(Debug)]
struct Messages {
    is_signed: bool,
    detector: Detector,
    /// Backends by the names in heartbeats.
    names: HashMap<String, BackendId>,
    counts: HeartbeatCounts,
    refusals: RefusalLog,
    events: Vec<HeartbeatEvent>,
}

/// A finding about a backend.
pub type BackendFinding = (BackendId, HeartbeatFinding);

/// Input.
impl<T: Transport> Receiver<T> {
    /// Accepts heartbeats as datagrams and on up to `max_conns` connections. With a `key`, all
    /// that are not signed with it are rejected.
    #[must_use]
    pub fn new(key: Option<HeartbeatKey>, max_conns: usize, now: Timestamp) -> Self {
        Self {
            messages: Messages {
                is_signed: key.is_some(),
                detector: Detector::new(now),
                names: HashMap::new(),
                counts: HeartbeatCounts::default(),
                refusals: RefusalLog::default(),
                events: Vec::new(),
            },
            conns: HeartbeatConns::new(max_conns, now),
            key,
            is_caught_up: false,
        }
    }

    /// Accepts what is signed with this key from now on, or what is not signed without one.
    pub fn set_key(&mut self, key: Option<HeartbeatKey>) {
        self.messages.is_signed = key.is_some();
        self.key = key;
    }

    /// Takes a datagram.
    #[must_use]
    pub fn datagram(
        &mut self,
        datagram: &[u8],
        from: ClientAddress,
        names: &impl BackendNames,
        clocks: Clocks,
    ) -> Option<BackendFinding> {
        let message = Heartbeat::decode(datagram, self.key.as_ref());
        // A datagram has no connection to close if it is rejected.
        self.messages.hear(message, from, names, clocks).ok()?.1
    }

    /// Makes room for a connection that was accepted, and names it. `None`: there is none, and
    /// the connection is to be closed.
    pub fn make_room(&mut self, from: ClientAddress, now: Timestamp) -> Option<HeartbeatConnId> {
        let id = self.conns.make_room();
        if id.is_none() {
            self.messages
                .refuse(HeartbeatRefusal::Connections, from, None, now);
        }
        id
    }

    /// Takes over a connection, which is registered for events under `id`.
    pub fn accepted(&mut self, id: HeartbeatConnId, io: T, from: ClientAddress, now: Timestamp) {
        self.conns.insert(id, io, from, now);
    }

    /// Takes an event for a connection.
    #[must_use]
    pub fn ready(
        &mut self,
        id: HeartbeatConnId,
        ready: Readiness,
        scratch: &mut [u8],
        names: &impl BackendNames,
        clocks: Clocks,
    ) -> Vec<BackendFinding> {
        match self.conns.note(id, ready) {
            true => self.read(id, scratch, names, clocks),
            false => Vec::new(),
        }
    }

    fn read(
        &mut self,
        id: HeartbeatConnId,
        scratch: &mut [u8],
        names: &impl BackendNames,
        clocks: Clocks,
    ) -> Vec<BackendFinding> {
        let mut findings = Vec::new();
        let Some(read) = self.conns.read(id, self.key.as_ref(), scratch) else {
            return findings;
        };
        for message in read.messages {
            match self.messages.hear(message, read.from, names, clocks) {
                Ok((Heard::First | Heard::Taken, finding)) => {
                    findings.extend(finding);
                    self.conns.proven(id, clocks.now);
                }
                // The connection is worth no less than before.
                Ok((Heard::Stale, _)) | Err(HeartbeatRefusal::UnknownBackend) => {}
                Err(_) => {
                    self.conns.close(id);
                    return findings;
                }
            }
        }
        if read.has_ended {
            self.conns.close(id);
        }
        findings
    }

    /// Moves the deadlines of all connections later by `by`: nothing was read for that long.
    pub fn postpone(&mut self, by: Duration) {
        self.conns.postpone(by);
    }

    /// Does what is due: reads on, closes connections, looks at silent senders.
    #[must_use]
    pub fn run(
        &mut self,
        scratch: &mut [u8],
        names: &impl BackendNames,
        clocks: Clocks,
    ) -> Vec<BackendFinding> {
        let mut findings = Vec::new();
        for id in self.conns.take_unread() {
            findings.extend(self.read(id, scratch, names, clocks));
        }
        self.conns.expire(clocks.now);
        let detector = &mut self.messages.detector;
        if detector.next_look().is_some_and(|due| due <= clocks.now) {
            self.is_caught_up = !self.is_caught_up;
            if !self.is_caught_up {
                findings.extend(detector.look(clocks.now));
            }
        }
        findings
    }

    /// Closes all connections.
    pub fn close_all(&mut self) {
        self.conns.close_all();
    }

    /// Forgets a backend that was removed.
    pub fn forget(&mut self, backend: BackendId) {
        self.messages.detector.forget(backend);
    }
}

/// Output.
impl<T: Transport> Receiver<T> {
    /// Returns when [`run`](Self::run) has something to do; `None`: only after input.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let look = self.messages.detector.next_look();
        [look, self.conns.next_wakeup()].into_iter().flatten().min()
    }

    /// Returns whether a backend may be gone.
    #[must_use]
    pub fn is_suspect(&self, backend: BackendId) -> bool {
        self.messages.detector.is_suspect(backend)
    }

    /// Returns the report of a backend; `None` without heartbeats.
    #[must_use]
    pub fn report(&self, backend: BackendId, now: Timestamp) -> Option<HeartbeatReport> {
        self.messages.detector.report(backend, now)
    }

    /// Returns how many heartbeats came, and what became of them.
    #[must_use]
    pub const fn counts(&self) -> HeartbeatCounts {
        self.messages.counts
    }

    /// Returns whether there are events to take.
    #[must_use]
    pub const fn has_events(&self) -> bool {
        !self.messages.events.is_empty()
    }

    /// Takes the events since the last time.
    pub fn take_events(&mut self) -> Vec<HeartbeatEvent> {
        mem::take(&mut self.messages.events)
    }
}

/// One message.
impl Messages {
    /// Takes a message, or the reason why it is none.
    fn hear(
        &mut self,
        message: DecodedMessage,
        from: ClientAddress,
        names: &impl BackendNames,
        clocks: Clocks,
    ) -> Result<(Heard, Option<BackendFinding>), HeartbeatRefusal> {
        let heard = message.and_then(|message| self.take(&message, from, names, clocks));
        match heard {
            // Already refused, with the name.
            Ok(_) | Err(HeartbeatRefusal::UnknownBackend) => {}
            Err(refusal) => self.refuse(refusal, from, None, clocks.now),
        }
        heard
    }

    fn take(
        &mut self,
        message: &Heartbeat,
        from: ClientAddress,
        names: &impl BackendNames,
        clocks: Clocks,
    ) -> Result<(Heard, Option<BackendFinding>), HeartbeatRefusal> {
        let name = message.backend();
        let Some(backend) = self.find(&name, names) else {
            let refusal = HeartbeatRefusal::UnknownBackend;
            self.refuse(refusal, from, Some(name), clocks.now);
            return Err(refusal);
        };
        let wall = self.is_signed.then_some(clocks.wall);
        let (heard, finding) = self.detector.hear(backend, message, wall, clocks.now)?;
        match heard {
            Heard::Stale => self.counts.stale += 1,
            Heard::Taken => self.counts.taken += 1,
            Heard::First => {
                self.counts.taken += 1;
                self.push(HeartbeatEvent::First {
                    backend: names.name(backend).unwrap_or_default().to_owned(),
                    name: message.name.to_string(),
                    interval: message.interval,
                });
            }
        }
        Ok((heard, finding.map(|finding| (backend, finding))))
    }

    fn find(&mut self, name: &str, names: &impl BackendNames) -> Option<BackendId> {
        let known = self.names.get(name).copied();
        if let Some(backend) = known.filter(|id| names.name(*id).is_some()) {
            return Some(backend);
        }
        let found = names.find(name)?;
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        self.names.insert(name.to_owned(), found);
        Some(found)
    }

    fn refuse(
        &mut self,
        refusal: HeartbeatRefusal,
        from: ClientAddress,
        backend: Option<String>,
        now: Timestamp,
    ) {
        let counts = &mut self.counts;
        if let Some(event) = self.refusals.refuse(counts, refusal, from, backend, now) {
            self.push(event);
        }
    }

    fn push(&mut self, event: HeartbeatEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }
}
