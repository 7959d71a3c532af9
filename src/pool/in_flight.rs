//! Which exchanges are in flight where, oldest first.
//!
//! One slab of nodes serves all backends; each backend has a [`Queue`], a doubly linked list
//! through that slab in the order of dispatch. Adding, removing from the middle, the oldest, and
//! "is an older one still out?" are all O(1), and once the slab has grown to the largest number
//! ever in flight nothing is allocated. It knows neither backends nor outcomes.

use crate::time::Timestamp;
use slab::Slab;
use std::num::NonZeroU32;

/// Names one exchange in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(NonZeroU32);

impl NodeId {
    /// Numbers begin at 1, so that `Option<NodeId>` needs no more room. A u32 numbers more
    /// exchanges than a machine has memory for.
    const fn new(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index as u32))
    }

    const fn index(self) -> usize {
        (self.0.get() - 1) as usize
    }
}

#[derive(Debug)]
struct Node {
    dispatched_at: Timestamp,
    older: Option<NodeId>,
    newer: Option<NodeId>,
}

/// The ends of one backend's list.
#[derive(Debug, Default)]
pub(super) struct Queue {
    oldest: Option<NodeId>,
    newest: Option<NodeId>,
}

impl Queue {
    /// Returns whether nothing is in flight there.
    pub(super) const fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }
}

/// The nodes of all lists.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    nodes: Slab<Node>,
}

impl InFlight {
    /// Returns how many exchanges are in flight, over all backends.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Adds an exchange that is dispatched now, as the newest of `queue`.
    #[inline]
    pub(super) fn push(&mut self, queue: &mut Queue, dispatched_at: Timestamp) -> NodeId {
        let older = queue.newest;
        let id = NodeId::new(self.nodes.insert(Node {
            dispatched_at,
            older,
            newer: None,
        }));
        match older.and_then(|older| self.nodes.get_mut(older.index())) {
            Some(node) => node.newer = Some(id),
            None => queue.oldest = Some(id),
        }
        queue.newest = Some(id);
        id
    }

    /// Takes an exchange out of `queue`. Returns whether it overtook: an older one is still there.
    pub(super) fn remove(&mut self, queue: &mut Queue, id: NodeId) -> bool {
        let Some(node) = self.nodes.try_remove(id.index()) else {
            debug_assert!(false, "a lease names a node that is not in flight");
            return false;
        };
        match node
            .older
            .and_then(|older| self.nodes.get_mut(older.index()))
        {
            Some(older) => older.newer = node.newer,
            None => queue.oldest = node.newer,
        }
        match node
            .newer
            .and_then(|newer| self.nodes.get_mut(newer.index()))
        {
            Some(newer) => newer.older = node.older,
            None => queue.newest = node.older,
        }
        node.older.is_some()
    }

    /// Returns when the oldest exchange of `queue` was dispatched.
    pub(super) fn oldest(&self, queue: &Queue) -> Option<Timestamp> {
        let node = self.nodes.get(queue.oldest?.index())?;
        Some(node.dispatched_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn the_head_is_the_oldest_whatever_is_taken_out() {
        let (mut all, mut queue) = (InFlight::default(), Queue::default());
        let [a, b, c] = [1, 2, 3].map(|nanos| all.push(&mut queue, at(nanos)));
        assert!(all.remove(&mut queue, b), "the middle one overtook");
        assert_eq!(all.oldest(&queue), Some(at(1)));
        assert!(!all.remove(&mut queue, a), "the oldest overtook nobody");
        assert_eq!(all.oldest(&queue), Some(at(3)));
        assert!(!all.remove(&mut queue, c));
        assert_eq!(all.oldest(&queue), None);
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn lists_share_nodes_but_not_order() {
        let (mut all, mut left, mut right) =
            (InFlight::default(), Queue::default(), Queue::default());
        let first = all.push(&mut left, at(1));
        let second = all.push(&mut right, at(2));
        let third = all.push(&mut left, at(3));
        assert!(!all.remove(&mut right, second));
        let reused = all.push(&mut right, at(4));
        assert_eq!(reused, second, "the slab gives a free node again");
        assert!(all.remove(&mut left, third));
        assert!(!all.remove(&mut left, first));
        assert_eq!(all.oldest(&right), Some(at(4)));
    }
}
