//! What time alone brings about: timeouts of announcements, pings, silence, closing connections
//! that do not read their last frame, and the publication of the broker's own topics.

use super::Broker;
use super::deliver::Publication;
use super::session::Phase;
use crate::codec::{Message, Payload};
use crate::connection_id::ConnectionId;
use crate::error::{Code, Refusal};
use crate::framing;
use crate::queue::Frame;
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
        for session in self.sessions.iter() {
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
            Due::Ping => self.ping(id),
            Due::Close(refusal) => self.close(id, &refusal, now),
            Due::Drop => self.actions.close(id),
        }
    }

    /// Asks for a sign of life, before all that waits: a consumer that reads slowly would find the
    /// ping too late.
    fn ping(&mut self, id: ConnectionId) {
        let most = self.limits.max_frame_bytes;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.is_pinged = true;
        let Some(member) = session.member() else {
            return;
        };
        // A ping fits into every frame.
        if let Ok(bytes) = framing::encode(member.format, &Message::new("ping"), most) {
            session.queue.push_next(Frame::new(bytes, &self.meter));
            self.actions.write(session);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Action, Keep};
    use crate::limits::Limits;
    use crate::rights::AccessRules;
    use std::io::IoSlice;

    /// What waits for a connection, as text; taken as written.
    fn written(broker: &mut Broker, id: ConnectionId) -> String {
        while broker.poll_action().is_some() {}
        let Some(queue) = broker.queue(id) else {
            return String::new();
        };
        let mut slices = vec![IoSlice::new(&[]); queue.len()];
        queue.slices(&mut slices);
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        queue.advance(bytes.len());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn run(limits: Limits, frames: &[&str]) -> Vec<(Duration, String)> {
        let mut broker = Broker::new(limits, AccessRules::open(), Keep::InMemory);
        let mut now = Timestamp::default();
        let id = broker.connect("peer".to_owned(), now).unwrap();
        for frame in frames {
            broker.frame(id, frame.as_bytes(), now);
        }
        written(&mut broker, id);
        let mut events = Vec::new();
        while now.since_origin() < limits.ping_interval * 3 {
            now = now.after(broker.tick_interval());
            broker.tick(now);
            let text = written(&mut broker, id);
            if !text.is_empty() {
                events.push((now.since_origin(), text));
            }
        }
        assert!(broker.is_finished(id));
        events
    }

    #[test]
    fn silence_is_noticed_within_two_intervals() {
        for interval in [Duration::from_millis(80), Duration::from_secs(30)] {
            let limits = Limits {
                ping_interval: interval,
                ..Limits::default()
            };
            let events = run(limits, &["lb-broker/1 json"]);
            let [(pinged, ping), (closed, error)] = &events[..] else {
                panic!("{events:?}")
            };
            assert!(
                ping.contains("\"ping\"") && error.contains("\"timeout\""),
                "{events:?}"
            );
            assert!(*pinged >= interval && *closed <= interval * 2, "{events:?}");
        }
    }

    #[test]
    fn a_ping_does_not_wait_behind_messages() {
        let limits = Limits::default();
        let mut broker = Broker::new(limits, AccessRules::open(), Keep::InMemory);
        let start = Timestamp::default();
        let id = broker.connect("peer".to_owned(), start).unwrap();
        for frame in [
            "lb-broker/1 json",
            r#"{"method":"subscribe","topic":"/"}"#,
            r#"{"method":"publish","topic":"/a","value":1}"#,
        ] {
            broker.frame(id, frame.as_bytes(), start);
        }
        broker.tick(start.after(limits.ping_interval));
        let text = written(&mut broker, id);
        let place = |word: &str| text.find(word).unwrap();
        assert!(place("\"ping\"") < place("\"message\""), "{text}");
    }

    #[test]
    fn announcements_have_a_deadline() {
        let limits = Limits {
            announce_timeout: Duration::from_secs(5),
            ..Limits::default()
        };
        let events = run(limits, &[]);
        let [(closed, error)] = &events[..] else {
            panic!("{events:?}")
        };
        assert!(error.contains("\"timeout\""));
        assert!((5..=6).contains(&closed.as_secs()), "{closed:?}");
    }

    #[test]
    fn a_connection_that_does_not_read_why_is_dropped() {
        let limits = Limits {
            announce_timeout: Duration::from_secs(1),
            ..Limits::default()
        };
        let mut broker = Broker::new(limits, AccessRules::open(), Keep::InMemory);
        let id = broker
            .connect("peer".to_owned(), Timestamp::default())
            .unwrap();
        let at = |seconds| Timestamp::new(Duration::from_secs(seconds));
        broker.tick(at(1));
        assert_eq!(broker.poll_action(), Some(Action::Write(id)));
        broker.tick(at(2));
        assert_eq!(broker.poll_action(), None);
        broker.tick(at(3));
        assert_eq!(broker.poll_action(), Some(Action::Close(id)));
    }
}
