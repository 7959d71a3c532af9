//! The lookups in progress: what each has learned, and whom it asks next.
//!
//! A lookup is iterative: this node itself asks one peer after the other, so it notices one that is
//! dead and takes another way. It keeps the peers it was told of before the target (`ahead`)
//! and those said to own it (`owners`), and asks none twice.

use std::collections::BTreeMap;

use crate::addr::Peer;
use crate::id::{Id, Space};
use crate::message::Hop;

use super::store::Place;

const MAX_LOOKUPS: usize = 4096;
/// Peers asked by one lookup; log2 of the largest ring is far below.
const MAX_STEPS: usize = 64;
const MAX_CANDIDATES: usize = 48;

/// What a lookup is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Why {
    /// Our successor, as a newcomer.
    Join,
    /// The successor in a ring that we lost sight of.
    Merge,
    /// The successor of a finger's start.
    Finger(usize),
    /// The address behind an id that a plain successor told.
    Successor,
    /// What follows a plain successor.
    Next,
    /// An operation of a client.
    Serve(u64),
    /// The owner of an entry that does not belong here.
    Relocate(Place),
    /// For the caller of the library.
    Token(u64),
}

#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) target: Id,
    pub(crate) why: Why,
    pub(crate) ahead: Vec<Hop>,
    pub(crate) owners: Vec<Hop>,
    pub(crate) asked: Vec<Peer>,
    pub(crate) timeouts: u32,
    /// Whether the peer asked now is said to own the target.
    pub(crate) asks_owner: bool,
    /// The nearest peer at or behind the target that has answered, although it says that another is
    /// before it. If that one does not answer, this one is the owner.
    alive: Option<Peer>,
}

/// What to do next.
pub(crate) enum Step {
    /// Ask this peer.
    Ask(Hop),
    /// This one owns the target.
    Found(Peer),
    /// There is nobody left to ask.
    Fail,
}

impl Lookup {
    pub(crate) const fn new(target: Id, why: Why) -> Self {
        Self {
            target,
            why,
            ahead: Vec::new(),
            owners: Vec::new(),
            asked: Vec::new(),
            timeouts: 0,
            asks_owner: false,
            alive: None,
        }
    }

    /// A peer that is said to own the target says that another does, and is alive.
    pub(crate) fn note_alive(&mut self, space: Space, peer: &Peer) {
        let distance = |peer: &Peer| space.distance(self.target, peer.id);
        if self
            .alive
            .as_ref()
            .is_none_or(|known| distance(peer) < distance(known))
        {
            self.alive = Some(peer.clone());
        }
    }

    /// Adds peers that are said to own the target, or to follow the owner.
    pub(crate) fn add_owners(&mut self, space: Space, hops: impl IntoIterator<Item = Hop>) {
        for hop in hops {
            let is_known = self.owners.iter().any(|known| known.peer == hop.peer);
            if self.owners.len() < MAX_CANDIDATES && !is_known {
                self.owners.push(hop);
            }
        }
        self.owners
            .sort_by_key(|hop| space.distance(self.target, hop.peer.id));
    }

    /// Whether peers that we hold for lost may be asked: the very purpose is to find them.
    pub(crate) const fn looks_for_lost(&self) -> bool {
        matches!(self.why, Why::Merge | Why::Join)
    }

    pub(crate) fn has_asked(&self, peer: &Peer) -> bool {
        self.asked.contains(peer)
    }

    pub(crate) fn add_ahead(&mut self, hop: Hop) {
        if self.ahead.len() >= MAX_CANDIDATES {
            let asked = &self.asked;
            self.ahead.retain(|hop| !asked.contains(&hop.peer));
        }
        if self.ahead.len() < MAX_CANDIDATES && !self.ahead.contains(&hop) {
            self.ahead.push(hop);
        }
    }

    /// Whether it has asked as many as a lookup may.
    pub(crate) fn is_over(&self) -> bool {
        self.asked.len() >= MAX_STEPS
    }

    /// Takes the next step. Plain peers are asked last unless `plain_first`: peers of the course need
    /// their silence.
    pub(crate) fn step(&mut self, space: Space, plain_first: bool) -> Step {
        if self.is_over() {
            return Step::Fail;
        }
        let owner = self.owners.iter().find(|hop| !self.has_asked(&hop.peer));
        let distance = |peer: &Peer| space.distance(self.target, peer.id);
        if let Some(alive) = &self.alive
            && owner.is_none_or(|owner| distance(alive) < distance(&owner.peer))
        {
            return Step::Found(alive.clone());
        }
        if let Some(owner) = owner.cloned() {
            self.asks_owner = true;
            self.asked.push(owner.peer.clone());
            return Step::Ask(owner);
        }
        self.asks_owner = false;
        let left = self.ahead.iter().filter(|hop| !self.has_asked(&hop.peer));
        let next = left.min_by_key(|hop| {
            let distance = space.distance(hop.peer.id, self.target);
            (hop.plain && !plain_first, distance)
        });
        match next.cloned() {
            Some(next) => {
                self.asked.push(next.peer.clone());
                Step::Ask(next)
            }
            None => Step::Fail,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lookups {
    lookups: BTreeMap<u64, Lookup>,
    next: u64,
}

impl Lookups {
    /// Keeps a lookup; gives it back if there are too many.
    pub(crate) fn add(&mut self, lookup: Lookup) -> Result<u64, Why> {
        if self.lookups.len() >= MAX_LOOKUPS {
            return Err(lookup.why);
        }
        self.next += 1;
        self.lookups.insert(self.next, lookup);
        Ok(self.next)
    }

    pub(crate) fn get(&mut self, id: u64) -> Option<&mut Lookup> {
        self.lookups.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Lookup> {
        self.lookups.remove(&id)
    }

    pub(crate) fn any(&self, is_it: impl Fn(&Why) -> bool) -> bool {
        self.lookups.values().any(|lookup| is_it(&lookup.why))
    }

    pub(crate) fn len(&self) -> usize {
        self.lookups.len()
    }
}
