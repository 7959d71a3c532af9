//! What must hold once the network has been quiet for a while.

use std::collections::BTreeMap;
use std::fmt;

use crate::Snapshot;
use crate::addr::Peer;
use crate::id::Space;
use crate::message::{Bytes, Phase, Version};

use super::World;

/// A thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

fn broken(text: String) -> Result<(), Broken> {
    Err(Broken(text))
}

/// All nodes that are up, in ring order.
pub struct Ring {
    space: Space,
    nodes: Vec<Snapshot>,
}

impl Ring {
    /// The nodes of a world.
    #[must_use]
    pub fn of(world: &World, space: Space) -> Self {
        let hosts = world.up();
        let hosts = hosts.into_iter().filter_map(|nth| world.host(nth));
        let mut nodes: Vec<Snapshot> = hosts.flat_map(crate::Host::snapshots).collect();
        nodes.sort_by_key(|node| node.me.id);
        Self { space, nodes }
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes from the first at or after `id` on, going round once.
    fn from(&self, id: crate::id::Id) -> impl Iterator<Item = &Snapshot> {
        let at = self.nodes.partition_point(|node| node.me.id < id);
        let (before, after) = self.nodes.split_at(at);
        after.iter().chain(before)
    }

    /// The owner of an id.
    #[must_use]
    pub fn owner(&self, id: crate::id::Id) -> Option<&Peer> {
        self.from(id).next().map(|node| &node.me)
    }

    /// One ring: every node is a member, and every predecessor and successor list is right.
    ///
    /// # Errors
    /// The first node for which it is not so.
    pub fn links(&self, max_successors: usize) -> Result<(), Broken> {
        for node in &self.nodes {
            let me = node.me.id;
            if node.phase != Phase::Member {
                return broken(format!("{me} is {:?}", node.phase));
            }
            let after = self.space.further(me, 0);
            let others = self.from(after).take(self.nodes.len() - 1);
            let want: Vec<&Peer> = others.map(|n| &n.me).take(max_successors).collect();
            let have: Vec<&Peer> = node.successors.iter().collect();
            if want != have {
                return broken(format!("{me} has successors {have:?}, not {want:?}"));
            }
            let before = self.from(me).last().map(|n| &n.me);
            if node.predecessor.as_ref() != before {
                let have = &node.predecessor;
                return broken(format!("{me} has predecessor {have:?}, not {before:?}"));
            }
        }
        Ok(())
    }

    /// Every finger is right.
    ///
    /// # Errors
    /// The first that is not.
    pub fn fingers(&self) -> Result<(), Broken> {
        for node in &self.nodes {
            for (nth, finger) in node.fingers.iter().enumerate() {
                let start = self.space.further(node.me.id, nth as u8);
                let want = self.owner(start);
                let have = finger.as_ref().unwrap_or(&node.me);
                if want != Some(have) {
                    let me = node.me.id;
                    return broken(format!("finger {nth} of {me} is {have:?}, not {want:?}"));
                }
            }
        }
        Ok(())
    }

    /// Every key is at its owner with one of the values that are right for it, listed by nobody
    /// else, and of the same version at each of its replicas.
    ///
    /// # Errors
    /// The first key for which it is not so.
    pub fn keys(
        &self,
        expected: &BTreeMap<String, Vec<Bytes>>,
        replicas: usize,
    ) -> Result<(), Broken> {
        let mut held: BTreeMap<&str, BTreeMap<&Peer, (Version, bool)>> = BTreeMap::new();
        let mut values: BTreeMap<&str, &Bytes> = BTreeMap::new();
        for node in &self.nodes {
            for (key, value, version) in &node.owned {
                held.entry(key)
                    .or_default()
                    .insert(&node.me, (*version, true));
                if values.insert(key, value).is_some() {
                    return broken(format!("{key:?} is owned twice"));
                }
            }
            for (key, version) in &node.copies {
                held.entry(key)
                    .or_default()
                    .insert(&node.me, (*version, false));
            }
        }
        for (key, right) in expected {
            let id = self.space.hash(key);
            let at = held.get(key.as_str());
            let mut hosts: Vec<&Peer> = Vec::new();
            for node in self.from(id) {
                if hosts.iter().all(|peer| peer.addr != node.me.addr) {
                    hosts.push(&node.me);
                }
            }
            let have = |peer: &Peer| at.and_then(|at| at.get(peer));
            let Some(owner) = hosts.first() else { break };
            let Some((version, true)) = have(owner) else {
                return broken(format!(
                    "{key:?} (id {id}) is not at its owner {owner:?}: {at:?}"
                ));
            };
            if !values
                .get(key.as_str())
                .is_some_and(|value| right.contains(value))
            {
                return broken(format!("{key:?} has a value that it must not have"));
            }
            for replica in hosts.iter().skip(1).take(replicas) {
                match have(replica) {
                    Some((copy, _)) if copy == version => {}
                    other => {
                        return broken(format!(
                            "{key:?} of version {version:?} has {other:?} at replica {replica:?}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Keys that some node still holds.
    #[must_use]
    pub fn held(&self, key: &str) -> usize {
        let holds = |node: &&Snapshot| {
            node.owned.iter().any(|(k, ..)| &**k == key)
                || node.copies.iter().any(|(k, _)| &**k == key)
        };
        self.nodes.iter().filter(holds).count()
    }
}
