//! A whole broker that is fed such frames: it keeps its limits, comes to rest, and gives
//! everything back.

use crate::corpus::{Corpus, mutated, words};
use crate::random::Random;
use lb_broker::broker::{Action, Broker, Keep};
use lb_broker::codec::Format;
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::time::Timestamp;
use std::time::Duration;

/// A broker with a few connections that send such frames.
pub(crate) fn attack_broker(corpus: &Corpus, seed: u64) {
    let mut random = Random::new(seed);
    let limits = Limits {
        max_connections: 6,
        max_topics: 5,
        max_retained_bytes: 1500,
        max_subscriptions: 3,
        queue_messages: 2 + random.below(20),
        queue_bytes: 1 + random.below(5000),
        queue_total_bytes: 20_000,
        ..Limits::default()
    };
    let keep = if random.one_in(2) {
        Keep::Stored
    } else {
        Keep::InMemory
    };
    let mut broker = Broker::new(limits, AccessRules::open(), keep);
    let mut now = Timestamp::default();
    let mut connections = Vec::new();
    for _ in 0..40 {
        now = now.after(Duration::from_millis(random.below(2000) as u64));
        match random.below(10) {
            0 | 1 => {
                if let Ok(id) = broker.connect("peer".to_owned(), now) {
                    let format = *random.pick(&Format::ALL);
                    let policy = if random.one_in(2) {
                        " when_full=disconnect"
                    } else {
                        ""
                    };
                    broker.frame(id, format!("lb-broker/1 {format}{policy}").as_bytes(), now);
                    connections.push((id, format));
                }
            }
            2 => broker.tick(now),
            3 => store(&mut broker, &mut random, now),
            4 => write(&mut broker, &mut random),
            5 if random.one_in(3) && !connections.is_empty() => {
                let (id, _) = connections.swap_remove(random.below(connections.len()));
                broker.disconnected(id);
            }
            _ if !connections.is_empty() => {
                let (id, format) = *random.pick(&connections);
                broker.frame(
                    id,
                    &mutated(&mut random, corpus.of(format), words(format)),
                    now,
                );
            }
            _ => {}
        }
        let stats = broker.stats();
        assert!(
            stats.topics <= 5 && stats.retained_bytes <= 1500,
            "{stats:?}"
        );
    }
    for (id, _) in connections {
        broker.disconnected(id);
    }
    let stats = broker.stats();
    assert_eq!(
        (broker.connections(), stats.clients, stats.queued_bytes),
        (0, 0, 0)
    );
}

/// Stores what is due, or fails to.
fn store(broker: &mut Broker, random: &mut Random, now: Timestamp) {
    if broker.take_batch().is_some() {
        let outcome = if random.one_in(3) {
            Err("full")
        } else {
            Ok(())
        };
        broker.batch_stored(outcome, now);
    }
}

/// Writes to some connections, in part or as a whole, and closes those that are to be closed.
fn write(broker: &mut Broker, random: &mut Random) {
    while let Some(action) = broker.poll_action() {
        match action {
            Action::Write(id) => {
                let Some(queue) = broker.queue(id) else {
                    continue;
                };
                let waiting = queue.bytes();
                let count = if random.one_in(2) {
                    waiting
                } else {
                    random.below(waiting + 1)
                };
                queue.advance(count);
                if broker.is_finished(id) {
                    broker.disconnected(id);
                }
            }
            Action::Close(id) => broker.disconnected(id),
        }
    }
}
