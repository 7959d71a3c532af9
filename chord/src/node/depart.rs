//! Leaving the ring: the keys go to the successor, then the neighbours close the gap.

use std::time::Duration;

use crate::addr::Peer;
use crate::id::Id;
use crate::message::{Phase, Reply, Request, Slice};
use crate::output::{Caller, Cx, Event};
use crate::time::Timestamp;

use super::{Ask, Node, Purpose, Task};

/// Time for handing over; what is not handed over by then stays with the replicas.
const MAX_HANDOVER: Duration = Duration::from_secs(5);
/// How often the progress is looked at.
const TICK: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Departure {
    pub(super) deadline: Timestamp,
    last: Timestamp,
    has_said_farewell: bool,
    /// The number that a client on this machine has to repeat for us to leave.
    challenge: Option<u64>,
}

impl Node {
    /// Begins to leave.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Member => {}
            Phase::Joining => {
                self.phase = Phase::Gone;
                cx.event(Event::Left { keys_left: 0 });
                return;
            }
            Phase::Leaving | Phase::Gone => return,
        }
        self.phase = Phase::Leaving;
        self.departure.deadline = cx.now + TICK;
        self.departure.last = cx.now + MAX_HANDOVER;
        self.sync = super::Sync::default();
        let heir = self
            .replicas()
            .into_iter()
            .next()
            .or_else(|| self.links.successor().cloned());
        match (heir, self.links.arc_begin()) {
            (Some(heir), Some(begin)) if self.peers.is_plain(&heir) => {
                for place in self.places(begin, self.me.id) {
                    let to = heir.clone();
                    self.sync.add(Task::Put { to, place });
                }
            }
            (Some(to), Some(begin)) => {
                let slice = Slice {
                    begin,
                    end: self.me.id,
                    prefix: 0,
                    bits: 0,
                };
                self.sync.add(Task::Compare { to, slice });
            }
            _ => {}
        }
        self.pump(cx);
    }

    pub(super) fn tick_departure(&mut self, cx: &mut Cx<'_>) {
        if cx.now < self.departure.deadline {
            return;
        }
        self.departure.deadline = cx.now + TICK;
        let is_late = cx.now >= self.departure.last;
        if !self.departure.has_said_farewell && (self.sync.is_idle() || is_late) {
            self.departure.has_said_farewell = true;
            self.departure.last = self.departure.last.max(cx.now + Duration::from_secs(1));
            self.say_farewell(cx);
            return;
        }
        let is_heard = !self.calls.any(|call| call.purpose == Purpose::Farewell);
        if self.departure.has_said_farewell && (is_heard || is_late) {
            self.phase = Phase::Gone;
            let keys_left = if self.links.is_alone() {
                self.store.len()
            } else {
                self.sync.unsent + self.sync.len()
            };
            cx.event(Event::Left { keys_left });
        }
    }

    fn say_farewell(&mut self, cx: &mut Cx<'_>) {
        let mut to: Vec<Peer> = self.links.successors().iter().take(2).cloned().collect();
        if let Some(predecessor) = self.links.predecessor()
            && predecessor.id != self.me.id
            && !to.contains(predecessor)
        {
            to.push(predecessor.clone());
        }
        to.retain(|peer| !self.peers.is_plain(peer));
        for peer in to {
            let request = Request::Leaving {
                peer: self.me.clone(),
                predecessor: self.links.predecessor().cloned(),
                successors: self.links.successors().to_vec(),
            };
            self.call(&peer, Ask::Own(request), Purpose::Farewell, cx);
        }
    }

    /// A neighbour leaves.
    pub(super) fn neighbour_leaves(
        &mut self,
        caller: &Caller,
        peer: &Peer,
        predecessor: Option<Peer>,
        successors: Vec<Peer>,
        cx: &mut Cx<'_>,
    ) -> Reply {
        let is_it = cx.names.is_from(&peer.addr, caller.source.addr);
        let knows =
            self.links.predecessor() == Some(peer) || self.links.successors().contains(peer);
        if !is_it {
            return Reply::Refused(crate::message::Cause::Forbidden);
        }
        if !knows {
            return Reply::Done;
        }
        let was_successor = self.links.successor() == Some(peer);
        let was_predecessor = self.links.predecessor() == Some(peer);
        self.links.remove(peer);
        self.peers.forget(peer);
        let space = self.config.space;
        let is_usable =
            |other: &Peer, me: Id| other.id != me && other != peer && other.is_genuine(space);
        if was_successor {
            for other in successors {
                if is_usable(&other, self.me.id) && !self.peers.is_lost(&other) {
                    self.links.insert_successor(other);
                }
            }
        }
        if was_predecessor
            && let Some(other) = predecessor
            && is_usable(&other, self.me.id)
        {
            self.probe(&other, Purpose::Predecessor, cx);
        }
        self.links_changed(cx);
        Reply::Done
    }

    /// A client wants us to leave. It has to be on this machine, or to have the key; and to get what
    /// we send it, which a forged datagram's sender does not.
    pub(super) fn leave_asked(&mut self, caller: &Caller, token: u64, cx: &mut Cx<'_>) -> Reply {
        let has_key = matches!(&cx.codec, crate::wire::Codec::Native(Some(_)));
        if !has_key && !caller.source.addr.ip().to_canonical().is_loopback() {
            return Reply::Refused(crate::message::Cause::Forbidden);
        }
        if token != 0 && self.departure.challenge == Some(token) {
            self.departure.challenge = None;
            self.leave(cx);
            return Reply::Done;
        }
        let challenge = match self.departure.challenge {
            Some(challenge) => challenge,
            None => self.calls.random() | 1,
        };
        self.departure.challenge = Some(challenge);
        Reply::Challenge(challenge)
    }
}
