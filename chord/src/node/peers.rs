//! The peers that this node has dealt with: which speak our own messages, which are alive.
//!
//! No address becomes a link before it has answered; this table knows whether it has. Bounded:
//! beyond [`MAX_PEERS`] the one that was silent longest is forgotten.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::addr::{Names, Peer};
use crate::time::Timestamp;

const MAX_PEERS: usize = 512;
/// A peer that was heard of within this time needs no other sign that it is alive.
const FRESH: Duration = Duration::from_secs(5);
/// Lost peers are asked now and then, in case a partition heals, for so long.
const REMEMBER_LOST: Duration = Duration::from_secs(3600);

/// Which messages a peer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unknown,
    /// Those of the course only.
    Plain,
    /// Our own as well.
    Extended,
}

#[derive(Debug)]
struct Known {
    kind: Kind,
    heard: Option<Timestamp>,
    lost: Option<Timestamp>,
    /// Pings that were not answered although PREDECESSOR was.
    silent_pings: u8,
}

/// Pings after whose loss a peer that answers PREDECESSOR is hardly ever pinged.
const MAX_SILENT: u8 = 4;

#[derive(Debug)]
pub(crate) struct Peers {
    known: BTreeMap<Peer, Known>,
    /// The kind of a peer that has not been heard of.
    default_kind: Kind,
}

impl Peers {
    pub(crate) const fn new(default_kind: Kind) -> Self {
        Self {
            known: BTreeMap::new(),
            default_kind,
        }
    }

    pub(crate) fn kind(&self, peer: &Peer) -> Kind {
        self.known.get(peer).map_or(self.default_kind, |k| k.kind)
    }

    pub(crate) fn is_plain(&self, peer: &Peer) -> bool {
        self.kind(peer) == Kind::Plain
    }

    /// Whether a peer is to be pinged along with PREDECESSOR, to find out what it knows.
    pub(crate) fn is_pingable(&self, peer: &Peer) -> bool {
        self.known
            .get(peer)
            .is_none_or(|k| k.kind != Kind::Plain || k.silent_pings < MAX_SILENT)
    }

    /// The peer has answered a request of ours; one of our own, if it `is_extended`. True if it had
    /// been lost.
    pub(crate) fn heard(&mut self, peer: &Peer, is_extended: bool, now: Timestamp) -> bool {
        let known = self.entry(peer);
        known.heard = Some(now);
        if is_extended {
            known.kind = Kind::Extended;
            known.silent_pings = 0;
        }
        known.lost.take().is_some()
    }

    /// The peer has answered PREDECESSOR, but no ping that was sent along.
    pub(crate) fn was_silent(&mut self, peer: &Peer) {
        let known = self.entry(peer);
        known.silent_pings = known.silent_pings.saturating_add(1);
        // Silence of one that has answered before is loss.
        if known.kind == Kind::Unknown {
            known.kind = Kind::Plain;
        }
    }

    /// Another node says which messages this peer knows.
    pub(crate) fn told(&mut self, peer: &Peer, is_plain: bool) {
        let known = self.entry(peer);
        if known.heard.is_none() {
            known.kind = if is_plain {
                Kind::Plain
            } else {
                Kind::Extended
            };
        }
    }

    fn entry(&mut self, peer: &Peer) -> &mut Known {
        if !self.known.contains_key(peer) {
            self.make_room();
        }
        let kind = self.default_kind;
        self.known.entry(peer.clone()).or_insert(Known {
            kind,
            heard: None,
            lost: None,
            silent_pings: 0,
        })
    }

    /// The peer has not answered twice. True if it was not known as lost before.
    pub(crate) fn lost(&mut self, peer: &Peer, now: Timestamp) -> bool {
        match self.known.get_mut(peer) {
            // What has never answered is not worth remembering.
            None => false,
            Some(known) => {
                // It may come back as another program.
                known.kind = self.default_kind;
                known.silent_pings = 0;
                let is_news = known.lost.is_none();
                known.lost.get_or_insert(now);
                is_news
            }
        }
    }

    pub(crate) fn is_lost(&self, peer: &Peer) -> bool {
        self.known.get(peer).is_some_and(|k| k.lost.is_some())
    }

    pub(crate) fn is_fresh(&self, peer: &Peer, now: Timestamp) -> bool {
        self.known.get(peer).is_some_and(|known| {
            known.lost.is_none() && known.heard.is_some_and(|at| now.since(at) < FRESH)
        })
    }

    /// Whether an address is that of a peer that has answered a request of ours.
    pub(crate) fn has_answered(&self, source: SocketAddr, names: &Names) -> bool {
        let mut known = self.known.iter();
        known.any(|(peer, known)| known.heard.is_some() && names.is_from(&peer.addr, source))
    }

    pub(crate) fn forget(&mut self, peer: &Peer) {
        self.known.remove(peer);
    }

    /// One of the lost peers, in turn; those lost too long ago are forgotten.
    pub(crate) fn lost_in_turn(&mut self, turn: usize, now: Timestamp) -> Option<Peer> {
        self.known
            .retain(|_, k| k.lost.is_none_or(|at| now.since(at) < REMEMBER_LOST));
        let lost: Vec<&Peer> = self
            .known
            .iter()
            .filter(|(_, known)| known.lost.is_some())
            .map(|(peer, _)| peer)
            .collect();
        let nth = turn.checked_rem(lost.len())?;
        lost.get(nth).map(|peer| (*peer).clone())
    }

    /// One of the peers that have answered and are not lost, in turn.
    pub(crate) fn heard_in_turn(&self, turn: usize) -> Option<Peer> {
        let is_heard = |known: &Known| known.heard.is_some() && known.lost.is_none();
        let heard = self.known.iter().filter(|(_, known)| is_heard(known));
        let heard: Vec<&Peer> = heard.map(|(peer, _)| peer).collect();
        let nth = turn.checked_rem(heard.len())?;
        heard.get(nth).map(|peer| (*peer).clone())
    }

    fn make_room(&mut self) {
        if self.known.len() < MAX_PEERS {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.heard);
        if let Some(peer) = oldest.map(|(peer, _)| peer.clone()) {
            self.known.remove(&peer);
        }
    }
}
