//! Subscriptions as their connections ask for them: the last values first, then the
//! acknowledgement, then every publication, until they are cancelled.

use super::Broker;
use super::deliver::overflow;
use super::requests::BYTES_PER_WORK;
use super::session::Phase;
use crate::codec::{Format, Message, Payload};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::framing;
use crate::queue::{Frame, Full};
use crate::time::Timestamp;
use crate::topic::Topic;
use std::rc::Rc;

impl Broker {
    pub(super) fn subscribe(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        topic: &Topic,
        retain_subtree: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.may_read(id, topic)?;
        let most = self.limits.max_subscriptions;
        let Some(member) = self.member(id) else {
            return Ok(());
        };
        let is_new = !member.subscriptions.contains_key(topic.key());
        if is_new && member.subscriptions.len() >= most {
            let text =
                format!("this connection has {most} subscriptions already, the most allowed");
            return Err(Refusal::new(Code::Limit, text));
        }
        let most = self.limits.subscription_total_bytes;
        if is_new && self.subscriptions.bytes_with(topic.key()) > most {
            let text =
                format!("subscriptions of all connections would take more than {most} bytes");
            return Err(Refusal::new(Code::Limit, text));
        }
        let frames = self.last_values(member.format, topic, retain_subtree, now);
        let bytes: usize = frames.iter().map(|frame| frame.len()).sum();
        self.work += frames.len() + bytes / BYTES_PER_WORK;
        let Some(session) = self.sessions.get_mut(id) else {
            return Ok(());
        };
        if !session.queue.takes(&frames) {
            let text = "the last values are more than the queue of a connection takes; read \
                        first, or subscribe in parts";
            return Err(Refusal::new(Code::Limit, text));
        }
        for frame in frames {
            match session.queue.push_message(frame) {
                Ok(dropped) => self.stats.messages_dropped += dropped,
                Err(Full) => {
                    self.close(id, &overflow(), now);
                    return Ok(());
                }
            }
            self.stats.messages_out += 1;
        }
        if let Phase::Open(member) = &mut session.phase
            && is_new
        {
            member
                .subscriptions
                .insert(topic.key().into(), topic.text().into());
            self.subscriptions.add(topic.key(), id);
        }
        let reply = Message::new("subscribed").id(request);
        self.reply(id, &reply.text("topic", topic.text()), now)
    }

    /// The last value of a topic, and those below it if asked for, as frames.
    fn last_values(
        &self,
        format: Format,
        topic: &Topic,
        retain_subtree: bool,
        now: Timestamp,
    ) -> Vec<Rc<Frame>> {
        let mut frames = Vec::new();
        let mut bytes_of_all = 0;
        // Reports that an empty queue would take these frames: if not, the rest is not needed.
        let mut add = |text: &str, payload: &Payload| {
            let message = Message::delivery(text, Some(payload), true);
            let bytes = framing::encode(format, &message, self.limits.max_frame_bytes)
                .or_else(|refusal| self.undeliverable(format, text, &refusal));
            if let Ok(bytes) = bytes {
                bytes_of_all += bytes.len();
                frames.push(Frame::new(bytes, &self.meter));
            }
            frames.len() <= 1
                || (frames.len() < self.limits.queue_messages
                    && bytes_of_all <= self.limits.queue_bytes)
        };
        if topic.is_own() {
            for (text, value) in self.own_values(topic, retain_subtree, now) {
                let _ = add(text, &value);
            }
            return frames;
        }
        if let Some(last) = self.retained.get(topic.key()) {
            let _ = add(&last.text, &last.payload);
        }
        if retain_subtree {
            for (_, last) in self.retained.below(topic.key()) {
                if !add(&last.text, &last.payload) {
                    break;
                }
            }
        }
        frames
    }

    pub(super) fn cancel(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        topic: &Topic,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(id) else {
            return Ok(());
        };
        let Phase::Open(member) = &mut session.phase else {
            return Ok(());
        };
        if member.subscriptions.remove(topic.key()).is_none() {
            return Err(Refusal::new(
                Code::NotSubscribed,
                "this topic is not subscribed to",
            ));
        }
        self.subscriptions.remove(topic.key(), id);
        let reply = Message::new("cancelled").id(request);
        self.reply(id, &reply.text("topic", topic.text()), now)
    }
}
