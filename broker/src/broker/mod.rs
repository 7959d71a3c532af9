//! The broker without sockets, clock and disk: frames and `now` in, actions out.
//!
//! Owns connections, subscriptions, last values and queues. A call changes them and leaves behind
//! what the shell has to do: [`Action`]s to write or close, a [`Batch`] to store. Knows no system
//! call, so tests drive it frame by frame.
//!
//! Invariant: a connection that has anything in its queue has an action to write due, or was
//! written to since and is waiting for its socket.

mod actions;
mod changes;
mod deliver;
mod lists;
mod replies;
mod requests;
mod session;
mod sessions;
mod stats;
mod subscribe;
mod tick;

pub use actions::Action;
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
use actions::Actions;
use changes::{Changes, not_stored};
use session::{Member, Phase, Session};
use sessions::Sessions;
use std::collections::BTreeMap;

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
    sessions: Sessions,
    subscriptions: Subscriptions,
    retained: RetainedValues,
    changes: Changes,
    /// Bytes of frames in all queues.
    meter: Meter,
    /// The number of the last publication.
    publication: u64,
    stats: Stats,
    actions: Actions,
    last_stats: Timestamp,
    /// Work since the shell last asked.
    work: usize,
}

impl Broker {
    /// A broker without connections.
    #[must_use]
    pub fn new(limits: Limits, rules: AccessRules, keep: Keep) -> Self {
        Self {
            limits,
            rules,
            keep,
            sessions: Sessions::default(),
            subscriptions: Subscriptions::new(),
            retained: RetainedValues::new(limits.max_topics, limits.max_retained_bytes),
            changes: Changes::default(),
            meter: Meter::default(),
            publication: 0,
            stats: Stats::default(),
            actions: Actions::default(),
            last_stats: Timestamp::default(),
            work: 0,
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
        let queue = QueueLimits {
            messages: self.limits.queue_messages,
            bytes: self.limits.queue_bytes,
        };
        let make = |id| Session::new(id, peer, queue, now);
        Ok(self.sessions.enter(make))
    }

    /// The connection is gone.
    pub fn disconnected(&mut self, id: ConnectionId) {
        self.leave(id);
        self.sessions.remove(id);
    }

    /// The most bytes that the next frame of a connection may have.
    #[must_use]
    pub fn max_frame_bytes(&self, id: ConnectionId) -> usize {
        match self.sessions.get(id).map(|session| &session.phase) {
            Some(Phase::Open(_)) => self.limits.max_frame_bytes,
            _ => announcement::MAX_BYTES.min(self.limits.max_frame_bytes),
        }
    }

    /// The most bytes that frames which are not all there may take, of all connections.
    #[must_use]
    pub const fn max_unfinished_bytes(&self) -> usize {
        self.limits.unfinished_total_bytes
    }

    /// A whole frame has arrived.
    pub fn frame(&mut self, id: ConnectionId, frame: &[u8], now: Timestamp) {
        let Some(session) = self.sessions.get_mut(id) else {
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
        self.relieve_if_full(now);
    }

    /// Takes the work of the frames since the last call, so that a connection whose short frames
    /// ask for much can be made to wait for the others. A message queued for one consumer is one.
    pub const fn take_work(&mut self) -> usize {
        std::mem::replace(&mut self.work, 0)
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
        let action = self.actions.next()?;
        if let Action::Write(id) = action
            && let Some(session) = self.sessions.get_mut(id)
        {
            session.is_touched = false;
        }
        Some(action)
    }

    /// A connection to write to before more is read, lest its queue overflow.
    pub fn poll_pressed(&mut self) -> Option<ConnectionId> {
        self.actions.next_pressed()
    }

    /// Lends the queue of a connection, with the notice of missed messages in its place.
    pub fn queue(&mut self, id: ConnectionId) -> Option<&mut Queue> {
        let most = self.limits.max_frame_bytes;
        let session = self.sessions.get_mut(id)?;
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
        self.sessions.get(id).is_none_or(|session| {
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
                Err(reason) if waiting.is_kept => {
                    let refusal = not_stored(reason);
                    self.refuse(waiting.connection, Some(waiting.request), &refusal, now);
                }
                _ => self.acknowledge(waiting.connection, waiting.request, &waiting.topic, now),
            }
        }
        self.relieve_if_full(now);
    }

    /// Reports that no change is waiting to be stored.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.changes.is_empty()
    }

    /// Says goodbye to every connection.
    pub fn stop(&mut self, now: Timestamp) {
        let refusal = Refusal::new(Code::Stopping, "the broker stops");
        let ids: Vec<_> = self.sessions.iter().map(|session| session.id).collect();
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
        if let Some(session) = self.sessions.get_mut(id) {
            session.queue.set_when_full(announcement.when_full);
            session.phase = Phase::Open(Member {
                format: announcement.format,
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
}
