//! Random trees, subscriptions and publications against a model so plain that it cannot be wrong:
//! lists that are searched from end to end.
//!
//! ```text
//! cargo test -p lb-broker --test model                              500 seeds
//! LB_BROKER_MODEL_SEEDS=10000 cargo test -p lb-broker --test model   the long mode
//! LB_BROKER_MODEL_SEED=17 cargo test -p lb-broker --test model       one seed again
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken rule ends the test, and its seed is printed"
)]

#[path = "support/random.rs"]
mod random;

use lb_broker::broker::{Action, Broker, Change, Keep};
use lb_broker::client::Received;
use lb_broker::codec::{Children, Format, Message, Payload, Scalar, read_message, write_message};
use lb_broker::connection_id::ConnectionId;
use lb_broker::limits::Limits;
use lb_broker::rights::AccessRules;
use lb_broker::time::Timestamp;
use lb_broker::value::Value;
use random::Random;
use std::collections::BTreeMap;
use std::io::IoSlice;

const STEPS: usize = 60;
const SEGMENTS: [&str; 5] = ["a", "b", "temp", "temperature", "$x"];

/// A connection, as the model has it.
struct Peer {
    id: ConnectionId,
    format: Format,
    /// Segments of the topics it subscribed to.
    subscriptions: Vec<Vec<String>>,
    /// Messages it must get, in order, and has not got yet.
    expected: Vec<Event>,
}

/// A message in words.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Message {
        topic: String,
        value: Option<i64>,
        retained: bool,
    },
    Other(String),
    Topics(Vec<String>),
}

struct World {
    broker: Broker,
    now: Timestamp,
    random: Random,
    peers: Vec<Peer>,
    /// Topics in the spelling of their last publisher, by segments.
    retained: BTreeMap<String, (String, i64)>,
    /// What a store holds.
    stored: BTreeMap<String, (String, i64)>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            broker: Broker::new(Limits::default(), AccessRules::open(), Keep::Stored),
            now: Timestamp::default(),
            random: Random::new(seed),
            peers: Vec::new(),
            retained: BTreeMap::new(),
            stored: BTreeMap::new(),
        }
    }

    fn topic(&mut self, may_be_root: bool) -> String {
        let depth = self.random.below(4) + usize::from(!may_be_root);
        let slash = if self.random.one_in(2) { "/" } else { "" };
        let segments: Vec<&str> = (0..depth).map(|_| *self.random.pick(&SEGMENTS)).collect();
        format!("{slash}{}", segments.join("/"))
    }

    fn connect(&mut self) {
        let id = self.broker.connect("peer".to_owned(), self.now).unwrap();
        let format = *self.random.pick(&Format::ALL);
        self.broker
            .frame(id, format!("lb-broker/1 {format}").as_bytes(), self.now);
        let expected = vec![Event::Other("welcome".to_owned())];
        self.peers.push(Peer {
            id,
            format,
            subscriptions: Vec::new(),
            expected,
        });
    }

    fn send(&mut self, peer: usize, message: &Message<'_>) {
        let mut bytes = Vec::new();
        write_message(self.peers[peer].format, message, &mut bytes).unwrap();
        self.broker.frame(self.peers[peer].id, &bytes, self.now);
    }

    fn step(&mut self) {
        if self.peers.is_empty() || (self.peers.len() < 6 && self.random.one_in(8)) {
            return self.connect();
        }
        let peer = self.random.below(self.peers.len());
        match self.random.below(12) {
            0..=2 => self.subscribe(peer),
            3 => self.cancel(peer),
            4..=8 => self.publish(peer),
            9 => self.list(peer),
            10 => self.store(),
            _ if self.random.one_in(4) => {
                let gone = self.peers.swap_remove(peer);
                self.broker.disconnected(gone.id);
            }
            _ => self.deliver(),
        }
    }

    fn subscribe(&mut self, peer: usize) {
        let topic = self.topic(true);
        let subtree = self.random.one_in(2);
        let message = Message::new("subscribe")
            .text("topic", &topic)
            .flag("retain_subtree", subtree);
        self.send(peer, &message);
        let wanted = split(&topic);
        for (key, (text, value)) in &self.retained {
            let found = split(key);
            if found == wanted || (subtree && found.starts_with(&wanted)) {
                self.peers[peer].expected.push(Event::Message {
                    topic: text.clone(),
                    value: Some(*value),
                    retained: true,
                });
            }
        }
        self.peers[peer]
            .expected
            .push(Event::Other(format!("subscribed {topic}")));
        if !self.peers[peer].subscriptions.contains(&wanted) {
            self.peers[peer].subscriptions.push(wanted);
        }
    }

    fn cancel(&mut self, peer: usize) {
        let topic = self.topic(true);
        self.send(peer, &Message::new("cancel").text("topic", &topic));
        let wanted = split(&topic);
        let place = self.peers[peer]
            .subscriptions
            .iter()
            .position(|other| *other == wanted);
        let event = match place {
            Some(place) => {
                self.peers[peer].subscriptions.remove(place);
                format!("cancelled {topic}")
            }
            None => "error not-subscribed".to_owned(),
        };
        self.peers[peer].expected.push(Event::Other(event));
    }

    fn publish(&mut self, peer: usize) {
        let topic = self.topic(false);
        let value = (!self.random.one_in(8)).then(|| self.random.below(1000) as i64);
        let is_retained = !self.random.one_in(5);
        let payload = value.map(|value| Payload::of(&Value::Int(value)));
        let mut message = Message::new("publish").text("topic", &topic);
        if !is_retained {
            message.scalars.push(("retain", Scalar::Flag(false)));
        }
        self.send(
            peer,
            &message.children(payload.as_ref().map_or(Children::None, Children::Value)),
        );
        let published = split(&topic);
        for peer in &mut self.peers {
            if peer
                .subscriptions
                .iter()
                .any(|wanted| published.starts_with(wanted))
            {
                peer.expected.push(Event::Message {
                    topic: topic.clone(),
                    value,
                    retained: false,
                });
            }
        }
        let key = published.join("/");
        match value {
            _ if !is_retained => {}
            Some(value) => drop(self.retained.insert(key, (topic, value))),
            None => drop(self.retained.remove(&key)),
        }
    }

    fn list(&mut self, peer: usize) {
        self.send(peer, &Message::new("list"));
        let topics = self
            .retained
            .values()
            .map(|(text, _)| text.clone())
            .collect();
        self.peers[peer].expected.push(Event::Topics(topics));
    }

    /// Stores a batch, or fails to: the next one has to make up for it.
    fn store(&mut self) {
        let Some(batch) = self.broker.take_batch() else {
            return;
        };
        if self.random.one_in(3) {
            return self.broker.batch_stored(Err("no space"), self.now);
        }
        for (key, change) in batch {
            match change {
                Change::Set { text, payload } => {
                    let Ok(Value::Int(value)) = payload.value() else {
                        panic!("{payload:?}")
                    };
                    self.stored.insert(key.into(), (text.into(), value));
                }
                Change::Clear => drop(self.stored.remove(&*key)),
            }
        }
        self.broker.batch_stored(Ok(()), self.now);
    }

    /// Everything that waits is written, and must be what was expected.
    fn deliver(&mut self) {
        while let Some(action) = self.broker.poll_action() {
            assert!(matches!(action, Action::Write(_)));
        }
        for peer in &mut self.peers {
            let queue = self.broker.queue(peer.id).unwrap();
            let mut slices = vec![IoSlice::new(&[]); queue.len()];
            let count = queue.slices(&mut slices);
            assert_eq!(count, queue.len());
            let events: Vec<_> = slices
                .iter()
                .map(|frame| event(peer.format, &frame[4..]))
                .collect();
            let bytes = queue.bytes();
            queue.advance(bytes);
            assert_eq!(events, peer.expected, "{}", peer.format);
            peer.expected.clear();
        }
    }
}

/// The segments of a topic, found without the library.
fn split(topic: &str) -> Vec<String> {
    topic
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

fn event(format: Format, frame: &[u8]) -> Event {
    let Value::Dict(fields) = read_message(format, frame).unwrap() else {
        panic!("no fields")
    };
    let message = Received::from(fields);
    let text = |name| message.text(name).unwrap().to_owned();
    match message.method() {
        "message" => Event::Message {
            topic: text("topic"),
            value: message.get("value").map(|value| match value {
                Value::Int(value) => *value,
                other => panic!("{other:?}"),
            }),
            retained: message.flag("retained"),
        },
        "topics" => Event::Topics(
            message
                .list("topics")
                .iter()
                .map(|topic| match topic {
                    Value::Text(text) => text.clone(),
                    other => panic!("{other:?}"),
                })
                .collect(),
        ),
        "error" => Event::Other(format!("error {}", text("code"))),
        "welcome" => Event::Other("welcome".to_owned()),
        method => Event::Other(format!("{method} {}", text("topic"))),
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.deliver();
    while !world.broker.is_stored() {
        world.store();
    }
    assert_eq!(
        world.stored, world.retained,
        "the store has what the broker has"
    );
    for peer in std::mem::take(&mut world.peers) {
        world.broker.disconnected(peer.id);
    }
    let stats = world.broker.stats();
    assert_eq!((stats.clients, stats.queued_bytes), (0, 0));
}

#[test]
fn brokers_do_as_the_model() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seeds = match number("LB_BROKER_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LB_BROKER_MODEL_SEEDS").unwrap_or(500),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "LB_BROKER_MODEL_SEED={seed}; see above");
    }
}
