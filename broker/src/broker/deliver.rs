//! From a publication to the queues of its consumers. A message is written once in each format that
//! a consumer wants, however many want it.

use super::Broker;
use super::session::Phase;
use crate::announcement::WhenFull;
use crate::codec::{Format, Message, Payload};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::framing;
use crate::queue::{Frame, Full, Meter};
use crate::time::Timestamp;
use crate::topic::Topic;
use std::rc::Rc;

/// A publication, and its frames as far as they were needed.
pub(super) struct Publication<'a> {
    topic: &'a Topic,
    value: Option<&'a Payload>,
    frames: [Option<Rc<Frame>>; Format::ALL.len()],
}

impl<'a> Publication<'a> {
    pub(super) const fn new(topic: &'a Topic, value: Option<&'a Payload>) -> Self {
        Self {
            topic,
            value,
            frames: [const { None }; Format::ALL.len()],
        }
    }

    /// The frame in this format. None if the message cannot be written in it.
    fn frame(&mut self, format: Format, most: usize, meter: &Meter) -> Option<Rc<Frame>> {
        let place = self.frames.get_mut(format.index())?;
        if place.is_none() {
            let message = Message::delivery(self.topic.text(), self.value, false);
            let bytes = framing::encode(format, &message, most)
                .or_else(|refusal| undeliverable(format, self.topic.text(), &refusal, most));
            *place = bytes.ok().map(|bytes| Frame::new(bytes, meter));
        }
        place.clone()
    }
}

impl Broker {
    /// Queues a publication for every consumer whose subscription it matches, once.
    pub(super) fn deliver(&mut self, publication: &mut Publication<'_>, now: Timestamp) {
        self.publication += 1;
        let number = self.publication;
        let most = self.limits.max_frame_bytes;
        let mut overflowed = Vec::new();
        let mut reached = 0;
        let Self {
            sessions,
            subscriptions,
            stats,
            actions,
            meter,
            ..
        } = self;
        subscriptions.matching(publication.topic.key(), |id, _| {
            reached += 1;
            let session = sessions.get_mut(id);
            let Some(session) = session.filter(|session| session.last_publication != number) else {
                return;
            };
            session.last_publication = number;
            let Phase::Open(member) = &session.phase else {
                return;
            };
            let Some(frame) = publication.frame(member.format, most, meter) else {
                return;
            };
            let was_pressed = session.queue.is_pressed();
            match session.queue.push_message(frame) {
                Ok(dropped) => {
                    stats.messages_out += 1;
                    stats.messages_dropped += dropped;
                    actions.write(session);
                    if !was_pressed && session.queue.is_pressed() {
                        actions.write_soon(id);
                    }
                }
                Err(Full) => overflowed.push(id),
            }
        });
        for id in overflowed {
            self.close(id, &overflow(), now);
        }
        self.work += reached;
        self.relieve_if_full(now);
    }

    /// Makes room if all queues together are over their limit.
    pub(super) fn relieve_if_full(&mut self, now: Timestamp) {
        if self.meter.get() > self.limits.queue_total_bytes {
            self.relieve(now);
        }
    }

    /// Empties the largest queues until a quarter of all room is free: rare, so it may look at all.
    /// Messages give way first. Where replies fill the room, their connections are cut off: a
    /// socket that has not taken them would not take the reason either.
    fn relieve(&mut self, now: Timestamp) {
        self.drop_messages_of_largest(now);
        let enough = self.room_when_relieved();
        let mut by_size = self.by_queue_size();
        while self.meter.get() > enough
            && let Some((bytes, id)) = by_size.pop()
            && bytes > 0
        {
            self.leave(id);
            if let Some(session) = self.sessions.get_mut(id) {
                session.phase = Phase::Closing { since: now };
                session.queue.clear();
                self.stats.errors += 1;
                self.actions.close(id);
            }
        }
    }

    const fn room_when_relieved(&self) -> u64 {
        self.limits.queue_total_bytes / 4 * 3
    }

    /// Bytes that wait, and for which connection; the largest last.
    fn by_queue_size(&self) -> Vec<(usize, ConnectionId)> {
        let sizes = self.sessions.iter();
        let mut by_size: Vec<_> = sizes
            .map(|session| (session.queue.bytes(), session.id))
            .collect();
        by_size.sort_unstable();
        by_size
    }

    fn drop_messages_of_largest(&mut self, now: Timestamp) {
        let enough = self.room_when_relieved();
        let mut by_size = self.by_queue_size();
        while self.meter.get() > enough
            && let Some((_, id)) = by_size.pop()
        {
            let Some(session) = self.sessions.get_mut(id) else {
                continue;
            };
            match session.queue.when_full() {
                WhenFull::Disconnect => self.close(id, &overflow(), now),
                WhenFull::DropOldest => {
                    self.stats.messages_dropped += session.queue.drop_all();
                    self.actions.write(session);
                }
            }
        }
    }

    /// The frame that stands for a message that is too large in this format.
    pub(super) fn undeliverable(
        &self,
        format: Format,
        topic: &str,
        refusal: &Refusal,
    ) -> Result<Vec<u8>, Refusal> {
        undeliverable(format, topic, refusal, self.limits.max_frame_bytes)
    }
}

fn undeliverable(
    format: Format,
    topic: &str,
    refusal: &Refusal,
    most: usize,
) -> Result<Vec<u8>, Refusal> {
    framing::encode(
        format,
        &Message::error(refusal, None).text("topic", topic),
        most,
    )
}

/// The refusal of a connection that would rather be disconnected than miss a message.
pub(super) fn overflow() -> Refusal {
    let text = "the queue is full and when_full is disconnect";
    Refusal::new(Code::Overflow, text)
}
