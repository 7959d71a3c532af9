//! Entering the ring, and letting others in.
//!
//! In the compatible mode a newcomer says JOIN_REQ, which nodes pass along their successors; in the
//! native mode it looks its own id up by way of a node it was told. Either way its
//! successor has to answer before it is believed.

use crate::addr::Peer;
use crate::id::contains;
use crate::message::{Course, Phase};
use crate::output::{Cx, Event, Source};
use crate::time::Timestamp;

use super::{Node, Purpose, Why};

/// Checks of alleged neighbours at a time: forged ones must not crowd out everything else.
const MAX_PROBES: usize = 64;

pub(super) struct Join {
    pub(super) next: Timestamp,
    attempts: u32,
}

impl Join {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            next: now,
            attempts: 0,
        }
    }
}

impl Node {
    /// Asks again.
    pub(super) fn tick_join(&mut self, cx: &mut Cx<'_>) {
        if cx.now < self.join.next {
            return;
        }
        self.join.next = cx.now + self.config.join_timeout;
        let nth = self.join.attempts as usize;
        self.join.attempts += 1;
        let by = match self.config.join.len() {
            // A virtual node joins by the first of its own host.
            0 => self.config.addr.clone(),
            len => match self.config.join.get(nth % len) {
                Some(by) => by.clone(),
                None => return,
            },
        };
        if nth > 0 {
            cx.event(Event::JoinUnanswered(by.clone(), self.join.attempts - 1));
        }
        if self.config.is_course() {
            cx.course(&by, Course::JoinReq(self.me.clone()));
        } else {
            let seed = Peer::new(self.config.space, by, 0);
            self.start_lookup(self.me.id, Why::Join, vec![seed], cx);
        }
    }

    /// A newcomer was told its successor.
    pub(super) fn join_told(&mut self, successor: &Peer, cx: &mut Cx<'_>) {
        let is_other = successor.id != self.me.id && successor.is_genuine(self.config.space);
        let has_room = !self.too_many_probes();
        if self.phase == Phase::Joining && is_other && has_room && !self.is_probing(successor) {
            self.probe(successor, Purpose::Join, cx);
        }
    }

    /// The successor is alive: the node is in.
    pub(super) fn joined(&mut self, successor: &Peer, cx: &mut Cx<'_>) {
        if self.phase != Phase::Joining {
            return;
        }
        self.phase = Phase::Member;
        self.links.join(successor.clone());
        self.sync.has_joined();
        cx.event(Event::Joined(successor.clone()));
        self.rounds.restart(cx.now);
        self.tick_stabilize(cx);
    }

    /// Somebody wants to join.
    pub(super) fn join_asked(&mut self, source: Source, newcomer: &Peer, cx: &mut Cx<'_>) {
        let is_genuine = newcomer.is_genuine(self.config.space) && newcomer.id != self.me.id;
        if self.phase != Phase::Member || !is_genuine {
            return;
        }
        let Some(successor) = self.links.successor().cloned() else {
            let me = self.me.clone();
            cx.course(&newcomer.addr, Course::JoinRep(me));
            if cx.names.is_from(&newcomer.addr, source.addr) {
                self.successor_alive(newcomer, cx);
            } else {
                self.consider_successor(newcomer, cx);
            }
            return;
        };
        if !contains(self.me.id, successor.id, newcomer.id) {
            let message = Course::JoinReq(newcomer.clone());
            if self.loops.admits(&("JOIN_REQ", newcomer), cx.now) {
                cx.course(&successor.addr, message);
            }
            return;
        }
        // One that comes back before it was missed is its own successor no more.
        let next = if successor.id == newcomer.id {
            let next = self.links.successors().get(1);
            next.unwrap_or(&self.me).clone()
        } else {
            successor
        };
        cx.course(&newcomer.addr, Course::JoinRep(next));
        self.consider_successor(newcomer, cx);
    }

    /// Whether a peer is being asked already.
    pub(super) fn is_probing(&self, peer: &Peer) -> bool {
        self.calls.any(|call| {
            let is_probe = matches!(
                call.purpose,
                Purpose::Successor | Purpose::Predecessor | Purpose::Join
            );
            is_probe && call.to == *peer
        })
    }

    pub(super) fn too_many_probes(&self) -> bool {
        self.calls.count(|call| {
            matches!(
                call.purpose,
                Purpose::Successor | Purpose::Predecessor | Purpose::Join
            )
        }) >= MAX_PROBES
    }
}
