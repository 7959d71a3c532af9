//! What time alone brings about: timeouts of announcements, pings, silence, closing connections
//! that do not read their last frame, and the publication of the broker's own topics.

use super::deliver::Publication;
use super::session::Phase;
use super::{Action, Broker};
use crate::codec::{Message, Payload};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::time::Timestamp;
use crate::topic::{Topic, TopicLimits, is_at_or_below};
use std::time::Duration;

/// A closing connection may take this long to read why.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest time between two looks at the clock.
const MAX_TICK: Duration = Duration::from_secs(1);

/// What is due for a connection.
enum Due {
    Ping,
    Close(Refusal),
    Drop,
}

impl Broker {
    /// How often [`tick`](Self::tick) is to be called.
    #[must_use]
    pub fn tick_interval(&self) -> Duration {
        let limits = &self.limits;
        let shortest = limits
            .ping_interval
            .min(limits.announce_timeout)
            .min(limits.stats_interval);
        (shortest / 8).clamp(Duration::from_millis(1), MAX_TICK)
    }

    /// Does what is due. Looks at every connection: some nanoseconds each, once in a second.
    pub fn tick(&mut self, now: Timestamp) {
        let mut due = Vec::new();
        for (_, session) in &self.sessions {
            let silence = now.since(session.last_heard);
            if let Some(what) = self.due(&session.phase, silence, session.is_pinged, now) {
                due.push((session.id, what));
            }
        }
        for (id, what) in due {
            self.carry_out(id, what, now);
        }
        if now.since(self.last_stats) >= self.limits.stats_interval {
            self.last_stats = now;
            self.publish_own(now);
        }
    }

    fn due(
        &self,
        phase: &Phase,
        silence: Duration,
        is_pinged: bool,
        now: Timestamp,
    ) -> Option<Due> {
        let timeout = |text| Some(Due::Close(Refusal::new(Code::Timeout, text)));
        let interval = self.limits.ping_interval;
        match phase {
            Phase::Announcing if silence >= self.limits.announce_timeout => {
                timeout("no announcement came in time")
            }
            // The next tick would be too late to say that it took no more than two intervals.
            Phase::Open(_) if silence + self.tick_interval() >= interval * 2 => {
                timeout("no sign of life within two ping intervals")
            }
            Phase::Open(_) if silence >= interval && !is_pinged => Some(Due::Ping),
            Phase::Closing { since } if now.since(*since) >= CLOSE_TIMEOUT => Some(Due::Drop),
            Phase::Announcing | Phase::Open(_) | Phase::Closing { .. } => None,
        }
    }

    fn carry_out(&mut self, id: ConnectionId, due: Due, now: Timestamp) {
        match due {
            Due::Ping => {
                if let Some(session) = self.session_mut(id) {
                    session.is_pinged = true;
                }
                self.reply(id, &Message::new("ping"), now);
            }
            Due::Close(refusal) => self.close(id, &refusal, now),
            Due::Drop => self.actions.push(Action::Close(id)),
        }
    }

    /// Publishes the broker's own topics, if any connection has asked for one.
    fn publish_own(&mut self, now: Timestamp) {
        if !self.subscriptions.has_own() {
            return;
        }
        let topics: Vec<_> = self.stats().topics(now).collect();
        for (text, value) in topics {
            if let Ok(topic) = Topic::parse(text, &TopicLimits::default()) {
                let payload = Payload::of(&value);
                self.deliver(&mut Publication::new(&topic, Some(&payload)), now);
            }
        }
    }

    /// The values of the broker's own topics at `topic`, and below it if asked for.
    pub(super) fn own_values(
        &self,
        topic: &Topic,
        subtree: bool,
        now: Timestamp,
    ) -> Vec<(&'static str, Payload)> {
        let key = topic.key();
        let wanted = |text: &str| text == key || (subtree && is_at_or_below(text, key));
        let stats = self.stats();
        let all = stats.topics(now).filter(|(text, _)| wanted(text));
        all.map(|(text, value)| (text, Payload::of(&value)))
            .collect()
    }
}
