//! Lookups after a share of all nodes has died at once (section VI-D of the paper).
//!
//! The lookups start at the moment of the deaths. A node that is asked in vain twice counts as one
//! timeout, and as dead from then on at the node that asked. Repair goes on as it always does, but
//! rounds are 30 s apart and most lookups are over in a few seconds.

use serde::{Deserialize, Serialize};

use super::{Progress, Rig, Scale, Spread};
use crate::sim::check::Broken;

/// Entries of the successor list: 2 log2 N for 1,000 nodes, as in the paper.
const SUCCESSORS: usize = 20;
/// Percents of nodes that die.
const PERCENTS: [usize; 6] = [0, 10, 20, 30, 40, 50];

/// One share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Nodes before.
    pub nodes: usize,
    /// Percent of them that died.
    pub dead_percent: usize,
    /// Nodes asked that answered.
    pub hops: Spread,
    /// Nodes asked that did not.
    pub timeouts: Spread,
    /// Lookups.
    pub lookups: usize,
    /// Lookups that did not find the owner among the living.
    pub failed: usize,
}

/// Measures one ring; the dead come back and the ring settles before more of them die.
///
/// # Errors
/// It does not settle.
pub fn measure(scale: &Scale, progress: &Progress<'_>) -> Result<Vec<Row>, Broken> {
    let mut rig = Rig::new(scale.seed, SUCCESSORS);
    rig.grow(scale.nodes)?;
    let mut rows = Vec::new();
    for dead_percent in PERCENTS {
        let dead = rig.kill(scale.nodes * dead_percent / 100);
        let lookups = rig.lookups(scale.lookups);
        progress(&format!("{dead_percent} % of {} nodes dead", scale.nodes));
        rows.push(Row {
            nodes: scale.nodes,
            dead_percent,
            hops: lookups.hops,
            timeouts: lookups.timeouts,
            lookups: scale.lookups,
            failed: lookups.failed,
        });
        rig.restart(&dead)?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lookup_fails_however_many_nodes_die() {
        for seed in 1..4 {
            let mut rig = Rig::new(seed, SUCCESSORS);
            rig.grow(64).unwrap();
            rig.kill(20);
            let owners = rig.ring();
            for _ in 0..400 {
                rig.lookup();
            }
            rig.world.run(super::super::INTERVAL * 2);
            for looked in rig.world.looked() {
                let right = owners.owner(looked.target);
                assert_eq!(looked.owner.as_ref(), right, "seed {seed}: {looked:?}");
            }
        }
    }
}
