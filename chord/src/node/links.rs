//! The links of a node: predecessor, successor list, fingers.
//!
//! Pure bookkeeping; who is alive is for [`super::peers`] to know. The successor list is in ring
//! order, without the node itself and without duplicates; an empty one means that the node is alone.

use crate::addr::Peer;
use crate::id::{Id, Space, contains, strictly_between};
use crate::time::Timestamp;

#[derive(Debug)]
pub(crate) struct Links {
    me: Peer,
    space: Space,
    max_successors: usize,
    predecessor: Option<Peer>,
    pub(crate) predecessor_heard: Timestamp,
    successors: Vec<Peer>,
    fingers: Vec<Option<Peer>>,
    /// Where the arc began when the predecessor was last known; none if it never was.
    arc_begin: Option<Id>,
}

impl Links {
    pub(crate) fn alone(me: Peer, space: Space, max_successors: usize) -> Self {
        Self {
            predecessor: Some(me.clone()),
            predecessor_heard: Timestamp::ZERO,
            successors: Vec::new(),
            fingers: vec![None; usize::from(space.bits())],
            arc_begin: Some(me.id),
            me,
            space,
            max_successors,
        }
    }

    /// The links of a newcomer that knows its successor and nothing else.
    pub(crate) fn join(&mut self, successor: Peer) {
        self.predecessor = None;
        self.arc_begin = None;
        self.set_successors(vec![successor]);
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.successors.is_empty()
    }

    /// The predecessor; the node itself, if it is alone.
    pub(crate) const fn predecessor(&self) -> Option<&Peer> {
        self.predecessor.as_ref()
    }

    pub(crate) fn successor(&self) -> Option<&Peer> {
        self.successors.first()
    }

    pub(crate) fn successors(&self) -> &[Peer] {
        &self.successors
    }

    /// Where the arc of this node begins, or began while the predecessor was known.
    pub(crate) const fn arc_begin(&self) -> Option<Id> {
        self.arc_begin
    }

    /// Whether an id is on the arc of this node, as far as it knows.
    pub(crate) fn owns(&self, id: Id) -> bool {
        self.arc_begin
            .is_some_and(|begin| contains(begin, self.me.id, id))
    }

    /// Takes a predecessor, and gives the begin of the arc before.
    pub(crate) fn set_predecessor(&mut self, peer: Peer, now: Timestamp) -> Option<Id> {
        let before = self.arc_begin;
        self.arc_begin = Some(peer.id);
        self.predecessor = Some(peer);
        self.predecessor_heard = now;
        before
    }

    /// Whether a peer would be a better predecessor than the one there is.
    pub(crate) fn is_better_predecessor(&self, peer: &Peer) -> bool {
        match &self.predecessor {
            None => peer.id != self.me.id,
            Some(known) => strictly_between(known.id, self.me.id, peer.id),
        }
    }

    /// Whether a peer would be a better successor than the one there is.
    pub(crate) fn is_better_successor(&self, peer: &Peer) -> bool {
        let end = self.successor().map_or(self.me.id, |s| s.id);
        strictly_between(self.me.id, end, peer.id)
    }

    /// Puts a peer into the successor list, where it belongs.
    pub(crate) fn insert_successor(&mut self, peer: Peer) {
        let mut all = std::mem::take(&mut self.successors);
        all.push(peer);
        self.set_successors(all);
    }

    /// Takes these as successor list: sorted, without this node, cut to its length.
    pub(crate) fn set_successors(&mut self, mut peers: Vec<Peer>) {
        peers.retain(|peer| peer.id != self.me.id);
        peers.sort_by_key(|peer| self.space.distance(self.me.id, peer.id));
        peers.dedup_by_key(|peer| peer.id);
        peers.truncate(self.max_successors);
        self.successors = peers;
    }

    /// Removes a peer from all links; whether it was in any.
    pub(crate) fn remove(&mut self, peer: &Peer) -> bool {
        let mut was_in = false;
        if self.predecessor.as_ref() == Some(peer) {
            self.predecessor = None;
            was_in = true;
        }
        let before = self.successors.len();
        self.successors.retain(|known| known != peer);
        was_in |= self.successors.len() != before;
        for finger in &mut self.fingers {
            if finger.as_ref() == Some(peer) {
                *finger = None;
                was_in = true;
            }
        }
        self.settle_alone();
        was_in
    }

    /// A node without successors that still has a predecessor goes round to it; one without either
    /// is its own predecessor.
    fn settle_alone(&mut self) {
        if !self.successors.is_empty() {
            return;
        }
        match &self.predecessor {
            Some(predecessor) if predecessor.id != self.me.id => {
                self.successors.push(predecessor.clone());
            }
            _ => {
                self.predecessor = Some(self.me.clone());
                self.arc_begin = Some(self.me.id);
            }
        }
    }

    /// Fingers, the first of which is the successor.
    pub(crate) fn finger(&self, nth: usize) -> Option<&Peer> {
        match nth {
            0 => self.successor(),
            _ => self.fingers.get(nth).and_then(Option::as_ref),
        }
    }

    /// Start of the `nth` finger, counted from 0.
    pub(crate) fn finger_start(&self, nth: usize) -> Id {
        let exponent = u8::try_from(nth).unwrap_or(u8::MAX);
        self.space.further(self.me.id, exponent)
    }

    /// Sets a finger and those after it that the same peer is the successor of. Gives the number of
    /// the next one.
    pub(crate) fn set_fingers(&mut self, first: usize, peer: &Peer) -> usize {
        let mut nth = first;
        while nth < self.fingers.len() {
            let start = self.finger_start(nth);
            // Beyond the peer another may be the successor; up to it, nobody else can be.
            if nth != first && !contains(self.me.id, peer.id, start) && peer.id != self.me.id {
                break;
            }
            if let Some(finger) = self.fingers.get_mut(nth) {
                *finger = (peer.id != self.me.id).then(|| peer.clone());
            }
            nth += 1;
        }
        nth
    }

    /// Number of fingers.
    pub(crate) fn finger_count(&self) -> usize {
        self.fingers.len()
    }

    /// Peers strictly between this node and `target`, the closest to it first, at most `most`;
    /// from the fingers, and with `thorough` from the whole successor list too.
    pub(crate) fn closest_preceding(&self, target: Id, thorough: bool, most: usize) -> Vec<Peer> {
        let list = if thorough { self.successors.len() } else { 1 };
        let successors = self.successors.iter().take(list);
        let mut found: Vec<&Peer> = Vec::new();
        for peer in self.fingers.iter().flatten().rev().chain(successors.rev()) {
            let is_new = found.last().is_none_or(|last| last.id != peer.id);
            if is_new && strictly_between(self.me.id, target, peer.id) {
                found.push(peer);
            }
        }
        found.sort_by_key(|peer| self.space.distance(peer.id, target));
        found.dedup_by_key(|peer| peer.id);
        found.into_iter().take(most).cloned().collect()
    }

    /// The successors from the first that is at or after `target` on, if `target` lies between this
    /// node and the last of the first `reach` successors.
    pub(crate) fn owners(&self, target: Id, reach: usize) -> &[Peer] {
        let covers = |peer: &Peer| contains(self.me.id, peer.id, target);
        match self.successors.iter().take(reach).position(covers) {
            Some(at) => self.successors.get(at..).unwrap_or_default(),
            None => &[],
        }
    }
}
