//! What a node tells of itself: to clients by message, and to its own process by [`Snapshot`].

use std::sync::Arc;

use crate::addr::Peer;
use crate::id::Id;
use crate::message::{Part, Phase, Reply, Summary};
use crate::output::Traffic;

use super::Node;

/// Bytes of a reply that a list may take up.
const LIST_BYTES: usize = 800;

/// Operations that passed a node: at its own clients' wish or at another node's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) puts: u64,
    pub(super) gets: u64,
}

/// The state of a node, as of one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The node.
    pub me: Peer,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its predecessor: itself if it is alone, none if it does not know.
    pub predecessor: Option<Peer>,
    /// Its successor list; empty if it is alone.
    pub successors: Vec<Peer>,
    /// Its fingers, the successor first; none where not known, or itself.
    pub fingers: Vec<Option<Peer>>,
    /// Keys that it owns, with their values and versions.
    pub owned: Vec<(Arc<str>, crate::message::Bytes, crate::message::Version)>,
    /// Keys of others that it has copies of, with their versions.
    pub copies: Vec<(Arc<str>, crate::message::Version)>,
    /// Calls, lookups, operations, writes and tasks in progress.
    pub in_progress: usize,
    /// PUTs and GETs that passed it.
    pub puts_gets: (u64, u64),
}

impl Node {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut owned = Vec::new();
        let mut copies = Vec::new();
        for ((id, key), entry) in self.store.arc(Id::ZERO, Id::ZERO) {
            if self.links.owns(*id) {
                owned.push((key.clone(), entry.value.clone(), entry.version));
            } else {
                copies.push((key.clone(), entry.version));
            }
        }
        let fingers = 0..self.links.finger_count();
        Snapshot {
            me: self.me.clone(),
            phase: self.phase,
            predecessor: self.links.predecessor().cloned(),
            successors: self.links.successors().to_vec(),
            fingers: fingers.map(|nth| self.links.finger(nth).cloned()).collect(),
            owned,
            copies,
            in_progress: self.calls.len()
                + self.lookups.len()
                + self.operations.len()
                + self.writes.len()
                + self.sync.len(),
            puts_gets: (self.counters.puts, self.counters.gets),
        }
    }

    pub(super) fn state_asked(&self, part: Part, offset: u32, traffic: &Traffic) -> Reply {
        let offset = offset as usize;
        match part {
            Part::Summary => Reply::Summary(Box::new(self.summary(traffic))),
            Part::Fingers => {
                let runs = self.finger_runs();
                let rest = runs.into_iter().skip(offset);
                let (page, is_last) = page(rest, |(_, _, peer)| 40 + peer.addr.host().len());
                Reply::Fingers(page, is_last)
            }
            Part::Keys => {
                let all = self.store.arc(Id::ZERO, Id::ZERO);
                let owned = all.filter(|((id, _), _)| self.links.owns(*id));
                let keys = owned.map(|((id, key), e)| (*id, key.clone(), e.value.len() as u32));
                let (page, is_last) = page(keys.skip(offset), |(_, key, _)| 32 + key.len());
                Reply::Keys(page, is_last)
            }
        }
    }

    fn summary(&self, traffic: &Traffic) -> Summary {
        let all = self.store.arc(Id::ZERO, Id::ZERO);
        let owned = all.filter(|((id, _), _)| self.links.owns(*id)).count();
        Summary {
            me: self.me.clone(),
            phase: self.phase,
            predecessor: self.links.predecessor().map(|peer| self.hop(peer)),
            successors: self
                .links
                .successors()
                .iter()
                .map(|p| self.hop(p))
                .collect(),
            owned: owned as u32,
            copies: (self.store.len() - owned) as u32,
            stored_bytes: self.store.bytes() as u64,
            received: traffic.received,
            sent: traffic.sent,
            rejected: traffic.rejected,
            puts: self.counters.puts,
            gets: self.counters.gets,
        }
    }

    /// Runs of fingers that point to the same peer, counted from 1 as in the paper.
    fn finger_runs(&self) -> Vec<(u8, u8, Peer)> {
        let mut runs: Vec<(u8, u8, Peer)> = Vec::new();
        for nth in 0..self.links.finger_count() {
            let peer = self.links.finger(nth).unwrap_or(&self.me);
            let number = u8::try_from(nth + 1).unwrap_or(u8::MAX);
            match runs.last_mut() {
                Some((_, last, known)) if known == peer => *last = number,
                _ => runs.push((number, number, peer.clone())),
            }
        }
        runs
    }
}

/// As many of a list as fit into a reply, and whether these are all.
fn page<T>(list: impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> (Vec<T>, bool) {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in list {
        bytes += size(&item);
        if bytes > LIST_BYTES && !page.is_empty() {
            return (page, false);
        }
        page.push(item);
    }
    (page, true)
}
