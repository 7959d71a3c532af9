//! Path length against the number of nodes (section VI-C of the paper).

use serde::{Deserialize, Serialize};

use super::{Progress, Rig, Scale, Spread};
use crate::sim::check::Broken;

/// Entries of the successor list, as a node has by default.
const SUCCESSORS: usize = 8;
/// The smallest ring: 2^3 nodes.
const MIN_EXPONENT: u32 = 3;

/// One ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// N.
    pub nodes: usize,
    /// Nodes asked by a lookup, the owner included.
    pub hops: Spread,
    /// Half of log2 N.
    pub half_log2: f64,
    /// Lookups that did not find the owner.
    pub failed: usize,
}

/// Measures a ring each time that it has doubled.
///
/// # Errors
/// It does not settle.
pub fn measure(scale: &Scale, progress: &Progress<'_>) -> Result<Vec<Row>, Broken> {
    let mut rig = Rig::new(scale.seed, SUCCESSORS);
    let mut rows = Vec::new();
    for exponent in MIN_EXPONENT..=scale.max_exponent {
        let nodes = 1 << exponent;
        rig.grow(nodes)?;
        let lookups = rig.lookups(scale.lookups);
        progress(&format!("path length, {nodes} nodes"));
        rows.push(Row {
            nodes,
            hops: lookups.hops,
            half_log2: f64::from(exponent) / 2.0,
            failed: lookups.failed,
        });
    }
    Ok(rows)
}
