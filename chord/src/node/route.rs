//! Finding the owner of an id, and helping others to.
//!
//! Operations of clients are routed as the course does it, by the closest preceding finger; what
//! comes to a plain peer that way is handed to it. All other lookups use the successor list as well,
//! and go round plain peers where they can.

use crate::addr::Peer;
use crate::id::{Id, strictly_between};
use crate::message::{Course, Hop, Reply, Request};
use crate::output::{Cx, Event, Looked};

use super::lookups::{Lookup, Step};
use super::{Ask, Kind, Node, Phase, Purpose, Why};

/// Closer peers told in one reply.
const MAX_CLOSER: usize = 5;
/// Closer peers taken from here once all that were told are silent.
const MAX_REFILL: usize = 16;
/// Owners told in one reply: the owner and as many that may have copies.
const MAX_OWNERS: usize = 6;

/// What a node knows of the way to an id.
struct Way {
    is_owner: bool,
    owners: Vec<Hop>,
    closer: Vec<Hop>,
}

impl Node {
    /// Whether an id is ours. With `last`, another node says so, which counts while it is not known
    /// where our arc begins.
    pub(super) fn is_owner(&self, target: Id, last: bool) -> bool {
        let has_predecessor = self.links.predecessor().is_some();
        self.links.is_alone() || self.links.owns(target) || last && !has_predecessor
    }

    /// The way from here. With `last`, another node says that it ends here.
    fn way(&self, target: Id, last: bool, thorough: bool) -> Way {
        let is_owner = self.is_owner(target, last);
        let hops = |peers: &[Peer], most: usize| -> Vec<Hop> {
            peers.iter().take(most).map(|peer| self.hop(peer)).collect()
        };
        let mut owners = Vec::new();
        if is_owner {
            owners.push(self.hop(&self.me));
            owners.extend(hops(self.links.successors(), MAX_OWNERS - 1));
            return Way {
                is_owner,
                owners,
                closer: Vec::new(),
            };
        }
        if last && let Some(predecessor) = self.links.predecessor() {
            // A node has come between the one that sent the asker here and us.
            owners.push(self.hop(predecessor));
        } else {
            let reach = if thorough { usize::MAX } else { 1 };
            let known = self.links.owners(target, reach);
            if !known.is_empty() {
                let from = self.links.successors().len() - known.len();
                let behind = self.links.successors().get(from..).unwrap_or_default();
                owners.extend(hops(behind, MAX_OWNERS));
            }
        }
        let closer = self.links.closest_preceding(target, thorough, MAX_CLOSER);
        Way {
            is_owner,
            owners,
            closer: hops(&closer, MAX_CLOSER),
        }
    }

    /// Another node asks for the way.
    pub(super) fn route_asked(&self, target: Id, last: bool, thorough: bool) -> Reply {
        let way = self.way(target, last, thorough);
        Reply::Route {
            is_owner: way.is_owner,
            owners: way.owners,
            closer: way.closer,
        }
    }

    /// Whether a lookup uses the successor list beyond its first entry.
    fn is_thorough(&self, why: &Why) -> bool {
        !(self.config.is_course() && matches!(why, Why::Serve(_)))
    }

    /// Starts a lookup, from `seeds` or from here.
    pub(super) fn start_lookup(&mut self, target: Id, why: Why, seeds: Vec<Peer>, cx: &mut Cx<'_>) {
        let is_kind_of_once = matches!(why, Why::Merge | Why::Next | Why::Successor | Why::Join);
        if is_kind_of_once && self.lookups.any(|other| *other == why) {
            return;
        }
        let mut lookup = Lookup::new(target, why);
        if seeds.is_empty() {
            let way = self.way(target, false, self.is_thorough(&lookup.why));
            if way.is_owner {
                self.lookup_done(lookup, way.owners, cx);
                return;
            }
            lookup.add_owners(self.config.space, way.owners);
            lookup.ahead = way.closer;
        } else {
            lookup.ahead = seeds.iter().map(|peer| self.hop(peer)).collect();
        }
        match self.lookups.add(lookup) {
            Ok(id) => self.advance(id, cx),
            Err(why) => self.lookup_done(Lookup::new(target, why), Vec::new(), cx),
        }
    }

    /// Asks the next peer, or ends the lookup.
    fn advance(&mut self, id: u64, cx: &mut Cx<'_>) {
        let space = self.config.space;
        let Some(lookup) = self.lookups.get(id) else {
            return;
        };
        let is_operation = matches!(lookup.why, Why::Serve(_));
        let step = lookup.step(space, is_operation);
        let (target, asks_owner) = (lookup.target, lookup.asks_owner);
        let thorough = {
            let why = lookup.why.clone();
            self.is_thorough(&why)
        };
        match step {
            Step::Fail if self.refill(id, thorough) => self.advance(id, cx),
            Step::Fail => self.end_lookup(id, Vec::new(), cx),
            Step::Found(owner) if owner == self.me => {
                let owners = self.way(self.me.id, true, true).owners;
                self.end_lookup(id, owners, cx);
            }
            Step::Found(owner) => {
                let owners = self.owners_from(id, &owner);
                self.end_lookup(id, owners, cx);
            }
            Step::Ask(hop) if hop.peer == self.me => {
                let way = self.way(target, true, thorough);
                self.told_way(id, &hop.peer, way, cx);
            }
            Step::Ask(hop) if self.is_plain_hop(&hop) => {
                if asks_owner {
                    let owners = self.owners_from(id, &hop.peer);
                    self.end_lookup(id, owners, cx);
                } else if let Some(operation) = self.operation_of(id) {
                    self.lookups.remove(id);
                    self.hand_to_plain(operation, &hop.peer, cx);
                } else {
                    self.call(&hop.peer, Ask::Successor(target), Purpose::Step(id), cx);
                }
            }
            Step::Ask(hop) => {
                let request = Request::Route {
                    target,
                    last: asks_owner,
                    thorough,
                };
                self.call(&hop.peer, Ask::Own(request), Purpose::Step(id), cx);
            }
        }
    }

    /// All that a lookup was told of are silent: goes on with what is left in our own links, further
    /// from the target. Whether there is any.
    fn refill(&mut self, id: u64, thorough: bool) -> bool {
        let Some(target) = self.lookups.get(id).map(|lookup| lookup.target) else {
            return false;
        };
        let left = self.links.closest_preceding(target, thorough, MAX_REFILL);
        let left: Vec<Hop> = left.iter().map(|peer| self.hop(peer)).collect();
        self.lookups.get(id).is_some_and(|lookup| {
            let is_new = |hop: &Hop| !lookup.has_asked(&hop.peer);
            let left: Vec<Hop> = left.into_iter().filter(is_new).collect();
            let has_any = !left.is_empty() && !lookup.is_over();
            left.into_iter().for_each(|hop| lookup.add_ahead(hop));
            has_any
        })
    }

    fn is_plain_hop(&self, hop: &Hop) -> bool {
        match self.peers.kind(&hop.peer) {
            Kind::Plain => true,
            Kind::Extended => false,
            Kind::Unknown => hop.plain,
        }
    }

    fn operation_of(&mut self, lookup: u64) -> Option<u64> {
        match self.lookups.get(lookup)?.why {
            Why::Serve(operation) => Some(operation),
            _ => None,
        }
    }

    /// The owners that a lookup knows of, from `first` on.
    fn owners_from(&mut self, id: u64, first: &Peer) -> Vec<Hop> {
        let Some(lookup) = self.lookups.get(id) else {
            return Vec::new();
        };
        let at = lookup.owners.iter().position(|hop| hop.peer == *first);
        let rest = lookup.owners.get(at.unwrap_or(0)..);
        rest.unwrap_or_default().to_vec()
    }

    /// A peer has told the way.
    pub(super) fn route_told(
        &mut self,
        id: u64,
        from: &Peer,
        is_owner: bool,
        owners: Vec<Hop>,
        closer: Vec<Hop>,
        cx: &mut Cx<'_>,
    ) {
        let way = Way {
            is_owner,
            owners,
            closer,
        };
        self.told_way(id, from, way, cx);
    }

    fn told_way(&mut self, id: u64, from: &Peer, way: Way, cx: &mut Cx<'_>) {
        let space = self.config.space;
        let Some(lookup) = self.lookups.get(id) else {
            return;
        };
        if way.is_owner {
            let owner = Hop {
                peer: from.clone(),
                plain: false,
            };
            let behind = way.owners.into_iter().filter(|hop| hop.peer != *from);
            let owners = [owner].into_iter().chain(behind).collect();
            self.end_lookup(id, owners, cx);
            return;
        }
        let (target, looks_for_lost) = (lookup.target, lookup.looks_for_lost());
        if lookup.asks_owner {
            lookup.note_alive(space, from);
        }
        let peers = &self.peers;
        let is_usable =
            |hop: &Hop| hop.peer.is_genuine(space) && (looks_for_lost || !peers.is_lost(&hop.peer));
        lookup.add_owners(space, way.owners.into_iter().filter(is_usable));
        for hop in way.closer {
            let is_progress = strictly_between(from.id, target, hop.peer.id);
            if is_progress && is_usable(&hop) {
                lookup.add_ahead(hop);
            }
        }
        self.advance(id, cx);
    }

    /// A peer did not answer.
    pub(super) fn step_failed(&mut self, id: u64, _peer: &Peer, cx: &mut Cx<'_>) {
        if let Some(lookup) = self.lookups.get(id) {
            lookup.timeouts += 1;
            self.advance(id, cx);
        }
    }

    /// A peer cannot help.
    pub(super) fn step_refused(&mut self, id: u64, cx: &mut Cx<'_>) {
        self.advance(id, cx);
    }

    /// The successor of an id, by way of plain peers.
    pub(super) fn successor_told(&mut self, id: u64, successor: &Peer, cx: &mut Cx<'_>) {
        if successor.is_genuine(self.config.space) {
            let owner = self.hop(successor);
            self.end_lookup(id, vec![owner], cx);
        } else {
            self.advance(id, cx);
        }
    }

    fn end_lookup(&mut self, id: u64, owners: Vec<Hop>, cx: &mut Cx<'_>) {
        if let Some(lookup) = self.lookups.remove(id) {
            self.lookup_done(lookup, owners, cx);
        }
    }

    fn lookup_done(&mut self, lookup: Lookup, owners: Vec<Hop>, cx: &mut Cx<'_>) {
        let owner = owners.first().map(|hop| hop.peer.clone());
        let other = owner.clone().filter(|owner| *owner != self.me);
        match lookup.why {
            Why::Join => {
                if let Some(owner) = other {
                    self.joined(&owner, cx);
                }
            }
            Why::Merge | Why::Successor => {
                if let Some(owner) = other {
                    self.consider_successor(&owner, cx);
                }
            }
            Why::Next => {
                if let Some(owner) = other
                    && self.phase == Phase::Member
                    && !self.peers.is_lost(&owner)
                {
                    self.links.insert_successor(owner.clone());
                    if self.peers.kind(&owner) == Kind::Extended {
                        let links = Ask::Own(Request::Links { notify: None });
                        self.call(&owner, links, Purpose::Beyond, cx);
                    } else {
                        self.call(&owner, Ask::Probe, Purpose::Beyond, cx);
                    }
                }
            }
            Why::Finger(nth) => self.finger_found(nth, owner.as_ref(), cx),
            Why::Serve(operation) => self.serve_at(operation, owners, cx),
            Why::Relocate(place) => self.relocate_to(&place, owner, cx),
            Why::Token(token) => {
                let hops = lookup.asked.len() as u32 - lookup.timeouts;
                cx.event(Event::Looked(Looked {
                    token,
                    target: lookup.target,
                    owner,
                    hops,
                    timeouts: lookup.timeouts,
                }));
            }
        }
    }

    /// Passes SUCCESSOR on, or answers it.
    pub(super) fn successor_asked(&mut self, id: Id, from: &crate::addr::Addr, cx: &mut Cx<'_>) {
        let way = self.way(id, false, false);
        let found = way.owners.first().map(|hop| hop.peer.clone());
        if let Some(successor) = found {
            let req_id = id;
            cx.course(from, Course::SuccessorRep { req_id, successor });
        } else if let Some(next) = way.closer.first().map(|hop| &hop.peer)
            && self.loops.admits(&("SUCCESSOR", id, from), cx.now)
        {
            let from = from.clone();
            cx.course(&next.addr, Course::Successor { id, from });
        }
    }
}
