//! The broker without sockets, clock and disk: frames and `now` in, actions out.
//!
//! Owns connections, subscriptions, last values and queues. A call changes them and leaves behind
//! what the shell has to do: [`Action`]s to write or close, a [`Batch`] to store. Knows no system
//! call, so tests drive it frame by frame.
//!
//! Invariant: a connection that has anything in its queue has an action to write due, or was
//! written to since and is waiting for its socket.

mod changes;
mod deliver;
mod requests;
mod session;
mod stats;
mod tick;

pub use changes::{Batch, Change};
pub use stats::Stats;

use crate::announcement::{self, Announcement};
use crate::codec::{Format, Message, Payload};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::framing;
use crate::limits::Limits;
use crate::queue::{Frame, Meter, Queue, QueueLimits};
use crate::retained::RetainedValues;
use crate::rights::AccessRules;
use crate::subscriptions::Subscriptions;
use crate::time::Timestamp;
use crate::topic::Topic;
use changes::{Changes, not_stored};
use session::{Member, Phase, Session};
use slab::Slab;
use std::collections::BTreeMap;
use std::rc::Rc;

/// An order to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Frames wait for this connection, or it is to be closed when none do: see
    /// [`Broker::is_finished`].
    Write(ConnectionId),
    /// Close at once, whatever waits.
    Close(ConnectionId),
}

/// How last values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// In memory: a publication is acknowledged at once.
    InMemory,
    /// Stored by the shell: a publication is acknowledged when its batch is.
    Stored,
}

/// Connections, topics and values.
#[derive(Debug)]
pub struct Broker {
    limits: Limits,
    rules: AccessRules,
    keep: Keep,
    sessions: Slab<Session>,
    next_generation: u32,
    subscriptions: Subscriptions,
    retained: RetainedValues,
    changes: Changes,
    /// Bytes of frames in all queues.
    meter: Meter,
    /// The number of the last publication.
    publication: u64,
    stats: Stats,
    actions: Vec<Action>,
    /// Connections whose queue has become half full: to be written to before more is read.
    pressed: Vec<ConnectionId>,
    last_stats: Timestamp,
}

impl Broker {
    /// A broker without connections.
    #[must_use]
    pub fn new(limits: Limits, rules: AccessRules, keep: Keep) -> Self {
        Self {
            limits,
            rules,
            keep,
            sessions: Slab::new(),
            next_generation: 0,
            subscriptions: Subscriptions::new(),
            retained: RetainedValues::new(limits.max_topics, limits.max_retained_bytes),
            changes: Changes::default(),
            meter: Meter::default(),
            publication: 0,
            stats: Stats::default(),
            actions: Vec::new(),
            pressed: Vec::new(),
            last_stats: Timestamp::default(),
        }
    }

    /// Puts back a last value from a store.
    ///
    /// # Errors
    /// The topic or the value is not within the limits, or cannot be read.
    pub fn restore(&mut self, text: &str, payload: Payload) -> Result<(), Refusal> {
        let topic = Topic::parse(text, &self.limits.topic)?;
        payload.value()?;
        self.retained.check(&topic, &payload)?;
        self.retained.set(&topic, payload);
        Ok(())
    }

    /// Replaces the rules for connections to come.
    pub fn set_rules(&mut self, rules: AccessRules) {
        self.rules = rules;
    }

    /// Takes a connection from `peer`.
    ///
    /// # Errors
    /// There are too many: the bytes are the refusal, as a frame of JSON, to be written before the
    /// connection is closed.
    pub fn connect(&mut self, peer: String, now: Timestamp) -> Result<ConnectionId, Vec<u8>> {
        if self.sessions.len() >= self.limits.max_connections {
            self.stats.errors += 1;
            let most = self.limits.max_connections;
            let text = format!("there are {most} connections already, the most allowed");
            let refusal = Refusal::new(Code::Limit, text);
            let reply = Message::error(&refusal, None);
            return Err(framing::encode(Format::Json, &reply, usize::MAX).unwrap_or_default());
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        let entry = self.sessions.vacant_entry();
        let id = ConnectionId::new(entry.key(), self.next_generation);
        entry.insert(Session {
            id,
            peer,
            phase: Phase::Announcing,
            queue: Queue::new(QueueLimits {
                messages: self.limits.queue_messages,
                bytes: self.limits.queue_bytes,
            }),
            last_heard: now,
            is_pinged: false,
            frames: 0,
            last_publication: 0,
            is_touched: false,
        });
        Ok(id)
    }

    /// The connection is gone.
    pub fn disconnected(&mut self, id: ConnectionId) {
        if self.session(id).is_none() {
            return;
        }
        self.leave(id);
        self.sessions.remove(id.slot());
    }

    /// The most bytes that the next frame of a connection may have.
    #[must_use]
    pub fn max_frame_bytes(&self, id: ConnectionId) -> usize {
        match self.session(id).map(|session| &session.phase) {
            Some(Phase::Open(_)) => self.limits.max_frame_bytes,
            _ => announcement::MAX_BYTES.min(self.limits.max_frame_bytes),
        }
    }

    /// A whole frame has arrived.
    pub fn frame(&mut self, id: ConnectionId, frame: &[u8], now: Timestamp) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.last_heard = now;
        session.is_pinged = false;
        let outcome = match &session.phase {
            Phase::Announcing => self.announce(id, frame),
            Phase::Open(member) => {
                let format = member.format;
                session.frames += 1;
                self.request(id, format, frame, now);
                Ok(())
            }
            Phase::Closing { .. } => Ok(()),
        };
        if let Err(refusal) = outcome {
            self.close(id, &refusal, now);
        }
    }

    /// The stream of a connection cannot be followed any further.
    pub fn broken_stream(&mut self, id: ConnectionId, refusal: &Refusal, now: Timestamp) {
        self.close(id, refusal, now);
    }

    /// Counts bytes that were read and written.
    pub fn count_bytes(&mut self, read: u64, written: u64) {
        self.stats.bytes_in += read;
        self.stats.bytes_out += written;
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            topics: self.retained.len() as u64,
            retained_bytes: self.retained.bytes() as u64,
            queued_bytes: self.meter.get(),
            ..self.stats
        }
    }

    /// Connections, announced or not.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop()?;
        if let Action::Write(id) = action
            && let Some(session) = self.session_mut(id)
        {
            session.is_touched = false;
        }
        Some(action)
    }

    /// A connection to write to before more is read, lest its queue overflow.
    pub fn poll_pressed(&mut self) -> Option<ConnectionId> {
        self.pressed.pop()
    }

    /// Lends the queue of a connection, with the notice of missed messages in its place.
    pub fn queue(&mut self, id: ConnectionId) -> Option<&mut Queue> {
        let most = self.limits.max_frame_bytes;
        let session = self
            .sessions
            .get_mut(id.slot())
            .filter(|session| session.id == id)?;
        let missed = session.queue.missed();
        if missed > 0
            && let Some(member) = session.member()
        {
            let notice = Message::new("missed").number("count", missed);
            if let Ok(bytes) = framing::encode(member.format, &notice, most) {
                session.queue.push_notice(Frame::new(bytes, &self.meter));
            }
        }
        Some(&mut session.queue)
    }

    /// Reports a connection that is to be closed now that nothing waits for it.
    #[must_use]
    pub fn is_finished(&self, id: ConnectionId) -> bool {
        self.session(id).is_none_or(|session| {
            matches!(session.phase, Phase::Closing { .. }) && session.queue.is_empty()
        })
    }

    /// Changes to store, if there are any and none are on their way.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.changes.take()
    }

    /// The batch was stored, or not and why: acknowledges its publications. One that was not comes
    /// again with the next.
    pub fn batch_stored(&mut self, outcome: Result<(), &str>, now: Timestamp) {
        for waiting in self.changes.stored(outcome.is_ok()) {
            match outcome {
                Ok(()) => {
                    self.acknowledge(waiting.connection, waiting.request, &waiting.topic, now)
                }
                Err(reason) => {
                    let refusal = not_stored(reason);
                    self.refuse(waiting.connection, Some(waiting.request), &refusal, now);
                }
            }
        }
    }

    /// Reports that no change is waiting to be stored.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.changes.is_empty()
    }

    /// Says goodbye to every connection.
    pub fn stop(&mut self, now: Timestamp) {
        let refusal = Refusal::new(Code::Stopping, "the broker stops");
        let ids: Vec<_> = self
            .sessions
            .iter()
            .map(|(_, session)| session.id)
            .collect();
        for id in ids {
            self.close(id, &refusal, now);
        }
    }

    fn announce(&mut self, id: ConnectionId, frame: &[u8]) -> Result<(), Refusal> {
        let announcement = Announcement::parse(frame)?;
        let rights = self.rules.rights_of(announcement.token.as_deref());
        let Some(rights) = rights else {
            return Err(Refusal::new(Code::Unauthorized, "a known token is needed"));
        };
        let interval = u64::try_from(self.limits.ping_interval.as_millis()).unwrap_or(u64::MAX);
        let most = self.limits.max_frame_bytes as u64;
        if let Some(session) = self.session_mut(id) {
            session.phase = Phase::Open(Member {
                format: announcement.format,
                when_full: announcement.when_full,
                name: announcement.name.unwrap_or_else(|| session.peer.clone()),
                rights,
                subscriptions: BTreeMap::new(),
            });
            self.stats.clients += 1;
        }
        let welcome = Message::new("welcome")
            .text("server", concat!("lb-broker/", env!("CARGO_PKG_VERSION")))
            .number("ping_interval_ms", interval)
            .number("max_frame_bytes", most);
        // The queue is empty.
        let _ = self.try_reply(id, &welcome);
        Ok(())
    }

    /// Tells why, and closes the connection when that is written.
    fn close(&mut self, id: ConnectionId, refusal: &Refusal, now: Timestamp) {
        let most = self.limits.max_frame_bytes;
        let Some(session) = self.session(id) else {
            return;
        };
        if matches!(session.phase, Phase::Closing { .. }) {
            return;
        }
        self.stats.errors += 1;
        let format = self
            .session(id)
            .and_then(Session::member)
            .map_or(Format::Json, |m| m.format);
        let last = framing::encode(format, &Message::error(refusal, None), most);
        self.leave(id);
        let meter = Rc::clone(&self.meter);
        if let Some(session) = self.session_mut(id) {
            session.phase = Phase::Closing { since: now };
            session.queue.drop_all();
            if let Ok(bytes) = last {
                session.queue.push_last(Frame::new(bytes, &meter));
            }
        }
        self.touch(id);
    }

    /// Ends the subscriptions of a connection.
    fn leave(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id.slot()).filter(|s| s.id == id) else {
            return;
        };
        if let Some(member) = session.member() {
            for key in member.subscriptions.keys() {
                self.subscriptions.remove(key, id);
            }
            self.stats.clients -= 1;
        }
    }

    /// Sends a reply; closes a connection that reads none.
    fn reply(&mut self, id: ConnectionId, reply: &Message<'_>, now: Timestamp) {
        if let Err(refusal) = self.try_reply(id, reply) {
            match refusal.code {
                Code::Overflow => self.close(id, &refusal, now),
                _ => self.refuse(id, None, &refusal, now),
            }
        }
    }

    /// Sends the error of the frame that was just read. Its number tells a client which of its frames
    /// it was, also if the frame could not be read as far as its id.
    fn refuse_frame(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        refusal: &Refusal,
        now: Timestamp,
    ) {
        let number = self.session(id).map_or(0, |session| session.frames);
        self.stats.errors += 1;
        let error = Message::error(refusal, request).number("frame", number);
        if let Err(overflow) = self.try_reply(id, &error) {
            self.close(id, &overflow, now);
        }
    }

    /// Sends an error that belongs to no frame.
    fn refuse(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        refusal: &Refusal,
        now: Timestamp,
    ) {
        self.stats.errors += 1;
        if let Err(overflow) = self.try_reply(id, &Message::error(refusal, request)) {
            self.close(id, &overflow, now);
        }
    }

    fn try_reply(&mut self, id: ConnectionId, reply: &Message<'_>) -> Result<(), Refusal> {
        let most = self.limits.max_frame_bytes;
        let meter = Rc::clone(&self.meter);
        let Some(session) = self.session_mut(id) else {
            return Ok(());
        };
        let Some(member) = session.member() else {
            return Ok(());
        };
        let frame = Frame::new(framing::encode(member.format, reply, most)?, &meter);
        let dropped = session
            .queue
            .push_reply(frame)
            .map_err(|_| Refusal::new(Code::Overflow, "too many replies are waiting to be read"))?;
        self.stats.messages_dropped += dropped;
        self.touch(id);
        Ok(())
    }

    fn acknowledge(&mut self, id: ConnectionId, request: u64, topic: &str, now: Timestamp) {
        let reply = Message::new("published")
            .id(Some(request))
            .text("topic", topic);
        self.reply(id, &reply, now);
    }

    /// Makes an action to write due.
    fn touch(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id.slot())
            && session.id == id
            && !session.is_touched
        {
            session.is_touched = true;
            self.actions.push(Action::Write(id));
        }
    }

    fn session(&self, id: ConnectionId) -> Option<&Session> {
        self.sessions
            .get(id.slot())
            .filter(|session| session.id == id)
    }

    fn session_mut(&mut self, id: ConnectionId) -> Option<&mut Session> {
        self.sessions
            .get_mut(id.slot())
            .filter(|session| session.id == id)
    }
}
