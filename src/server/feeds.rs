//! Connections that bring heartbeats.
//!
//! Nothing is ever answered on them. One that brings what is refused is closed; so is one that
//! brings nothing new for [`PROVEN_TIMEOUT`], or nothing at all for [`FIRST_TIMEOUT`]. When there
//! are as many as there may be, one that has not brought a good heartbeat yet makes room, the
//! oldest first: strangers cannot keep those out who have a right to be heard.

use super::arena::FeedId;
use super::network::{Network, Token};
use super::{Again, Server};
use crate::address::ClientAddress;
use crate::heartbeat::{Frames, Heard, Heartbeat, Refusal};
use crate::relay::{Readiness, Received, Socket};
use crate::time::Timestamp;
use crate::timers::{Deadline, Fired};
use std::io;
use std::time::Duration;

/// For the first good heartbeat to come.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// For the next to come: twice the longest interval.
const PROVEN_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes read in one go; more wait for the next turn.
const READ_BYTES: usize = 4096;

/// A connection that brings heartbeats.
#[derive(Debug)]
pub(super) struct Feed<T> {
    socket: Socket<T>,
    from: ClientAddress,
    frames: Frames,
    deadline: Deadline,
    accepted_at: Timestamp,
    /// Whether it has brought a good heartbeat.
    is_proven: bool,
    is_closing: bool,
}

impl<N: Network> Server<N> {
    /// Takes over a connection that was accepted to bring heartbeats.
    ///
    /// # Errors
    /// The system has no room to watch the connection; it is closed.
    pub fn accepted_feed(
        &mut self,
        io: N::Stream,
        from: ClientAddress,
        now: Timestamp,
    ) -> io::Result<()> {
        if !self.make_room_for_feed() {
            self.refuse_heartbeat(Refusal::Connections, from, None, now);
            return Ok(());
        }
        let Some(heartbeats) = self.heartbeats.as_mut().filter(|_| !self.stopping) else {
            return Ok(());
        };
        let id = heartbeats.feeds.insert(Feed {
            socket: Socket::new(io),
            from,
            frames: Frames::default(),
            deadline: Deadline::default(),
            accepted_at: now,
            is_proven: false,
            is_closing: false,
        });
        if let Some(feed) = heartbeats.feeds.get_mut(id)
            && let Err(error) = self.network.register(feed.socket.io_mut(), Token::Feed(id))
        {
            heartbeats.feeds.remove(id);
            return Err(error);
        }
        self.set_feed_deadline(id, now + FIRST_TIMEOUT);
        Ok(())
    }

    /// Whether there is room for one more, if need be after closing one that brought nothing yet.
    fn make_room_for_feed(&mut self) -> bool {
        let Some(heartbeats) = &self.heartbeats else {
            return false;
        };
        if heartbeats.feeds.len() < heartbeats.most_feeds {
            return true;
        }
        let age = |id: &FeedId| heartbeats.feeds.get(*id).map(|feed| feed.accepted_at);
        let strangers = heartbeats.feeds.ids().into_iter().filter(|id| {
            let feed = heartbeats.feeds.get(*id);
            feed.is_some_and(|feed| !feed.is_proven && !feed.is_closing)
        });
        let Some(oldest) = strangers.min_by_key(age) else {
            return false;
        };
        self.close_feed(oldest);
        true
    }

    /// An event for a feed.
    pub(super) fn feed_ready(&mut self, id: FeedId, ready: Readiness, now: Timestamp) {
        if let Some(feed) = self.feed(id) {
            feed.socket.note(ready);
            self.read_feed(id, now);
        }
    }

    /// Reads what has come in, as much as one turn may.
    pub(super) fn read_feed(&mut self, id: FeedId, now: Timestamp) {
        let Some(heartbeats) = &mut self.heartbeats else {
            return;
        };
        let (key, feed) = (heartbeats.key.as_ref(), heartbeats.feeds.get_mut(id));
        let Some(feed) = feed.filter(|feed| !feed.is_closing && feed.socket.may_read()) else {
            return;
        };
        let scratch = self.work.scratch.get_mut(..READ_BYTES);
        let scratch = scratch.unwrap_or_default();
        let mut messages = Vec::new();
        let is_over = match feed.socket.recv(scratch) {
            Received::Blocked => return,
            Received::End | Received::Failed => true,
            Received::Bytes(count) => {
                let bytes = scratch.get(..count).unwrap_or_default();
                let take = |message: &[u8]| messages.push(Heartbeat::decode(message, key));
                let read = feed.frames.received(bytes, take);
                messages.extend(read.is_err().then_some(Err(Refusal::Malformed)));
                false
            }
        };
        let (from, more) = (feed.from, feed.socket.may_read());
        for message in messages {
            match self.hear(message, from, now) {
                Ok(Heard::First(_) | Heard::Taken(_)) => self.prove_feed(id, now),
                // It is not worth less than before.
                Ok(Heard::Stale) | Err(Refusal::UnknownBackend) => {}
                Err(_) => return self.close_feed(id),
            }
        }
        if is_over {
            self.close_feed(id);
        } else if more {
            self.again.push(Again::Feed(id));
        }
    }

    fn prove_feed(&mut self, id: FeedId, now: Timestamp) {
        if let Some(feed) = self.feed(id) {
            feed.is_proven = true;
        }
        self.set_feed_deadline(id, now + PROVEN_TIMEOUT);
    }

    fn set_feed_deadline(&mut self, id: FeedId, at: Timestamp) {
        if let Some(feed) = self.feed(id)
            && let Some(at) = feed.deadline.set(at)
        {
            self.wheel.arm(Token::Feed(id), at);
        }
    }

    /// The deadline of a feed may be over.
    pub(super) fn feed_fired(&mut self, id: FeedId, now: Timestamp) {
        let Some(feed) = self.feed(id) else {
            return;
        };
        match feed.deadline.fired(now) {
            Fired::Idle => {}
            Fired::Rearm(at) => self.wheel.arm(Token::Feed(id), at),
            Fired::Due => self.close_feed(id),
        }
    }

    /// Closes a feed at the end of this turn.
    fn close_feed(&mut self, id: FeedId) {
        if let Some(feed) = self.feed(id).filter(|feed| !feed.is_closing) {
            feed.is_closing = true;
            self.closing.push(Token::Feed(id));
        }
    }

    /// Ends all of them.
    pub(super) fn stop_feeds(&mut self) {
        let feeds = self.heartbeats.as_ref().map(|h| h.feeds.ids());
        for id in feeds.into_iter().flatten() {
            self.close_feed(id);
        }
    }

    /// The closing phase has come to a feed.
    pub(super) fn drop_feed(&mut self, id: FeedId) {
        if let Some(heartbeats) = &mut self.heartbeats {
            heartbeats.feeds.remove(id);
        }
    }

    fn feed(&mut self, id: FeedId) -> Option<&mut Feed<N::Stream>> {
        self.heartbeats.as_mut()?.feeds.get_mut(id)
    }
}
