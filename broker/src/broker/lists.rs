//! Topics and subscribers, in as many parts as the frames they come in need.

use super::Broker;
use super::replies::too_long;
use crate::codec::{Children, Message, SubscriberEntry};
use crate::connection_id::ConnectionId;
use crate::error::Refusal;
use crate::framing;
use crate::queue::Frame;
use crate::time::Timestamp;
use crate::topic::Topic;

/// The work of an entry of a list, as [`Broker::take_work`] counts it.
const ENTRY_WORK: usize = 4;

impl Broker {
    pub(super) fn list(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(member) = self.member(id) else {
            return Ok(());
        };
        let rights = &member.rights;
        let room = self.sessions.get(id).map_or(0, |s| s.queue.room());
        let (mut topics, mut bytes, mut seen) = (Vec::new(), 0, 0);
        for (key, last) in self.retained.all() {
            seen += 1;
            if rights.may_subscribe(key) {
                bytes += last.text.len();
                topics.push(last.text.to_string());
            }
            // No format writes them shorter: there is no need to see the rest.
            if bytes > room && topics.len() > 1 {
                break;
            }
        }
        self.work += seen * ENTRY_WORK;
        if bytes > room && topics.len() > 1 {
            return Err(too_long(bytes));
        }
        let parts = parts(&topics, self.limits.max_frame_bytes, |topic| topic.len());
        let messages = parts.into_iter().map(|(part, is_last)| {
            let reply = Message::new("topics").id(request).flag("more", !is_last);
            reply.children(Children::Topics(part))
        });
        self.reply_with_all(id, messages, now)
    }

    pub(super) fn list_subscribers(
        &mut self,
        id: ConnectionId,
        request: Option<u64>,
        topic: &Topic,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.may_read(id, topic)?;
        let mut entries = Vec::new();
        self.subscriptions.matching(topic.key(), |other, depth| {
            let Some(member) = self.member(other) else {
                return;
            };
            let above = prefix(topic.key(), depth);
            if let Some(text) = member.subscriptions.get(above) {
                entries.push(SubscriberEntry {
                    client: member.name.clone(),
                    format: member.format,
                    topic: text.to_string(),
                });
            }
        });
        self.work += entries.len() * ENTRY_WORK;
        let bytes = |entry: &SubscriberEntry| entry.client.len() + entry.topic.len() + 48;
        let parts = parts(&entries, self.limits.max_frame_bytes, bytes);
        let messages = parts.into_iter().map(|(part, is_last)| {
            Message::new("subscribers")
                .id(request)
                .text("topic", topic.text())
                .flag("more", !is_last)
                .children(Children::Subscribers(part))
        });
        self.reply_with_all(id, messages, now)
    }

    /// Sends all parts of a reply, or none: a list that the queue does not take is refused, rather
    /// than cut off by the end of the connection.
    fn reply_with_all<'a>(
        &mut self,
        id: ConnectionId,
        messages: impl Iterator<Item = Message<'a>>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let most = self.limits.max_frame_bytes;
        let Some(format) = self.member(id).map(|member| member.format) else {
            return Ok(());
        };
        let frames = messages
            .map(|message| {
                Ok(Frame::new(
                    framing::encode(format, &message, most)?,
                    &self.meter,
                ))
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        self.send_replies(id, frames, now)
    }
}

/// The first `depth` segments of a key.
fn prefix(key: &str, depth: usize) -> &str {
    match depth.checked_sub(1) {
        None => "",
        Some(last) => {
            let end = key.match_indices('/').nth(last).map(|(at, _)| at);
            end.and_then(|end| key.get(..end)).unwrap_or(key)
        }
    }
}

/// Cuts a list into parts that fit into frames whatever the format; at least one, the last marked.
fn parts<T>(items: &[T], max_frame_bytes: usize, bytes: impl Fn(&T) -> usize) -> Vec<(&[T], bool)> {
    // A character may become six (`&quot;`), and each item has quotes or tags around it. A quarter
    // of the frame is left for the rest of the message.
    let room = max_frame_bytes / 4 * 3;
    let mut parts = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (nth, item) in items.iter().enumerate() {
        let cost = 6 * bytes(item) + 32;
        if used + cost > room && nth > start {
            parts.push((items.get(start..nth).unwrap_or_default(), false));
            (start, used) = (nth, 0);
        }
        used += cost;
    }
    parts.push((items.get(start..).unwrap_or_default(), true));
    parts
}
