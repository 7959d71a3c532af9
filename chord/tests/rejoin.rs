//! A node that comes back with an empty store must not serve, or miss, what was written meanwhile.
//! With `LB_CHORD_LIVES=N`, N seeds.

#![allow(clippy::panic)] // in the helpers of tests too

use std::collections::BTreeMap;
use std::time::Duration;

use lb_chord::Config;
use lb_chord::id::Space;
use lb_chord::message::Bytes;
use lb_chord::sim::check::Ring;
use lb_chord::sim::{Answer, Network, World};
use lb_chord::wire::Codec;

const NODES: usize = 8;
const STEP: Duration = Duration::from_millis(1);

struct Client {
    world: World,
    token: u64,
    acknowledged: BTreeMap<String, Bytes>,
}

impl Client {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, Network::calm(), Codec::Course);
        for nth in 0..NODES {
            let join = if nth == 0 {
                vec![]
            } else {
                vec![World::addr(0)]
            };
            world.add(|config| Config { join, ..config });
            world.run(Duration::from_secs(1));
        }
        world.run(Duration::from_secs(30));
        let acknowledged = BTreeMap::new();
        Self {
            world,
            token: 0,
            acknowledged,
        }
    }

    fn anyone(&mut self) -> usize {
        let up = self.world.up();
        *self.world.random.pick(&up).unwrap_or(&0)
    }

    /// Waits for an answer as a client does: for at most three seconds.
    fn answer(&mut self) -> Option<Answer> {
        for _ in 0..3000 {
            self.world.run(STEP);
            if let Some((answer, _)) = self.world.answer(self.token) {
                return Some(answer);
            }
        }
        None
    }

    fn put(&mut self, key: &str) {
        self.token += 1;
        let value: Bytes = lb_pickle::to_opcodes(&lb_pickle::Value::Int(self.token as i64)).into();
        let by = self.anyone();
        self.world.put(by, self.token, key, &value);
        match self.answer() {
            Some(Answer::Stored) => drop(self.acknowledged.insert(key.to_owned(), value)),
            // It may be there or not.
            _ => drop(self.acknowledged.remove(key)),
        }
    }

    fn get(&mut self, seed: u64, key: &str) {
        let Some(value) = self.acknowledged.get(key).cloned() else {
            return;
        };
        self.token += 1;
        let by = self.anyone();
        self.world.get(by, self.token, key);
        let now = self.world.now();
        match self.answer() {
            Some(Answer::Found(found)) if found == value => {}
            other => panic!("seed {seed}, {now:?}: GET {key} by {by}: {other:?}, not {value:?}"),
        }
    }
}

#[test]
fn a_node_that_comes_back_serves_no_old_value() {
    let more = std::env::var("LB_CHORD_LIVES").ok();
    let seeds = more.and_then(|n| n.parse().ok()).unwrap_or(3);
    for seed in 1..=seeds {
        let mut client = Client::new(seed);
        for round in 0..4 {
            let victim = client.anyone();
            client.world.kill(victim);
            // Old values come to be everywhere that they may.
            for nth in 0..40 {
                client.put(&format!("key {nth}"));
            }
            client.world.run(Duration::from_secs(20));
            let by = World::addr(client.anyone());
            client.world.start(victim, |config| Config {
                join: vec![by],
                ..config
            });
            for nth in 0..400 {
                let key = format!("key {}", (nth * 7 + round) % 40);
                client.put(&key);
                client.get(seed, &key);
                client.get(seed, &format!("key {}", (nth * 11) % 40));
            }
            client.world.run(Duration::from_secs(10));
        }
    }
}

/// Nodes that take each other for dead because most of what they say is lost come apart into several
/// rings, in which each node hears the others again one by one.
#[test]
fn a_ring_that_came_apart_by_loss_is_one_again() {
    for seed in 1..=10 {
        let mut client = Client::new(seed);
        let world = &mut client.world;
        for _ in 0..3 {
            world.network.loss = 0.75;
            world.run(Duration::from_secs(40));
            world.network.loss = 0.0;
            world.run(Duration::from_secs(90));
            let ring = Ring::of(world, Space::COURSE);
            if let Err(broken) = ring.links(8).and_then(|()| ring.fingers()) {
                panic!("seed {seed}: {broken}");
            }
        }
    }
}
