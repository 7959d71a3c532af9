//! Lookups while nodes join and die (section VI-E of the paper).
//!
//! Joins and deaths are Poisson processes of the same rate; stabilization is every 30 s. Our nodes die
//! without a word. Lookups are ten a second, ten times as many as in the paper, so that 10,000 of
//! them see a thousand seconds of change.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Progress, Rig, Scale, Spread};
use crate::id::Id;
use crate::message::Phase;
use crate::sim::check::Broken;

const SUCCESSORS: usize = 8;
/// Joins a second, and deaths a second.
const RATES: [f64; 4] = [0.05, 0.10, 0.20, 0.40];
const LOOKUPS_PER_SECOND: f64 = 10.0;
/// The longest that a lookup takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// One rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Nodes at the start.
    pub nodes: usize,
    /// Joins a second; as many nodes die.
    pub rate: f64,
    /// Nodes asked that answered.
    pub hops: Spread,
    /// Nodes asked that did not.
    pub timeouts: Spread,
    /// Lookups.
    pub lookups: usize,
    /// Lookups that found neither the node that owned the id when they began nor the one that did
    /// when they ended.
    pub failed: usize,
}

/// Measures one ring under ever more change; between two rates it settles.
///
/// # Errors
/// It does not settle.
pub fn measure(scale: &Scale, progress: &Progress<'_>) -> Result<Vec<Row>, Broken> {
    let mut rig = Rig::new(scale.seed, SUCCESSORS);
    let mut rows = Vec::new();
    for rate in RATES {
        rig.grow(scale.nodes)?;
        rows.push(Churn::of(&rig).run(&mut rig, rate, scale));
        progress(&format!("{rate} joins and deaths a second"));
    }
    Ok(rows)
}

/// The members of the ring, as they change.
struct Churn {
    members: BTreeMap<Id, usize>,
    /// Hosts that have been started and are not in yet.
    newcomers: Vec<usize>,
    /// The lookups in progress: the owner when each began.
    started: BTreeMap<u64, Option<Id>>,
    hops: Vec<f64>,
    timeouts: Vec<f64>,
    failed: usize,
}

impl Churn {
    fn of(rig: &Rig) -> Self {
        let mut churn = Self {
            members: BTreeMap::new(),
            newcomers: rig.world.up(),
            started: BTreeMap::new(),
            hops: Vec::new(),
            timeouts: Vec::new(),
            failed: 0,
        };
        churn.note_members(rig);
        churn
    }

    fn note_members(&mut self, rig: &Rig) {
        let members = &mut self.members;
        self.newcomers.retain(|nth| {
            let host = rig.world.host(*nth);
            let node = host.and_then(|host| host.snapshots().into_iter().next());
            match node.filter(|node| node.phase == Phase::Member) {
                Some(node) => members.insert(node.me.id, *nth).is_some(),
                None => true,
            }
        });
    }

    fn owner(&self, id: Id) -> Option<Id> {
        let after = self.members.range(id..).next();
        after
            .or_else(|| self.members.iter().next())
            .map(|(id, _)| *id)
    }

    fn run(mut self, rig: &mut Rig, rate: f64, scale: &Scale) -> Row {
        let total = LOOKUPS_PER_SECOND + 2.0 * rate;
        let mut lookups = 0;
        while lookups < scale.lookups {
            let wait = rig.world.random.exponential() / total;
            rig.world.run(Duration::from_secs_f64(wait));
            self.note_members(rig);
            self.note_looked(rig);
            let choice = rig.world.random.unit() * total;
            if choice < LOOKUPS_PER_SECOND {
                lookups += 1;
                self.look_up(rig);
            } else if choice < LOOKUPS_PER_SECOND + rate {
                let by = self.member(rig);
                self.newcomers.push(rig.add(Some(by)));
            } else {
                let victim = self.member(rig);
                rig.world.kill(victim);
                self.members.retain(|_, nth| *nth != victim);
            }
        }
        rig.world.run(PATIENCE);
        self.note_looked(rig);
        Row {
            nodes: scale.nodes,
            rate,
            hops: Spread::of(self.hops),
            timeouts: Spread::of(self.timeouts),
            lookups,
            failed: self.failed + self.started.len(),
        }
    }

    fn member(&self, rig: &mut Rig) -> usize {
        let nth = rig.world.random.below(self.members.len());
        self.members.values().nth(nth).copied().unwrap_or(0)
    }

    fn look_up(&mut self, rig: &mut Rig) {
        rig.token += 1;
        let target = crate::id::Space::NATIVE.hash(&format!("lookup {}", rig.token));
        let by = self.member(rig);
        self.started.insert(rig.token, self.owner(target));
        rig.world.lookup(by, rig.token, target);
    }

    fn note_looked(&mut self, rig: &mut Rig) {
        for looked in rig.world.looked() {
            let Some(before) = self.started.remove(&looked.token) else {
                continue;
            };
            let now = self.owner(looked.target);
            let found = looked.owner.map(|owner| owner.id);
            if found.is_none() || found != before && found != now {
                self.failed += 1;
            }
            self.hops.push(f64::from(looked.hops));
            self.timeouts.push(f64::from(looked.timeouts));
        }
    }
}
