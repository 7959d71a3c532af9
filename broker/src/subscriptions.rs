//! Owns the tree of subscriptions: which connections asked for which topics. Knows nothing of
//! values. Invariant: a node has subscribers or children, so cancelled subscriptions leave nothing.

use crate::connection_id::ConnectionId;
use crate::topic::{is_own, segments};
use slab::Slab;
use std::collections::HashMap;

/// Bytes that a node takes besides its segment, which is there twice: measured.
const NODE_BYTES: usize = 256;
/// Bytes that a subscription takes besides its topic, which its connection keeps in two spellings.
const SUBSCRIPTION_BYTES: usize = 128;

/// The root, which is never removed.
const ROOT: usize = 0;

#[derive(Debug, Default)]
struct Node {
    parent: usize,
    segment: Box<str>,
    children: HashMap<Box<str>, usize>,
    subscribers: Vec<ConnectionId>,
}

/// Subscriptions by topic.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    nodes: Slab<Node>,
    /// Bytes of all, those that their connections keep included.
    bytes: usize,
}

impl Subscriptions {
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self { nodes, bytes: 0 }
    }

    /// Bytes that all subscriptions would take with another one.
    pub(crate) fn bytes_with(&self, key: &str) -> usize {
        let mut at = Some(ROOT);
        let mut added = subscription_bytes(key);
        for segment in segments(key) {
            at = at.and_then(|at| self.child(at, segment));
            if at.is_none() {
                added += node_bytes(segment);
            }
        }
        self.bytes + added
    }

    /// Adds a subscription. Adding it twice would deliver twice: the session sees to that.
    pub(crate) fn add(&mut self, key: &str, id: ConnectionId) {
        let mut at = ROOT;
        for segment in segments(key) {
            at = self.child_or_new(at, segment);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.subscribers.push(id);
            self.bytes += subscription_bytes(key);
        }
    }

    fn child_or_new(&mut self, parent: usize, segment: &str) -> usize {
        if let Some(child) = self.child(parent, segment) {
            return child;
        }
        self.bytes += node_bytes(segment);
        let child = self.nodes.insert(Node {
            parent,
            segment: segment.into(),
            ..Node::default()
        });
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.insert(segment.into(), child);
        }
        child
    }

    fn child(&self, parent: usize, segment: &str) -> Option<usize> {
        self.nodes.get(parent)?.children.get(segment).copied()
    }

    /// Removes a subscription, and the nodes that have become useless.
    pub(crate) fn remove(&mut self, key: &str, id: ConnectionId) {
        let mut at = ROOT;
        for segment in segments(key) {
            match self.child(at, segment) {
                Some(child) => at = child,
                None => return,
            }
        }
        if let Some(node) = self.nodes.get_mut(at)
            && let Some(place) = node.subscribers.iter().position(|other| *other == id)
        {
            node.subscribers.swap_remove(place);
            self.bytes -= subscription_bytes(key);
        }
        self.prune(at);
    }

    fn prune(&mut self, mut at: usize) {
        while at != ROOT
            && self
                .nodes
                .get(at)
                .is_some_and(|n| n.subscribers.is_empty() && n.children.is_empty())
        {
            let node = self.nodes.remove(at);
            self.bytes -= node_bytes(&node.segment);
            if let Some(parent) = self.nodes.get_mut(node.parent) {
                parent.children.remove(&node.segment);
            }
            at = node.parent;
        }
    }

    /// Calls `reached` for each subscription to the topic and above it, from the root down, with
    /// the number of segments of the subscription. The root does not reach the broker's own topics.
    pub(crate) fn matching(&self, key: &str, mut reached: impl FnMut(ConnectionId, usize)) {
        let mut at = self.nodes.get(ROOT);
        if is_own(key) {
            at = at.and_then(|root| self.nodes.get(*root.children.get(crate::topic::OWN)?));
            if let Some(node) = at {
                node.subscribers.iter().for_each(|id| reached(*id, 1));
            }
        } else if let Some(root) = at {
            root.subscribers.iter().for_each(|id| reached(*id, 0));
        }
        let skipped = usize::from(is_own(key));
        for (nth, segment) in segments(key).enumerate().skip(skipped) {
            at = at.and_then(|node| self.nodes.get(*node.children.get(segment)?));
            let Some(node) = at else { return };
            node.subscribers.iter().for_each(|id| reached(*id, nth + 1));
        }
    }

    /// Reports any subscription to the broker's own topics.
    pub(crate) fn has_own(&self) -> bool {
        self.child(ROOT, crate::topic::OWN).is_some()
    }

    /// Nodes besides the root.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len() - 1
    }
}

const fn node_bytes(segment: &str) -> usize {
    NODE_BYTES + 2 * segment.len()
}

const fn subscription_bytes(key: &str) -> usize {
    SUBSCRIPTION_BYTES + 2 * key.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(tree: &Subscriptions, key: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        tree.matching(key, |id, depth| found.push((id.slot(), depth)));
        found
    }

    #[test]
    fn a_subscription_gets_what_is_below_and_not_what_is_above() {
        let mut tree = Subscriptions::new();
        tree.add("weather", ConnectionId::new(1, 0));
        tree.add("weather/temperature", ConnectionId::new(2, 0));
        tree.add("", ConnectionId::new(3, 0));
        assert_eq!(reached(&tree, "weather"), [(3, 0), (1, 1)]);
        assert_eq!(
            reached(&tree, "weather/temperature"),
            [(3, 0), (1, 1), (2, 2)]
        );
        assert_eq!(
            reached(&tree, "weather/temperature/in/deep"),
            [(3, 0), (1, 1), (2, 2)]
        );
        assert_eq!(reached(&tree, "weathers"), [(3, 0)]);
    }

    #[test]
    fn own_topics_are_reached_by_their_name_alone() {
        let mut tree = Subscriptions::new();
        tree.add("", ConnectionId::new(1, 0));
        tree.add("$broker", ConnectionId::new(2, 0));
        tree.add("$broker/uptime", ConnectionId::new(3, 0));
        assert_eq!(reached(&tree, "$broker/uptime"), [(2, 1), (3, 2)]);
        assert_eq!(reached(&tree, "$broker/clients"), [(2, 1)]);
        assert_eq!(reached(&tree, "$brokers"), [(1, 0)]);
    }

    #[test]
    fn removed_subscriptions_leave_no_nodes() {
        let mut tree = Subscriptions::new();
        let (one, two) = (ConnectionId::new(1, 0), ConnectionId::new(2, 0));
        tree.add("a/b/c", one);
        let with_another = tree.bytes_with("a/b");
        tree.add("a/b", two);
        assert_eq!(tree.bytes, with_another);
        tree.remove("a/b/c", one);
        assert_eq!(tree.nodes(), 2);
        tree.remove("a/b", two);
        assert_eq!(tree.nodes(), 0);
        tree.remove("a/b", two);
        assert_eq!(tree.bytes, 0);
    }
}
