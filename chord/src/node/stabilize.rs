//! Keeping the links right: stabilization, fingers, and finding back to those that were lost.
//!
//! A round comes when its time is up, however busy the node is. Towards a plain successor it leaves
//! a longer gap every other time: peers of the course stabilize only after three seconds of
//! silence, and would never come to it otherwise.

use std::time::Duration;

use crate::addr::Peer;
use crate::id::{Id, strictly_between};
use crate::message::{Course, Hop, Request};
use crate::output::{Cx, Event, Source};
use crate::time::Timestamp;

use super::{Ask, Kind, Node, Phase, Purpose, Why};

/// Rounds between two looks for a ring that has come apart from ours.
const MERGE_ROUNDS: u32 = 4;
/// Fingers looked up in one round of the native mode; in the compatible mode all ten.
const FINGERS_PER_ROUND: u32 = 3;

pub(super) struct Rounds {
    pub(super) next: Timestamp,
    last: Timestamp,
    pub(super) count: u32,
    /// The next finger to look up, and how many more in this round.
    cursor: usize,
    budget: u32,
    is_looking: bool,
    /// All fingers have been looked up once.
    is_complete: bool,
    /// Replicas are to be compared in the next round, whatever its number.
    pub(super) sync_now: bool,
    /// One that would be our predecessor if the present one were dead.
    waiting: Option<Peer>,
}

impl Rounds {
    pub(super) const fn new(next: Timestamp) -> Self {
        Self {
            next,
            last: Timestamp::ZERO,
            count: 0,
            cursor: 1,
            budget: 0,
            is_looking: false,
            is_complete: false,
            sync_now: false,
            waiting: None,
        }
    }

    pub(super) fn restart(&mut self, now: Timestamp) {
        *self = Self::new(now);
    }
}

impl Node {
    pub(super) fn tick_stabilize(&mut self, cx: &mut Cx<'_>) {
        if cx.now < self.rounds.next {
            return;
        }
        self.rounds.last = cx.now;
        self.rounds.count = self.rounds.count.wrapping_add(1);
        let successor = self.links.successor().cloned();
        let is_plain = successor.as_ref().is_some_and(|s| self.peers.is_plain(s));
        let gap = if is_plain && self.rounds.count.is_multiple_of(2) {
            self.interval() / 2
        } else {
            Duration::ZERO
        };
        self.rounds.next = cx.now + self.interval() + gap;
        if let Some(successor) = successor {
            self.ask_successor(&successor, cx);
        }
        self.check_predecessor(cx);
        self.start_fingers(cx);
        self.sync_replicas(cx);
        self.relocate_stale(cx);
        self.revive(cx);
    }

    /// Something changed: the next round comes sooner, though not at once.
    pub(super) fn hasten(&mut self, now: Timestamp) {
        let soon = (self.rounds.last + self.interval() / 6).max(now + self.interval() / 60);
        self.rounds.next = self.rounds.next.min(soon);
    }

    /// The links have changed by themselves, by a loss.
    pub(super) fn links_changed(&mut self, cx: &mut Cx<'_>) {
        self.rounds.sync_now = true;
        self.hasten(cx.now);
    }

    fn ask_successor(&mut self, successor: &Peer, cx: &mut Cx<'_>) {
        if self.calls.any(|call| call.purpose == Purpose::Stabilize) {
            return;
        }
        let ask = match self.peers.kind(successor) {
            Kind::Extended => Ask::Own(Request::Links {
                notify: Some(self.me.clone()),
            }),
            Kind::Plain | Kind::Unknown => Ask::Probe,
        };
        self.call(successor, ask, Purpose::Stabilize, cx);
    }

    /// The successor, or one that may become it, has told its links.
    pub(super) fn links_told(
        &mut self,
        from: &Peer,
        predecessor: Option<Hop>,
        successors: Vec<Hop>,
        cx: &mut Cx<'_>,
    ) {
        let is_successor = self.links.successor() == Some(from);
        if !is_successor && !self.links.is_better_successor(from) {
            return;
        }
        let mut list = vec![from.clone()];
        for hop in successors {
            if self.learn(&hop) {
                list.push(hop.peer);
            }
        }
        let before: Vec<Peer> = self.links.successors().to_vec();
        // The list of one that is further on ends later: what we know beyond it stays.
        self.links.set_successors(list);
        if before != self.links.successors() {
            self.rounds.sync_now = true;
        }
        if !is_successor {
            self.new_successor(cx);
        }
        self.successor_sees(predecessor.as_ref().map(|hop| hop.peer.id), cx);
        if let Some(hop) = predecessor
            && self.learn(&hop)
        {
            self.consider_successor(&hop.peer, cx);
        }
    }

    /// The successor has told its predecessor. As long as that lies before us, the successor takes
    /// our arc for its own and accepts writes to it, so what is here may not be the newest.
    fn successor_sees(&mut self, predecessor: Option<Id>, cx: &mut Cx<'_>) {
        let end = self.links.successor().map_or(self.me.id, |s| s.id);
        let sees_us =
            predecessor.is_some_and(|id| id == self.me.id || strictly_between(self.me.id, end, id));
        if self.sync.acknowledged(sees_us) {
            self.rounds.sync_now = true;
            self.sync_replicas(cx);
        }
    }

    /// Notes what another says of a peer. Whether the peer may be used.
    pub(super) fn learn(&mut self, hop: &Hop) -> bool {
        let is_usable = hop.peer.id != self.me.id
            && hop.peer.is_genuine(self.config.space)
            && !self.peers.is_lost(&hop.peer);
        if is_usable && self.config.is_course() {
            self.peers.told(&hop.peer, hop.plain);
        }
        is_usable
    }

    /// A plain successor has told its predecessor's id, without an address.
    pub(super) fn stabilized(&mut self, from: &Peer, predecessor: Option<Id>, cx: &mut Cx<'_>) {
        if self.links.successor() == Some(from) {
            self.successor_sees(predecessor, cx);
        }
        if let Some(id) = predecessor {
            let end = self.links.successor().map_or(self.me.id, |s| s.id);
            if strictly_between(self.me.id, end, id) {
                self.start_lookup(id, Why::Successor, vec![from.clone()], cx);
            }
        }
        if let Some(successor) = self.links.successor().cloned() {
            cx.course(&successor.addr, Course::Notify(self.me.clone()));
            let is_due = self.links.successors().len() < 2 || self.rounds.count.is_multiple_of(4);
            if self.peers.kind(&successor) != Kind::Extended && is_due {
                // A plain peer tells nothing of those behind it.
                let next = self.config.space.further(successor.id, 0);
                self.start_lookup(next, Why::Next, vec![successor], cx);
            }
        }
    }

    /// A peer may be a better successor: asks whether it is alive.
    pub(super) fn consider_successor(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        if !self.links.is_better_successor(peer) || self.is_probing(peer) || self.too_many_probes()
        {
            return;
        }
        self.probe(peer, Purpose::Successor, cx);
    }

    /// A peer that may be a better successor is alive.
    pub(super) fn successor_alive(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        if self.links.is_better_successor(peer) {
            self.links.insert_successor(peer.clone());
            self.new_successor(cx);
        }
    }

    fn new_successor(&mut self, cx: &mut Cx<'_>) {
        if let Some(successor) = self.links.successor() {
            cx.event(Event::Successor(successor.clone()));
        }
        self.links_changed(cx);
    }

    /// A peer takes itself for our predecessor.
    pub(super) fn notified(&mut self, source: Source, peer: &Peer, cx: &mut Cx<'_>) {
        if peer.id == self.me.id || !peer.is_genuine(self.config.space) {
            return;
        }
        let is_from_it = cx.names.is_from(&peer.addr, source.addr);
        let predecessor = self.links.predecessor().cloned();
        if predecessor.as_ref() == Some(peer) {
            if is_from_it {
                self.links.predecessor_heard = cx.now;
            }
            return;
        }
        let has_other = predecessor.is_some_and(|p| p.id != self.me.id);
        if self.links.is_better_predecessor(peer) {
            let is_known = self.peers.is_fresh(peer, cx.now);
            if is_known || is_from_it && !has_other {
                self.new_predecessor(peer, cx);
            } else if !self.is_probing(peer) && !self.too_many_probes() {
                self.probe(peer, Purpose::Predecessor, cx);
            }
        } else if is_from_it && has_other {
            // It has lost the one between us.
            self.rounds.waiting = Some(peer.clone());
            self.suspect_predecessor(cx);
        }
    }

    /// One that takes itself for our predecessor is alive.
    pub(super) fn predecessor_alive(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        if self.links.is_better_predecessor(peer) {
            self.new_predecessor(peer, cx);
        }
    }

    fn new_predecessor(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        let was_alone = self.links.is_alone();
        let before = self.links.set_predecessor(peer.clone(), cx.now);
        cx.event(Event::Predecessor(peer.clone()));
        if was_alone {
            self.links.insert_successor(peer.clone());
            self.new_successor(cx);
        }
        self.rounds.sync_now = true;
        self.hasten(cx.now);
        if let Some(before) = before
            && strictly_between(before, self.me.id, peer.id)
        {
            self.hand_over(before, peer, cx);
        } else {
            // The arc is new, or has grown: of what others wrote there, we may not have the last.
            self.sync.must_catch_up();
            self.sync_replicas(cx);
        }
    }

    fn check_predecessor(&mut self, cx: &mut Cx<'_>) {
        let silent = cx.now.since(self.links.predecessor_heard);
        if silent > self.interval() * 5 / 2 {
            self.suspect_predecessor(cx);
        }
    }

    fn suspect_predecessor(&mut self, cx: &mut Cx<'_>) {
        let Some(predecessor) = self.links.predecessor().cloned() else {
            return;
        };
        let is_asked = self
            .calls
            .any(|call| call.purpose == Purpose::CheckPredecessor);
        if predecessor.id != self.me.id && !is_asked {
            self.probe(&predecessor, Purpose::CheckPredecessor, cx);
        }
    }

    /// The predecessor is dead: one that was waiting takes its place, if it lives.
    pub(super) fn predecessor_lost(&mut self, cx: &mut Cx<'_>) {
        if let Some(waiting) = self.rounds.waiting.take()
            && self.links.is_better_predecessor(&waiting)
            && !self.is_probing(&waiting)
        {
            self.probe(&waiting, Purpose::Predecessor, cx);
        }
    }

    fn start_fingers(&mut self, cx: &mut Cx<'_>) {
        self.rounds.budget = if self.config.is_course() || !self.rounds.is_complete {
            u32::MAX
        } else {
            FINGERS_PER_ROUND
        };
        if !self.rounds.is_looking && !self.links.is_alone() {
            if self.config.is_course() {
                self.rounds.cursor = 1;
            }
            self.next_finger(cx);
        }
    }

    /// Looks the next finger up whose answer is not known without.
    fn next_finger(&mut self, cx: &mut Cx<'_>) {
        self.rounds.is_looking = false;
        let Some(successor) = self.links.successor().cloned() else {
            return;
        };
        if self.rounds.cursor <= 1 {
            self.rounds.cursor = self.links.set_fingers(0, &successor);
        }
        if self.rounds.cursor >= self.links.finger_count() {
            self.rounds.cursor = 1;
            self.rounds.is_complete = true;
            return;
        }
        if self.rounds.budget == 0 {
            return;
        }
        self.rounds.budget -= 1;
        self.rounds.is_looking = true;
        let nth = self.rounds.cursor;
        let start = self.links.finger_start(nth);
        self.start_lookup(start, Why::Finger(nth), Vec::new(), cx);
    }

    /// The successor of a finger's start was found, or not.
    pub(super) fn finger_found(&mut self, nth: usize, owner: Option<&Peer>, cx: &mut Cx<'_>) {
        self.rounds.is_looking = false;
        match owner {
            Some(owner) if !self.peers.is_lost(owner) => {
                self.rounds.cursor = self.links.set_fingers(nth, owner);
                self.next_finger(cx);
            }
            // The next round tries again.
            _ => self.rounds.budget = 0,
        }
    }

    /// Asks one of those that were lost whether it is back: a partition may have healed.
    fn revive(&mut self, cx: &mut Cx<'_>) {
        let turn = self.rounds.count as usize;
        if let Some(lost) = self.peers.lost_in_turn(turn, cx.now)
            && !self.calls.any(|call| call.purpose == Purpose::Revive)
        {
            self.call(&lost, Ask::Probe, Purpose::Revive, cx);
        }
        if self.rounds.count.is_multiple_of(MERGE_ROUNDS)
            && let Some(peer) = self.peers.heard_in_turn(turn / MERGE_ROUNDS as usize)
        {
            self.look_for_successor_by(&peer, cx);
        }
    }

    /// One that was lost is back, perhaps with a ring of its own.
    pub(super) fn revived(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        if self.phase == Phase::Member {
            self.consider_successor(peer, cx);
            self.look_for_successor_by(peer, cx);
        }
    }

    /// Asks a peer which node follows us. In one ring that is our successor; of two rings that have
    /// come apart, each node finds the one that follows it in the other.
    fn look_for_successor_by(&mut self, peer: &Peer, cx: &mut Cx<'_>) {
        let next = self.config.space.further(self.me.id, 0);
        self.start_lookup(next, Why::Merge, vec![peer.clone()], cx);
    }
}
