//! Keys per node (section VI-B of the paper), without virtual nodes and with.
//!
//! The node that owns a key follows from the ids alone, so no messages are simulated here; that the
//! nodes themselves come to the same distribution is a test.

use serde::{Deserialize, Serialize};

use super::{Scale, Spread};
use crate::addr::Peer;
use crate::id::{Id, Space};
use crate::sim::World;

/// Shares of the most keys that are measured without virtual nodes.
const SHARES: [f64; 3] = [0.1, 0.5, 1.0];
/// Virtual nodes of a host.
const VNODES: [u16; 5] = [1, 2, 5, 10, 20];
/// The most keys, for each host.
const KEYS_PER_HOST: usize = 100;

/// One distribution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Hosts.
    pub hosts: usize,
    /// Virtual nodes of each.
    pub vnodes: u16,
    /// Keys.
    pub keys: usize,
    /// Keys of one host.
    pub per_host: Spread,
}

/// Distributions of more and more keys.
#[must_use]
pub fn by_keys(scale: &Scale) -> Vec<Row> {
    let most = (scale.hosts * KEYS_PER_HOST) as f64;
    let keys = SHARES.map(|share| (share * most) as usize);
    keys.map(|keys| row(scale, 1, keys)).into()
}

/// Distributions over more and more virtual nodes.
#[must_use]
pub fn by_vnodes(scale: &Scale) -> Vec<Row> {
    let keys = scale.hosts * KEYS_PER_HOST;
    VNODES.map(|vnodes| row(scale, vnodes, keys)).into()
}

fn row(scale: &Scale, vnodes: u16, keys: usize) -> Row {
    let mut counts = Vec::new();
    for nth in 0..scale.repetitions {
        let first = nth * scale.hosts;
        let found = count(first..first + scale.hosts, vnodes, scale.seed, keys);
        counts.extend(found.into_iter().map(|count| count as f64));
    }
    Row {
        hosts: scale.hosts,
        vnodes,
        keys,
        per_host: Spread::of(counts),
    }
}

/// Keys of each of these hosts.
fn count(hosts: std::ops::Range<usize>, vnodes: u16, seed: u64, keys: usize) -> Vec<usize> {
    let space = Space::NATIVE;
    let mut counts = vec![0; hosts.len()];
    let mut ring: Vec<(Id, usize)> = Vec::new();
    for (nth, host) in hosts.clone().enumerate() {
        let ids = (0..vnodes).map(|vnode| Peer::new(space, World::addr(host), vnode).id);
        ring.extend(ids.map(|id| (id, nth)));
    }
    ring.sort_unstable();
    for nth in 0..keys {
        let id = space.hash(&key(seed, hosts.start, nth));
        let at = ring.partition_point(|(node, _)| *node < id);
        let owner = ring.get(at).or_else(|| ring.first());
        if let Some(count) = owner.and_then(|(_, nth)| counts.get_mut(*nth)) {
            *count += 1;
        }
    }
    counts
}

/// A key that no other repetition has.
fn key(seed: u64, first: usize, nth: usize) -> String {
    format!("key {seed} {first} {nth}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::sim::{Answer, Network};
    use crate::wire::Codec;
    use std::time::Duration;

    #[test]
    fn a_ring_of_nodes_comes_to_the_same_counts() {
        let (hosts, vnodes, keys) = (12, 2, 300);
        let mut world = World::new(7, Network::calm(), Codec::Native(None));
        for nth in 0..hosts {
            let join = (nth > 0).then(|| World::addr(0));
            let join = join.into_iter().collect();
            world.add(|config| Config {
                vnodes,
                join,
                ..config
            });
            world.run(Duration::from_secs(1));
        }
        world.run(Duration::from_secs(60));
        for nth in 0..keys {
            let value = vec![1].into();
            world.put(nth % hosts, nth as u64, &key(1, 0, nth), &value);
        }
        world.run(Duration::from_secs(10));
        for nth in 0..keys as u64 {
            assert_eq!(world.answer(nth).unwrap().0, Answer::Stored);
        }
        let owned = |nth| {
            let nodes = world.host(nth).unwrap().snapshots();
            nodes.iter().map(|node| node.owned.len()).sum::<usize>()
        };
        let found: Vec<usize> = (0..hosts).map(owned).collect();
        assert_eq!(found, count(0..hosts, vnodes, 1, keys));
    }
}
