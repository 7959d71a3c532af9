//! What each verb does.

use super::changes::{Change, Waiting};
use super::deliver::Publication;
use super::session::{Member, Session};
use super::{Broker, Keep};
use crate::codec::{Body, Children, Format, Message, Payload, read_request};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::time::Timestamp;
use crate::topic::Topic;

/// Bytes that are translated in the time that it takes to queue a message for one consumer.
pub(super) const BYTES_PER_WORK: usize = 16;

impl Broker {
    /// A frame of a connection that has announced itself.
    pub(super) fn request(
        &mut self,
        id: ConnectionId,
        format: Format,
        frame: &[u8],
        now: Timestamp,
    ) {
        match read_request(format, frame, self.limits.max_value_bytes) {
            Ok(request) => {
                if let Body::Publish { value, .. } = &request.body {
                    let bytes = value.as_ref().map_or(0, Payload::len);
                    self.work += bytes.saturating_sub(frame.len()) / BYTES_PER_WORK;
                }
                if let Err(refusal) = self.serve(id, request.id, request.body, now) {
                    self.refuse_frame(id, request.id, &refusal, now);
                }
            }
            Err(refusal) => {
                if refusal.code == Code::TooLarge {
                    // A short pickle can say a long value, which is read up to the limit.
                    self.work += self.limits.max_value_bytes / BYTES_PER_WORK;
                }
                self.refuse_frame(id, None, &refusal, now);
            }
        }
    }

    fn serve(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        body: Body,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match body {
            Body::Publish {
                topic,
                value,
                retain,
            } => {
                let topic = self.topic(&topic)?;
                self.publish(id, request, &topic, value, retain, now)
            }
            Body::Subscribe {
                topic,
                retain_subtree,
            } => {
                let topic = self.topic(&topic)?;
                self.subscribe(id, request, &topic, retain_subtree, now)
            }
            Body::Cancel { topic } => {
                let topic = self.topic(&topic)?;
                self.cancel(id, request, &topic, now)
            }
            Body::Get { topic } => {
                let topic = self.topic(&topic)?;
                self.get(id, request, &topic, now)
            }
            Body::Subscribers { topic } => {
                let topic = self.topic(&topic)?;
                self.list_subscribers(id, request, &topic, now)
            }
            Body::List => self.list(id, request, now),
            Body::Ping => self.reply(id, &Message::new("pong").id(request), now),
            Body::Pong => Ok(()),
        }
    }

    fn topic(&self, text: &str) -> Result<Topic, Refusal> {
        Topic::parse(text, &self.limits.topic)
    }

    pub(super) fn member(&self, id: ConnectionId) -> Option<&Member> {
        self.sessions.get(id).and_then(Session::member)
    }

    pub(super) fn may_read(&self, id: ConnectionId, topic: &Topic) -> Result<(), Refusal> {
        match self.member(id) {
            Some(member) if member.rights.may_subscribe(topic.key()) => Ok(()),
            _ => Err(Refusal::new(
                Code::Forbidden,
                "no right to subscribe to this topic",
            )),
        }
    }

    fn publish(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        topic: &Topic,
        value: Option<Payload>,
        retain: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if topic.is_root() {
            return Err(Refusal::new(
                Code::Topic,
                "the root can be subscribed to, not published to",
            ));
        }
        if topic.is_own() {
            return Err(Refusal::new(Code::Forbidden, "$broker is the broker's own"));
        }
        if !self
            .member(id)
            .is_some_and(|member| member.rights.may_publish(topic.key()))
        {
            return Err(Refusal::new(
                Code::Forbidden,
                "no right to publish to this topic",
            ));
        }
        if let Some(value) = &value
            && retain
        {
            self.retained.check(topic, value)?;
        }
        if request.is_some() && self.keep == Keep::Stored && self.changes.is_full() {
            return Err(Refusal::new(
                Code::Limit,
                "too many publications are waiting to be stored already",
            ));
        }
        if retain
            && self.keep == Keep::Stored
            && self.changes.is_crowded(topic.key(), self.limits.max_topics)
        {
            return Err(Refusal::new(
                Code::Limit,
                "too many topics are waiting to be stored already",
            ));
        }
        self.stats.messages_in += 1;
        self.deliver(&mut Publication::new(topic, value.as_ref()), now);
        if retain {
            self.keep(topic, value);
        }
        match (request, self.keep) {
            (Some(request), Keep::InMemory) => self.acknowledge(id, request, topic.text(), now),
            // Not retained, there is nothing to wait for; but acknowledgements keep their order.
            (Some(request), Keep::Stored) => self.changes.wait(Waiting {
                connection: id,
                request,
                topic: topic.text().into(),
                is_kept: retain,
            }),
            (None, _) => {}
        }
        Ok(())
    }

    /// Makes a value the last one of its topic, or clears that.
    fn keep(&mut self, topic: &Topic, value: Option<Payload>) {
        let is_stored = self.keep == Keep::Stored;
        match value {
            Some(payload) => {
                if is_stored {
                    let (text, payload) = (topic.text().into(), payload.clone());
                    self.changes.add(topic.key(), Change::Set { text, payload });
                }
                self.retained.set(topic, payload);
            }
            None => {
                if self.retained.clear(topic.key()) && is_stored {
                    self.changes.add(topic.key(), Change::Clear);
                }
            }
        }
    }

    fn get(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        topic: &Topic,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.may_read(id, topic)?;
        let found = if topic.is_own() {
            let own = self.own_values(topic, false, now);
            own.into_iter()
                .next()
                .map(|(text, value)| (text.into(), value))
        } else {
            let last = self.retained.get(topic.key());
            last.map(|last| (last.text.clone(), last.payload.clone()))
        };
        let Some((text, payload)) = found else {
            return Err(Refusal::new(Code::NoValue, "this topic has no last value"));
        };
        self.work += payload.len() / BYTES_PER_WORK;
        let reply = Message::new("value").id(request).text("topic", &text);
        self.reply(id, &reply.children(Children::Value(&payload)), now)
    }
}
