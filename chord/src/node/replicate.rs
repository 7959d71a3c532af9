//! Writes and copies: the owner writes, the next `replicas` successors on other hosts keep copies, and
//! all of them compare what they have.
//!
//! A write is acknowledged when every live replica has it. Comparing works on digests: of an arc at
//! first, then of ever smaller slices of it, until the versions fit into a datagram; the newer
//! version goes whichever way it has to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::addr::Peer;
use crate::id::Id;
use crate::message::{Bytes, Cause, Item, Reply, Request, Slice, Version};
use crate::output::{Caller, Cx};

use super::serve::Outcome;
use super::store::{Kept, Place};
use super::{Ask, Node, Phase, Purpose, Task, Why};

const MAX_WRITES: usize = 4096;
/// Entries whose versions fit into one datagram.
const MAX_ENTRIES: usize = 20;
/// Bits by which a slice is split.
const SPLIT_BITS: u8 = 4;
/// Entries given back to their owner in one round.
const MAX_RELOCATED: usize = 64;
/// Intervals after which an entry that no owner has asked about is out of place.
const STALE_INTERVALS: u32 = 12;
/// How far a version may be ahead of the clock here: a forged one must not bar all later writes.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The reason that a write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// An operation that this node sees through.
    Operation(u64),
    /// A node that sees one through.
    Caller(Caller),
}

#[derive(Debug)]
struct Write {
    waiting: Waiting,
    copies_left: usize,
}

/// Writes whose copies are on their way.
#[derive(Debug, Default)]
pub(super) struct Writes {
    writes: BTreeMap<u64, Write>,
    next: u64,
    /// The last ones that are done: a request that arrives twice, the second time late, must not
    /// write over what came in between.
    done: VecDeque<(Caller, Option<Cause>)>,
}

/// Writes whose repetition is known.
const MAX_DONE: usize = 512;

impl Writes {
    fn is_waiting(&self, caller: &Caller) -> bool {
        let waiting = Waiting::Caller(*caller);
        self.writes.values().any(|write| write.waiting == waiting)
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }
}

impl Node {
    /// Another node has a client's value for a key that we own.
    pub(super) fn store_asked(
        &mut self,
        caller: Caller,
        key: Arc<str>,
        value: Bytes,
        cx: &mut Cx<'_>,
    ) {
        let done = self.writes.done.iter().find(|(known, _)| *known == caller);
        if let Some((_, refusal)) = done {
            let refusal = *refusal;
            cx.reply(&caller, refusal.map_or(Reply::Done, Reply::Refused));
        } else if self.writes.is_waiting(&caller) {
            // The reply comes with the first.
        } else if self.is_owner(self.config.space.hash(&key), true) {
            self.write(key, value, Waiting::Caller(caller), cx);
        } else {
            // A newcomer has taken over since the caller asked: it would not know of the value.
            cx.reply(&caller, Reply::Refused(Cause::NotMember));
        }
    }

    /// Writes a value as the owner, and has it copied.
    pub(super) fn write(&mut self, key: Arc<str>, value: Bytes, waiting: Waiting, cx: &mut Cx<'_>) {
        let place = self.store.place(&key);
        let version = self.next_version(&place, cx);
        let item = Item {
            key,
            value,
            version,
        };
        if self.writes.len() >= MAX_WRITES || self.store.keep(item.clone(), cx.now) == Kept::Full {
            self.write_done(waiting, Some(Cause::Full), cx);
            return;
        }
        let replicas = self.replicas();
        if replicas.is_empty() {
            self.write_done(waiting, None, cx);
            return;
        }
        self.writes.next += 1;
        let id = self.writes.next;
        let write = Write {
            waiting,
            copies_left: replicas.len(),
        };
        self.writes.writes.insert(id, write);
        for replica in replicas {
            let copy = Ask::Own(Request::Copy(item.clone()));
            self.call(&replica, copy, Purpose::Copy(id), cx);
        }
    }

    fn next_version(&self, place: &Place, cx: &Cx<'_>) -> Version {
        let known = self.store.version(place).map_or(0, |v| v.time_ms + 1);
        let tie = self.me.id.as_f64().to_bits();
        Version {
            time_ms: known.max(self.wall_ms(cx.now)),
            tie: (tie ^ tie >> 32) as u32,
        }
    }

    /// A replica has its copy, or is lost.
    pub(super) fn copy_done(&mut self, id: u64, cx: &mut Cx<'_>) {
        let Some(write) = self.writes.writes.get_mut(&id) else {
            return;
        };
        write.copies_left -= 1;
        if write.copies_left == 0 {
            let waiting = write.waiting;
            self.writes.writes.remove(&id);
            self.write_done(waiting, None, cx);
        }
    }

    fn write_done(&mut self, waiting: Waiting, refusal: Option<Cause>, cx: &mut Cx<'_>) {
        if let Waiting::Caller(caller) = waiting {
            if self.writes.done.len() >= MAX_DONE {
                self.writes.done.pop_front();
            }
            self.writes.done.push_back((caller, refusal));
        }
        match (waiting, refusal) {
            (Waiting::Operation(id), None) => self.finish(id, Outcome::Stored, cx),
            (Waiting::Operation(id), Some(cause)) => self.finish(id, Outcome::Refused(cause), cx),
            (Waiting::Caller(caller), None) => cx.reply(&caller, Reply::Done),
            (Waiting::Caller(caller), Some(cause)) => cx.reply(&caller, Reply::Refused(cause)),
        }
    }

    /// The successors that keep copies of our keys: on other hosts, each on its own, and none of
    /// them plain.
    pub(super) fn replicas(&self) -> Vec<Peer> {
        let mut found: Vec<Peer> = Vec::new();
        for peer in self.links.successors() {
            let is_new = peer.addr != self.me.addr && found.iter().all(|f| f.addr != peer.addr);
            if is_new && !self.peers.is_plain(peer) && !self.peers.is_lost(peer) {
                found.push(peer.clone());
            }
            if found.len() == self.config.replicas {
                break;
            }
        }
        found
    }

    /// A copy is sent to us.
    pub(super) fn copy_asked(&mut self, item: Item, cx: &Cx<'_>) -> Reply {
        if item.version.time_ms > self.wall_ms(cx.now) + MAX_AHEAD.as_millis() as u64
            || item.key.len() + item.value.len() > self.config.codec.max_item()
            || item.key.len() > super::store::MAX_KEY_BYTES
        {
            return Reply::Refused(Cause::Forbidden);
        }
        match self.store.keep(item, cx.now) {
            Kept::New | Kept::Known => Reply::Done,
            Kept::Full => Reply::Refused(Cause::Full),
        }
    }

    /// Compares our arc with those that have copies of it: every other round, and after changes.
    pub(super) fn sync_replicas(&mut self, cx: &mut Cx<'_>) {
        let is_due = self.rounds.count.is_multiple_of(2) || self.rounds.sync_now;
        let Some(begin) = self.links.arc_begin() else {
            return;
        };
        if !is_due || self.links.predecessor().is_none() || self.links.is_alone() {
            return;
        }
        self.rounds.sync_now = false;
        self.sync.compares_all();
        let slice = whole(begin, self.me.id);
        for to in self.replicas() {
            let task = Task::Compare { to, slice };
            if !self
                .calls
                .any(|call| call.purpose == Purpose::Sync(task.clone()))
            {
                self.sync.add(task);
            }
        }
        self.pump(cx);
    }

    /// A part of our arc has a new owner, our predecessor.
    pub(super) fn hand_over(&mut self, begin: Id, to: &Peer, cx: &mut Cx<'_>) {
        if self.peers.is_plain(to) {
            let places: Vec<Place> = self.places(begin, to.id);
            for place in places {
                self.sync.add(Task::Put {
                    to: to.clone(),
                    place,
                });
            }
        } else {
            self.sync.add(Task::Compare {
                to: to.clone(),
                slice: whole(begin, to.id),
            });
        }
        self.pump(cx);
    }

    pub(super) fn places(&self, begin: Id, end: Id) -> Vec<Place> {
        let entries = self.store.arc(begin, end);
        entries.map(|(place, _)| place.clone()).collect()
    }

    /// Starts tasks while there is room for them.
    pub(super) fn pump(&mut self, cx: &mut Cx<'_>) {
        while let Some(task) = self.sync.next() {
            let (to, ask) = match &task {
                Task::Compare { to, slice } => {
                    let (count, digest) = self.store.digest(*slice);
                    let request = Request::Compare {
                        slice: *slice,
                        count,
                        digest,
                    };
                    (to.clone(), Ask::Own(request))
                }
                Task::Push { to, place, .. } => match self.store.item(place) {
                    Some(item) => (to.clone(), Ask::Own(Request::Copy(item))),
                    None => continue,
                },
                Task::Pull { to, slice, tag } => {
                    let request = Request::Pull {
                        slice: *slice,
                        tag: *tag,
                    };
                    (to.clone(), Ask::Own(request))
                }
                Task::Put { to, place } => match self.store.get(place) {
                    Some(entry) => {
                        let ask = Ask::Put(place.1.clone(), entry.value.clone());
                        (to.clone(), ask)
                    }
                    None => continue,
                },
            };
            self.sync.started();
            self.call(&to, ask, Purpose::Sync(task), cx);
        }
    }

    /// An owner compares a slice with what we have.
    pub(super) fn compare_asked(
        &mut self,
        slice: Slice,
        count: u32,
        digest: u64,
        cx: &Cx<'_>,
    ) -> Reply {
        self.store.want(slice, cx.now);
        let ours = self.store.digest(slice);
        if ours == (count, digest) {
            return Reply::Same;
        }
        let is_small = ours.0.max(count) as usize <= MAX_ENTRIES || slice.bits >= 60;
        if !is_small {
            return Reply::Split;
        }
        let mut versions = self.store.versions(slice);
        versions.truncate(MAX_ENTRIES);
        Reply::Entries(versions)
    }

    /// A replica's answer to a task.
    pub(super) fn sync_told(&mut self, task: Task, reply: Reply, cx: &mut Cx<'_>) {
        self.sync.done();
        match (task, reply) {
            (Task::Compare { to, slice }, Reply::Split) if slice.bits < 60 => {
                let step = 1_u64 << (64 - SPLIT_BITS - slice.bits);
                for nth in 0..1 << SPLIT_BITS {
                    let slice = Slice {
                        prefix: slice.prefix | (nth * step),
                        bits: slice.bits + SPLIT_BITS,
                        ..slice
                    };
                    let to = to.clone();
                    self.sync.add(Task::Compare { to, slice });
                }
            }
            (Task::Compare { to, slice }, Reply::Entries(theirs)) => {
                self.even_out(&to, slice, &theirs);
            }
            (Task::Pull { .. }, Reply::Found(item)) => {
                self.copy_asked(item, cx);
            }
            (
                Task::Push {
                    place,
                    then_drop: true,
                    ..
                },
                Reply::Done,
            ) => {
                let is_stale = self
                    .store
                    .get(&place)
                    .is_some_and(|entry| cx.now.since(entry.wanted) > self.stale_after());
                if is_stale && !self.links.owns(place.0) {
                    self.store.remove(&place);
                }
            }
            (Task::Push { .. }, Reply::Refused(_)) => self.sync.unsent += 1,
            _ => {}
        }
    }

    /// Pushes what the other end lacks of a slice, and pulls what we lack.
    fn even_out(&mut self, to: &Peer, slice: Slice, theirs: &[(u64, Version)]) {
        let theirs: BTreeMap<u64, Version> = theirs.iter().copied().collect();
        let ours: BTreeMap<u64, Version> = self.store.versions(slice).into_iter().collect();
        for (tag, version) in &ours {
            if theirs.get(tag).is_none_or(|known| known < version)
                && let Some(place) = self.store.by_tag(slice, *tag)
            {
                self.sync.add(Task::Push {
                    to: to.clone(),
                    place,
                    then_drop: false,
                });
            }
        }
        for (tag, version) in theirs {
            if ours.get(&tag).is_none_or(|known| *known < version) {
                let to = to.clone();
                self.sync.add(Task::Pull { to, slice, tag });
            }
        }
    }

    /// A peer wants an entry.
    pub(super) fn pull_asked(&self, slice: Slice, tag: u64) -> Reply {
        let place = self.store.by_tag(slice, tag);
        let item = place.and_then(|place| self.store.item(&place));
        item.map_or(Reply::Missing, Reply::Found)
    }

    fn stale_after(&self) -> Duration {
        self.interval() * STALE_INTERVALS
    }

    /// Gives entries that no owner cares for to the one that should.
    pub(super) fn relocate_stale(&mut self, cx: &mut Cx<'_>) {
        if self.links.is_alone() || self.phase != Phase::Member {
            return;
        }
        let Some(begin) = self.links.arc_begin() else {
            return;
        };
        if self.lookups.any(|why| matches!(why, Why::Relocate(_))) {
            return;
        }
        let after = self.stale_after();
        let foreign = self.store.arc(self.me.id, begin);
        let stale = foreign.filter(|(_, entry)| cx.now.since(entry.wanted) > after);
        let places: Vec<Place> = stale
            .take(MAX_RELOCATED)
            .map(|(place, _)| place.clone())
            .collect();
        for place in places {
            self.start_lookup(place.0, Why::Relocate(place), Vec::new(), cx);
        }
    }

    /// The owner of an entry that is out of place.
    pub(super) fn relocate_to(&mut self, place: &Place, owner: Option<Peer>, cx: &mut Cx<'_>) {
        let Some(owner) = owner.filter(|owner| *owner != self.me) else {
            return;
        };
        if self.peers.is_plain(&owner) {
            // It would take an old value for a new one; the copy stays, in case the peer dies.
            let slice = whole_key(place.0, self.config.space);
            self.store.want(slice, cx.now);
            return;
        }
        self.sync.add(Task::Push {
            to: owner,
            place: place.clone(),
            then_drop: true,
        });
    }
}

const fn whole(begin: Id, end: Id) -> Slice {
    Slice {
        begin,
        end,
        prefix: 0,
        bits: 0,
    }
}

/// The slice of one id.
fn whole_key(id: Id, space: crate::id::Space) -> Slice {
    whole(space.before(id), id)
}
