//! The figures of the paper (Stoica et al., IEEE/ACM TON 2003, section VI), measured on our own node
//! code in the simulator.
//!
//! | figure | measured on |
//! |---|---|
//! | [`paths`]: nodes asked by a lookup, against N | a ring that doubles, by joining |
//! | [`keys`]: keys per node | the ids of hosts and keys alone, which decide it |
//! | [`failures`]: lookups after many nodes have died at once | a settled ring with 20 successors |
//! | [`churn`]: lookups while nodes join and die | the same, with 8 successors |
//!
//! Everything follows from one seed. Times are virtual; the network delays by 1 to 20 ms.

pub mod churn;
pub mod failures;
pub mod keys;
pub mod paths;
mod report;
mod statistics;

pub use report::{charts, markdown};
pub use statistics::Spread;

use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Config;
use crate::id::Space;
use crate::wire::Codec;

use super::check::{Broken, Ring};
use super::{Network, World};

/// How much is measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scale {
    /// The seed of everything.
    pub seed: u64,
    /// The largest ring whose paths are measured, as a power of two.
    pub max_exponent: u32,
    /// Lookups of each measurement.
    pub lookups: usize,
    /// Nodes of the rings that fail and churn.
    pub nodes: usize,
    /// Hosts that keys are spread over.
    pub hosts: usize,
    /// Rings whose keys are counted.
    pub repetitions: usize,
}

impl Scale {
    /// The sizes of the paper, but for rings of more than 2^11 nodes.
    #[must_use]
    pub const fn full(seed: u64) -> Self {
        Self {
            seed,
            max_exponent: 11,
            lookups: 10_000,
            nodes: 1000,
            hosts: 10_000,
            repetitions: 3,
        }
    }

    /// A hundredth of it, in seconds.
    #[must_use]
    pub const fn quick(seed: u64) -> Self {
        Self {
            seed,
            max_exponent: 6,
            lookups: 400,
            nodes: 64,
            hosts: 500,
            repetitions: 2,
        }
    }
}

/// All figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// What was measured.
    pub scale: Scale,
    /// Path length against the number of nodes.
    pub paths: Vec<paths::Row>,
    /// Keys per node against the number of keys.
    pub keys: Vec<keys::Row>,
    /// Keys per host against the number of virtual nodes.
    pub vnodes: Vec<keys::Row>,
    /// Lookups against the share of nodes that died.
    pub failures: Vec<failures::Row>,
    /// Lookups against the rate of joins and deaths.
    pub churn: Vec<churn::Row>,
}

/// Measures everything, each ring on a thread of its own; `progress` is told what is done.
///
/// # Errors
/// A ring that does not settle.
pub fn measure(scale: &Scale, progress: &Progress<'_>) -> Result<Figures, Broken> {
    thread::scope(|scope| {
        let paths = scope.spawn(|| paths::measure(scale, progress));
        let failures = scope.spawn(|| failures::measure(scale, progress));
        let churn = scope.spawn(|| churn::measure(scale, progress));
        let (keys, vnodes) = (keys::by_keys(scale), keys::by_vnodes(scale));
        progress("keys per node");
        Ok(Figures {
            scale: scale.clone(),
            paths: finish(paths)?,
            keys,
            vnodes,
            failures: finish(failures)?,
            churn: finish(churn)?,
        })
    })
}

/// Told what is done.
pub type Progress<'a> = dyn Fn(&str) + Sync + 'a;

fn finish<T>(measurement: ScopedJoinHandle<'_, Result<T, Broken>>) -> Result<T, Broken> {
    let panicked = |_| Err(Broken("a measurement has panicked".to_owned()));
    measurement.join().unwrap_or_else(panicked)
}

/// Time between stabilizations: that of the paper.
const INTERVAL: Duration = Duration::from_secs(30);
/// Intervals within which a ring has to settle.
const MAX_INTERVALS: usize = 400;

/// A ring in the making.
struct Rig {
    world: World,
    successors: usize,
    token: u64,
}

impl Rig {
    fn new(seed: u64, successors: usize) -> Self {
        let mut rig = Self {
            world: World::new(seed, Network::calm(), Codec::Native(None)),
            successors,
            token: 0,
        };
        rig.add(None);
        rig
    }

    /// Adds a host, which joins by another unless it is the first.
    fn add(&mut self, by: Option<usize>) -> usize {
        self.world.add(adapt(self.successors, by))
    }

    /// Kills some hosts without a word.
    fn kill(&mut self, count: usize) -> Vec<usize> {
        let mut dead = Vec::new();
        for _ in 0..count {
            let victim = self.anyone();
            self.world.kill(victim);
            dead.push(victim);
        }
        dead
    }

    /// Starts hosts again that were killed, once the others have closed the ring.
    fn restart(&mut self, dead: &[usize]) -> Result<(), Broken> {
        self.settle()?;
        for nth in dead {
            let by = self.anyone();
            self.world.start(*nth, adapt(self.successors, Some(by)));
            self.world.run(Duration::from_millis(20));
        }
        self.settle()
    }

    fn anyone(&mut self) -> usize {
        let up = self.world.up();
        self.world.random.pick(&up).copied().unwrap_or(0)
    }

    /// Doubles the ring until it has so many nodes, and lets it settle.
    fn grow(&mut self, nodes: usize) -> Result<(), Broken> {
        loop {
            let up = self.world.up().len();
            for _ in up..nodes.min(up * 2) {
                let by = self.anyone();
                self.add(Some(by));
                self.world.run(Duration::from_millis(20));
            }
            if up >= nodes {
                return self.settle();
            }
            self.world.run(INTERVAL * 2);
        }
    }

    /// Lets time pass until every link and finger is right.
    fn settle(&mut self) -> Result<(), Broken> {
        for _ in 0..MAX_INTERVALS / 4 {
            self.world.run(INTERVAL * 4);
            if self.look().is_ok() {
                return Ok(());
            }
        }
        self.look()
    }

    fn look(&self) -> Result<(), Broken> {
        let ring = self.ring();
        ring.links(self.successors)?;
        ring.fingers()
    }

    fn ring(&self) -> Ring {
        Ring::of(&self.world, Space::NATIVE)
    }

    /// Starts a lookup for a key that nobody has looked up before, at a node that is up.
    fn lookup(&mut self) -> (u64, crate::id::Id) {
        self.token += 1;
        let target = Space::NATIVE.hash(&format!("lookup {}", self.token));
        let by = self.anyone();
        self.world.lookup(by, self.token, target);
        (self.token, target)
    }

    /// So many lookups in a ring that does not change, all at once: nodes asked, nodes that did not
    /// answer, and the number that did not find the owner.
    fn lookups(&mut self, count: usize) -> Lookups {
        let owners = self.ring();
        let started: Vec<_> = (0..count).map(|_| self.lookup()).collect();
        self.world.run(INTERVAL * 2);
        let looked = self.world.looked();
        let is_right = |looked: &&crate::Looked| {
            looked.owner.is_some() && looked.owner.as_ref() == owners.owner(looked.target)
        };
        let right = looked.iter().filter(is_right).count();
        Lookups {
            hops: Spread::of(looked.iter().map(|l| f64::from(l.hops)).collect()),
            timeouts: Spread::of(looked.iter().map(|l| f64::from(l.timeouts)).collect()),
            failed: started.len() - right,
        }
    }
}

/// The parameters of a host that joins by another, unless it is the first.
fn adapt(successors: usize, by: Option<usize>) -> impl FnOnce(Config) -> Config {
    move |config| Config {
        successors,
        stabilize_interval: INTERVAL,
        join: by.map(World::addr).into_iter().collect(),
        ..config
    }
}

/// The outcome of some lookups.
struct Lookups {
    hops: Spread,
    timeouts: Spread,
    failed: usize,
}
