//! A life of a ring: a storm of joins, clients, crashes, leaving, a partition; then quiet, and a look at
//! everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::Config;
use crate::id::Space;
use crate::message::Bytes;
use crate::time::Timestamp;
use crate::wire::Codec;

use super::check::{Broken, Ring};
use super::{Answer, Network, World};

/// What a life consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of everything.
    pub seed: u64,
    /// Hosts.
    pub nodes: usize,
    /// The compatible mode, or the native one.
    pub codec: Codec,
    /// Virtual nodes of a host.
    pub vnodes: u16,
    /// The network until it becomes quiet.
    pub network: Network,
    /// Hosts that join at the same time.
    pub storm: usize,
    /// Keys that are put.
    pub keys: usize,
    /// Times that neighbours die together, fewer than there are replicas.
    pub crashes: usize,
    /// Hosts that leave.
    pub leaves: usize,
    /// Whether the ring is cut into two for a minute.
    pub partition: bool,
}

impl Plan {
    /// A plan for so many nodes with some of everything.
    #[must_use]
    pub fn new(seed: u64, nodes: usize, codec: Codec) -> Self {
        Self {
            seed,
            nodes,
            codec,
            vnodes: 1,
            network: Network::rough(),
            storm: (nodes / 10).max(4),
            keys: (nodes * 2).clamp(20, 2000),
            crashes: 3,
            leaves: 2,
            partition: true,
        }
    }

    const fn space(&self) -> Space {
        match self.codec {
            Codec::Course => Space::COURSE,
            Codec::Native(_) => Space::NATIVE,
        }
    }
}

/// How a life went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Nodes at the end.
    pub nodes: usize,
    /// Virtual time.
    pub time: Duration,
    /// Datagrams delivered.
    pub datagrams: u64,
    /// Values acknowledged.
    pub acknowledged: usize,
    /// Operations that were refused or not answered while the ring was in disorder.
    pub unserved: usize,
    /// GETs that were answered.
    pub gets: usize,
    /// Quiet time after which everything was right.
    pub settled: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} nodes, {:.0} s of virtual time, {} datagrams; {} PUT acknowledged, {} GET answered, \
             {} operations not served in disorder; all right {:.0} s after the last change",
            self.nodes,
            self.time.as_secs_f64(),
            self.datagrams,
            self.acknowledged,
            self.gets,
            self.unserved,
            self.settled.as_secs_f64()
        )
    }
}

struct Life {
    plan: Plan,
    world: World,
    /// Values that each key may have: the last acknowledged, and what was put since.
    right: BTreeMap<String, Vec<Bytes>>,
    /// Keys of which a value was acknowledged.
    known: BTreeSet<String>,
    token: u64,
    acknowledged: usize,
    unserved: usize,
    gets: usize,
}

/// Quiet time within which everything has to be right.
const MAX_QUIET: Duration = Duration::from_secs(400);
const QUIET_STEP: Duration = Duration::from_secs(5);

/// Plays a life.
///
/// # Errors
/// [`Broken`], with what did not hold.
pub fn play(plan: Plan) -> Result<Report, Broken> {
    let world = World::new(plan.seed, plan.network, plan.codec.clone());
    let mut life = Life {
        plan,
        world,
        right: BTreeMap::new(),
        known: BTreeSet::new(),
        token: 0,
        acknowledged: 0,
        unserved: 0,
        gets: 0,
    };
    life.join_all();
    life.quiet(false)?;
    let keys = life.plan.keys;
    life.operate(keys)?;
    life.crash()?;
    life.depart()?;
    if life.plan.partition {
        life.divide()?;
    }
    let settled = life.quiet(true)?;
    life.read_all()?;
    Ok(Report {
        nodes: life.world.up().len() * usize::from(life.plan.vnodes),
        time: life.world.now().since(Timestamp::ZERO),
        datagrams: life.world.delivered().0,
        acknowledged: life.acknowledged,
        unserved: life.unserved,
        gets: life.gets,
        settled,
    })
}

impl Life {
    /// Everybody joins, by anybody who is there already, in storms.
    fn join_all(&mut self) {
        let vnodes = self.plan.vnodes;
        self.world.add(|config| Config { vnodes, ..config });
        let mut left = self.plan.nodes - 1;
        while left > 0 {
            let there = self.world.len();
            for _ in 0..left.min(self.plan.storm.min(there * 2)) {
                let by = World::addr(self.world.random.below(there));
                self.world.add(|config| Config {
                    vnodes,
                    join: vec![by],
                    ..config
                });
                left -= 1;
                self.world.run(Duration::from_millis(2));
            }
            self.world.run(Duration::from_secs(2));
        }
    }

    fn value(&mut self) -> Bytes {
        let value = lb_pickle::Value::Int((self.world.random.next_u64() >> 1) as i64);
        lb_pickle::to_opcodes(&value).into()
    }

    /// Puts some keys, by any node, and gets others.
    fn operate(&mut self, count: usize) -> Result<(), Broken> {
        let up = self.world.up();
        let mut waiting: Vec<(u64, String, Option<Bytes>)> = Vec::new();
        for _ in 0..count {
            let nth = self.world.random.below(self.plan.keys);
            let key = format!("key {nth}");
            let by = self.world.random.pick(&up).copied().unwrap_or(0);
            self.token += 1;
            if waiting.iter().any(|(_, other, _)| *other == key) {
                continue;
            }
            if self.world.random.chance(0.6) {
                let value = self.value();
                self.right
                    .entry(key.clone())
                    .or_default()
                    .push(value.clone());
                self.world.put(by, self.token, &key, &value);
                waiting.push((self.token, key, Some(value)));
            } else {
                self.world.get(by, self.token, &key);
                waiting.push((self.token, key, None));
            }
            if waiting.len() >= 50 {
                self.await_answers(std::mem::take(&mut waiting), true)?;
            }
        }
        self.await_answers(waiting, true)
    }

    fn await_answers(
        &mut self,
        waiting: Vec<(u64, String, Option<Bytes>)>,
        is_strict: bool,
    ) -> Result<(), Broken> {
        self.world.run(Duration::from_secs(3));
        for (token, key, value) in waiting {
            let answer = self.world.answer(token).map(|(answer, _)| answer);
            match (answer, value) {
                (Some(Answer::Stored), Some(value)) => {
                    self.acknowledged += 1;
                    self.known.insert(key.clone());
                    self.right.insert(key, vec![value]);
                }
                (Some(Answer::Found(found)), None) => {
                    self.gets += 1;
                    let right = self.right.get(&key);
                    if is_strict && !right.is_some_and(|right| right.contains(&found)) {
                        return Err(Broken(format!("GET {key:?} gave a value never right")));
                    }
                }
                (Some(Answer::No), None) if self.is_unknown(&key) => self.gets += 1,
                _ => self.unserved += 1,
            }
        }
        Ok(())
    }

    /// Whether a key has never been acknowledged.
    fn is_unknown(&self, key: &str) -> bool {
        !self.known.contains(key)
    }

    /// Neighbours die together, some come back; fewer than have copies.
    fn crash(&mut self) -> Result<(), Broken> {
        for _ in 0..self.plan.crashes {
            let ring = Ring::of(&self.world, self.plan.space());
            if ring.len() < 8 {
                return Ok(());
            }
            let victims = self.neighbours(2);
            for victim in &victims {
                self.world.kill(*victim);
            }
            let count = self.plan.keys / 8;
            self.operate(count)?;
            self.world.run(Duration::from_secs(30));
            if let Some(victim) = victims.first() {
                let by = self.anyone();
                self.start(*victim, by);
            }
            self.world.run(Duration::from_secs(30));
        }
        Ok(())
    }

    fn start(&mut self, nth: usize, by: usize) {
        let vnodes = self.plan.vnodes;
        let join = vec![World::addr(by)];
        self.world.start(nth, |config| Config {
            vnodes,
            join,
            ..config
        });
    }

    fn anyone(&mut self) -> usize {
        let up = self.world.up();
        self.world.random.pick(&up).copied().unwrap_or(0)
    }

    /// Hosts that follow each other on the ring.
    fn neighbours(&mut self, count: usize) -> Vec<usize> {
        let first = self.anyone();
        let mut found = vec![first];
        let host = self.world.host(first);
        let snapshot = host.and_then(|host| host.snapshots().into_iter().next());
        let successors = snapshot.map(|s| s.successors).unwrap_or_default();
        for successor in successors {
            let nth = (0..self.world.len()).find(|nth| World::addr(*nth) == successor.addr);
            if let Some(nth) = nth
                && !found.contains(&nth)
            {
                found.push(nth);
            }
        }
        found.truncate(count);
        found
    }

    fn depart(&mut self) -> Result<(), Broken> {
        for _ in 0..self.plan.leaves {
            if self.world.up().len() < 6 {
                return Ok(());
            }
            let leaver = self.anyone();
            self.world.leave(leaver);
            self.world.run(Duration::from_secs(12));
            if self.world.host(leaver).is_some() {
                return Err(Broken(format!("host {leaver} does not come to leave")));
            }
            let count = self.plan.keys / 8;
            self.operate(count)?;
        }
        Ok(())
    }

    /// A third is cut off for a minute, and both sides write the same keys.
    fn divide(&mut self) -> Result<(), Broken> {
        let before = self.right.clone();
        let up = self.world.up();
        for nth in &up {
            let side = u8::from(nth % 3 == 0);
            self.world.set_side(*nth, side);
        }
        self.world.run(Duration::from_secs(30));
        let mut waiting = Vec::new();
        let names: Vec<String> = (0..self.plan.keys / 4)
            .map(|n| format!("key {n}"))
            .collect();
        for _ in 0..2 {
            for key in &names {
                let by = self.world.random.pick(&up).copied().unwrap_or(0);
                self.token += 1;
                let value = self.value();
                self.world.put(by, self.token, key, &value);
                waiting.push((self.token, key.clone(), value));
            }
            // Which is the newest is only certain when the one was over before the other began.
            self.world.run(Duration::from_secs(5));
        }
        self.world.run(Duration::from_secs(20));
        // The newest acknowledged wins; one that was not may have been written later still.
        let mut newest: BTreeMap<String, (Timestamp, Vec<Bytes>)> = BTreeMap::new();
        for (token, key, value) in waiting {
            match self.world.answer(token) {
                Some((Answer::Stored, _)) => {
                    self.acknowledged += 1;
                    self.known.insert(key.clone());
                    newest.insert(key, (self.world.now(), vec![value]));
                }
                _ => {
                    self.unserved += 1;
                    let entry = newest.entry(key.clone());
                    let known = || {
                        let values = before.get(&key).cloned().unwrap_or_default();
                        (Timestamp::ZERO, values)
                    };
                    entry.or_insert_with(known).1.push(value);
                }
            }
        }
        for (key, (_, values)) in newest {
            self.right.insert(key, values);
        }
        for nth in up {
            self.world.set_side(nth, 0);
        }
        Ok(())
    }

    /// Lets the network be calm until everything is right.
    fn quiet(&mut self, is_last: bool) -> Result<Duration, Broken> {
        self.world.network = Network::calm();
        let mut quiet = Duration::ZERO;
        loop {
            self.world.run(QUIET_STEP);
            quiet += QUIET_STEP;
            let looked = self.look(is_last);
            match looked {
                Ok(()) => break,
                Err(_) if quiet < MAX_QUIET => {}
                Err(broken) => return Err(broken),
            }
        }
        if !is_last {
            self.world.network = self.plan.network;
        }
        Ok(quiet)
    }

    fn look(&self, with_keys: bool) -> Result<(), Broken> {
        let ring = Ring::of(&self.world, self.plan.space());
        let config = Config::course(World::addr(0), [0; 32]);
        ring.links(config.successors)?;
        ring.fingers()?;
        if with_keys {
            // What was never acknowledged may be anywhere or nowhere.
            let mut known = self.right.clone();
            known.retain(|key, _| self.known.contains(key) || ring.held(key) > 0);
            ring.keys(&known, config.replicas)?;
        }
        Ok(())
    }

    /// Gets every key once more, by any node.
    fn read_all(&mut self) -> Result<(), Broken> {
        let keys: Vec<String> = self.right.keys().cloned().collect();
        for chunk in keys.chunks(200) {
            let mut waiting = Vec::new();
            for key in chunk {
                let by = self.anyone();
                self.token += 1;
                self.world.get(by, self.token, key);
                waiting.push((self.token, key));
            }
            self.world.run(Duration::from_secs(3));
            for (token, key) in waiting {
                let right = self.right.get(key).map(Vec::as_slice).unwrap_or_default();
                match self.world.answer(token) {
                    Some((Answer::Found(found), _)) if right.contains(&found) => self.gets += 1,
                    Some((Answer::No, _)) if self.is_unknown(key) => {}
                    other => return Err(Broken(format!("in the end, GET {key:?}: {other:?}"))),
                }
            }
        }
        Ok(())
    }
}
