//! From what is wanted of a pool to the changes that bring it about.
//!
//! Declared, not commanded: each time all backends are given that are wanted, and the difference to
//! those that are there is returned. A change that fails, because the balancer is busy or a slot is
//! not vacant yet, is part of the difference again the next time.

use crate::address::Address;
use crate::pool::{Entrance, NewBackend};
use crate::strategy::BackendId;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

/// Time after which a backend that drains has gone.
const FORGET_AFTER: Duration = Duration::from_secs(310);

/// A backend that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name, unique in its pool.
    pub(crate) name: String,
    /// Its address as people write it.
    pub(crate) address: String,
    /// Its addresses: at least one. All are tried.
    pub(crate) addresses: Vec<Address>,
    /// 1 to 256.
    pub(crate) weight: u32,
    pub(crate) max_connections: Option<NonZeroU32>,
    /// Where it was found.
    pub(crate) owner: &'static str,
}

/// One step towards what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The latter is its owner.
    Add(NewBackend, &'static str),
    /// Its removal is called off.
    Keep(BackendId),
    /// It drains and goes.
    Remove(BackendId),
    Weigh(BackendId, u32),
    Limit(BackendId, Option<NonZeroU32>),
    /// It is found elsewhere: its address as people write it, and its addresses.
    Move(BackendId, String, Vec<Address>),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was made, of the backend with this id.
    Done(BackendId),
    /// There is no such backend any more: somebody else has removed it.
    Gone,
    /// It may not be made: the reason.
    Refused(String),
    /// It could not be made for now.
    Busy,
}

#[derive(Clone, Debug)]
struct Held {
    id: BackendId,
    /// As it was last changed to.
    is: Wanted,
    /// Since when it drains to go.
    departs: Option<Timestamp>,
}

/// The backends of a pool that discovery has added, or whose addresses it follows.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    held: BTreeMap<String, Held>,
    /// Why backends could not be added, by name.
    refused: HashMap<String, String>,
    /// Those that others have removed: they stay away for as long as they are wanted here.
    removed: HashSet<String>,
}

impl Membership {
    /// Follows a backend that is there already.
    pub(crate) fn adopt(&mut self, id: BackendId, is: Wanted) {
        let departs = None;
        self.held.insert(is.name.clone(), Held { id, is, departs });
    }

    /// What is to be done so that the pool has what is wanted, each change with the name of its
    /// backend. Additions come before removals, so that there is room for what is in flight.
    pub(crate) fn plan(&self, wanted: &[Wanted], entrance: Entrance) -> Vec<(String, Change)> {
        let mut changes = Vec::new();
        for wanted in wanted {
            let name = &wanted.name;
            match self.held.get(name) {
                None if self.removed.contains(name) => {}
                None => changes.push((name.clone(), add(wanted, entrance))),
                Some(held) => {
                    let of_it = differences(held, wanted).into_iter();
                    changes.extend(of_it.map(|change| (name.clone(), change)));
                }
            }
        }
        let stays: HashSet<_> = wanted.iter().map(|it| it.name.as_str()).collect();
        let gone = self.held.iter();
        let gone =
            gone.filter(|(name, held)| held.departs.is_none() && !stays.contains(name.as_str()));
        changes.extend(gone.map(|(name, held)| (name.clone(), Change::Remove(held.id))));
        changes
    }

    /// A change had this outcome. Returns a reason that was not told before.
    pub(crate) fn settle(
        &mut self,
        name: &str,
        change: &Change,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<String> {
        match outcome {
            Outcome::Busy => return None,
            Outcome::Gone => {
                self.held.remove(name);
                // One that was to be kept had drained and gone: it is added again.
                if !matches!(change, Change::Keep(_) | Change::Remove(_)) {
                    self.removed.insert(name.to_owned());
                }
                return None;
            }
            Outcome::Refused(reason) => {
                let old = self.refused.insert(name.to_owned(), reason.clone());
                return Some(reason).filter(|reason| old.as_ref() != Some(reason));
            }
            Outcome::Done(id) => self.note(name, change, id, now),
        }
        self.refused.remove(name);
        None
    }

    fn note(&mut self, name: &str, change: &Change, id: BackendId, now: Timestamp) {
        if let Change::Add(backend, owner) = change {
            let is = Wanted {
                name: backend.name.clone(),
                address: backend.address.clone(),
                addresses: backend.addresses.clone(),
                weight: backend.weight,
                max_connections: backend.max_in_flight.and_then(NonZeroU32::new),
                owner,
            };
            return self.adopt(id, is);
        }
        let Some(held) = self.held.get_mut(name) else {
            return;
        };
        match change {
            Change::Add(..) => {}
            Change::Keep(_) => held.departs = None,
            Change::Remove(_) => held.departs = Some(now),
            Change::Weigh(_, weight) => held.is.weight = *weight,
            Change::Limit(_, max) => held.is.max_connections = *max,
            Change::Move(_, address, addresses) => {
                held.is.address.clone_from(address);
                held.is.addresses.clone_from(addresses);
            }
        }
    }

    /// Forgets what was noted of backends that are not wanted any more.
    pub(crate) fn forget_refused(&mut self, wanted: &[Wanted]) {
        if !(self.refused.is_empty() && self.removed.is_empty()) {
            let names: HashSet<_> = wanted.iter().map(|it| it.name.as_str()).collect();
            self.refused.retain(|name, _| names.contains(name.as_str()));
            self.removed.retain(|name| names.contains(name.as_str()));
        }
    }

    /// Forgets backends that have drained and gone by now. One that is wanted again is then added,
    /// and if it was forgotten too early, its name is still taken, which is tried again.
    pub(crate) fn forget_departed(&mut self, now: Timestamp) {
        let is_gone = |since: Timestamp| now > since + FORGET_AFTER;
        self.held
            .retain(|_, held| !held.departs.is_some_and(is_gone));
    }

    /// A backend that is there, as it was last changed to.
    pub(crate) fn known(&self, name: &str) -> Option<&Wanted> {
        let held = self.held.get(name)?;
        held.departs.is_none().then_some(&held.is)
    }
}

fn add(wanted: &Wanted, entrance: Entrance) -> Change {
    let backend = NewBackend {
        name: wanted.name.clone(),
        address: wanted.address.clone(),
        addresses: wanted.addresses.clone(),
        weight: wanted.weight,
        max_in_flight: wanted.max_connections.map(NonZeroU32::get),
        entrance,
    };
    Change::Add(backend, wanted.owner)
}

fn differences(held: &Held, wanted: &Wanted) -> Vec<Change> {
    let (id, is) = (held.id, &held.is);
    let mut changes = Vec::new();
    if held.departs.is_some() {
        changes.push(Change::Keep(id));
    }
    if is.address != wanted.address || is.addresses != wanted.addresses {
        let to = wanted.address.clone();
        changes.push(Change::Move(id, to, wanted.addresses.clone()));
    }
    if is.weight != wanted.weight {
        changes.push(Change::Weigh(id, wanted.weight));
    }
    if is.max_connections != wanted.max_connections {
        changes.push(Change::Limit(id, wanted.max_connections));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::ZERO;

    fn wanted(name: &str, port: u16) -> Wanted {
        let address = format!("127.0.0.1:{port}");
        Wanted {
            name: name.to_owned(),
            addresses: vec![Address::Tcp(address.parse().unwrap())],
            address,
            weight: 1,
            max_connections: None,
            owner: "file",
        }
    }

    /// Carries out what is planned, under ids that count up.
    fn reach(membership: &mut Membership, all: &[Wanted], next: &mut u16) -> Vec<Change> {
        let plan = membership.plan(all, Entrance::Trial);
        for (name, change) in &plan {
            let id = BackendId::new(*next, 0);
            *next += 1;
            assert_eq!(
                membership.settle(name, change, Outcome::Done(id), NOW),
                None
            );
        }
        plan.into_iter().map(|(_, change)| change).collect()
    }

    #[test]
    fn what_is_wanted_twice_changes_nothing() {
        let (mut membership, mut next) = (Membership::default(), 0);
        let all = [wanted("a", 1), wanted("b", 2)];
        assert_eq!(reach(&mut membership, &all, &mut next).len(), 2);
        assert!(reach(&mut membership, &all, &mut next).is_empty());
        assert!(membership.known("a").is_some());
    }

    #[test]
    fn the_difference_is_made() {
        let (mut membership, mut next) = (Membership::default(), 0);
        let mut all = vec![wanted("a", 1), wanted("b", 2)];
        reach(&mut membership, &all, &mut next);
        all.remove(0);
        all.push(wanted("c", 3));
        all[0].weight = 7;
        all[0].max_connections = NonZeroU32::new(4);
        let (a, b) = (BackendId::new(0, 0), BackendId::new(1, 0));
        let changes = reach(&mut membership, &all, &mut next);
        let [weigh, limit, Change::Add(added, "file"), remove] = changes.as_slice() else {
            panic!("{changes:?}");
        };
        assert_eq!(*weigh, Change::Weigh(b, 7));
        assert_eq!(*limit, Change::Limit(b, NonZeroU32::new(4)));
        assert_eq!((added.name.as_str(), added.weight), ("c", 1));
        assert_eq!(*remove, Change::Remove(a));
        assert!(reach(&mut membership, &all, &mut next).is_empty());
    }

    #[test]
    fn a_backend_that_comes_back_while_it_drains_is_kept() {
        let (mut membership, mut next) = (Membership::default(), 0);
        reach(&mut membership, &[wanted("a", 1)], &mut next);
        reach(&mut membership, &[], &mut next);
        assert!(membership.known("a").is_none());
        let a = BackendId::new(0, 0);
        let changes = reach(&mut membership, &[wanted("a", 1)], &mut next);
        assert_eq!(changes, [Change::Keep(a)]);
        // Or it has gone by then.
        reach(&mut membership, &[], &mut next);
        let plan = membership.plan(&[wanted("a", 1)], Entrance::Trial);
        membership.settle("a", &plan[0].1, Outcome::Gone, NOW);
        let changes = reach(&mut membership, &[wanted("a", 1)], &mut next);
        assert!(
            matches!(changes.as_slice(), [Change::Add(..)]),
            "{changes:?}"
        );
    }

    #[test]
    fn a_backend_that_is_found_elsewhere_moves() {
        let (mut membership, mut next) = (Membership::default(), 0);
        reach(&mut membership, &[wanted("a", 1)], &mut next);
        let elsewhere = wanted("a", 2);
        let changes = reach(&mut membership, std::slice::from_ref(&elsewhere), &mut next);
        let to = (elsewhere.address, elsewhere.addresses);
        let moves = Change::Move(BackendId::new(0, 0), to.0, to.1);
        assert_eq!(changes, [moves]);
    }

    #[test]
    fn a_failed_change_is_planned_again_and_its_reason_told_once() {
        let mut membership = Membership::default();
        let all = [wanted("a", 1)];
        for round in 0..3 {
            let plan = membership.plan(&all, Entrance::Trial);
            let [(name, change)] = plan.as_slice() else {
                panic!("{plan:?}");
            };
            let told = membership.settle(name, change, Outcome::Refused("no".to_owned()), NOW);
            assert_eq!(told.is_some(), round == 0);
            assert_eq!(membership.settle(name, change, Outcome::Busy, NOW), None);
        }
        // Not wanted, and wanted again: it is told again.
        membership.forget_refused(&[]);
        let plan = membership.plan(&all, Entrance::Trial);
        let told = membership.settle("a", &plan[0].1, Outcome::Refused("no".to_owned()), NOW);
        assert_eq!(told.as_deref(), Some("no"));
    }

    #[test]
    fn what_others_have_removed_stays_away() {
        let (mut membership, mut next) = (Membership::default(), 0);
        reach(&mut membership, &[wanted("a", 1)], &mut next);
        let elsewhere = [wanted("a", 2)];
        let plan = membership.plan(&elsewhere, Entrance::Trial);
        membership.settle("a", &plan[0].1, Outcome::Gone, NOW);
        assert!(membership.plan(&elsewhere, Entrance::Trial).is_empty());
        membership.forget_refused(&[]);
        assert_eq!(membership.plan(&elsewhere, Entrance::Trial).len(), 1);
    }

    #[test]
    fn the_departed_are_forgotten() {
        let (mut membership, mut next) = (Membership::default(), 0);
        reach(&mut membership, &[wanted("a", 1)], &mut next);
        reach(&mut membership, &[], &mut next);
        membership.forget_departed(NOW + FORGET_AFTER);
        assert_eq!(membership.held.len(), 1);
        membership.forget_departed(NOW + FORGET_AFTER + Duration::from_nanos(1));
        assert!(membership.held.is_empty());
    }
}
