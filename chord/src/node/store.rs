//! Keys and values: those that this node owns, and copies of others'.
//!
//! Owning is a question of the links, not of the entry: an entry is owned while its id is on the
//! node's arc. Of two versions of a key the newer is kept. Bounded in keys and bytes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use crate::id::{Id, Space};
use crate::message::{Bytes, Item, Slice, Version};
use crate::time::Timestamp;

/// The place of an entry: ids first, so that an arc is a range.
pub(crate) type Place = (Id, Arc<str>);

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) value: Bytes,
    pub(crate) version: Version,
    /// Names the key in few bytes when two nodes compare what they have.
    tag: u64,
    /// When an owner last asked about the slice it is in.
    pub(crate) wanted: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Store {
    space: Space,
    entries: BTreeMap<Place, Entry>,
    bytes: usize,
    max_keys: usize,
    max_bytes: usize,
}

/// Whether an item was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    New,
    /// There was this version or a newer one.
    Known,
    Full,
}

impl Store {
    pub(crate) const fn new(space: Space, max_keys: usize, max_bytes: usize) -> Self {
        Self {
            space,
            entries: BTreeMap::new(),
            bytes: 0,
            max_keys,
            max_bytes,
        }
    }

    pub(crate) fn place(&self, key: &Arc<str>) -> Place {
        (self.space.hash(key), key.clone())
    }

    pub(crate) fn get(&self, place: &Place) -> Option<&Entry> {
        self.entries.get(place)
    }

    pub(crate) fn item(&self, place: &Place) -> Option<Item> {
        self.entries.get(place).map(|entry| Item {
            key: place.1.clone(),
            value: entry.value.clone(),
            version: entry.version,
        })
    }

    /// Keeps an item unless there is this version or a newer one.
    pub(crate) fn keep(&mut self, item: Item, now: Timestamp) -> Kept {
        let place = self.place(&item.key);
        let old = self.entries.get(&place);
        if old.is_some_and(|old| old.version >= item.version) {
            return Kept::Known;
        }
        let old_bytes = old.map_or(0, |old| item.key.len() + old.value.len());
        let bytes = self.bytes - old_bytes + item.key.len() + item.value.len();
        let keys = self.entries.len() + usize::from(old.is_none());
        if keys > self.max_keys || bytes > self.max_bytes {
            return Kept::Full;
        }
        self.bytes = bytes;
        let tag = old.map_or_else(|| tag(&item.key), |old| old.tag);
        let entry = Entry {
            value: item.value,
            version: item.version,
            tag,
            wanted: now,
        };
        self.entries.insert(place, entry);
        Kept::New
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        if let Some(entry) = self.entries.remove(place) {
            self.bytes -= place.1.len() + entry.value.len();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Entries with an id in (begin, end], going round.
    pub(crate) fn arc(&self, begin: Id, end: Id) -> impl Iterator<Item = (&Place, &Entry)> {
        let after = |id: Id| Bound::Excluded((id, last_key()));
        let upto = |id: Id| Bound::Included((id, last_key()));
        let (first, second) = if begin < end {
            ((after(begin), upto(end)), None)
        } else {
            (
                (after(begin), Bound::Unbounded),
                Some((Bound::Unbounded, upto(end))),
            )
        };
        let second = second.map(|range| self.entries.range(range));
        self.entries
            .range(first)
            .chain(second.into_iter().flatten())
    }

    /// Entries of a slice.
    pub(crate) fn slice(&self, slice: Slice) -> impl Iterator<Item = (&Place, &Entry)> {
        self.arc(slice.begin, slice.end)
            .filter(move |(_, entry)| is_in(entry.tag, slice))
    }

    /// Number and digest of the entries of a slice.
    pub(crate) fn digest(&self, slice: Slice) -> (u32, u64) {
        self.slice(slice)
            .fold((0, 0), |(count, digest), (_, entry)| {
                (
                    count + 1,
                    digest.wrapping_add(mix(entry.tag, entry.version)),
                )
            })
    }

    /// Tags and versions of the entries of a slice.
    pub(crate) fn versions(&self, slice: Slice) -> Vec<(u64, Version)> {
        self.slice(slice)
            .map(|(_, entry)| (entry.tag, entry.version))
            .collect()
    }

    /// The place of the entry of a slice that has this tag.
    pub(crate) fn by_tag(&self, slice: Slice, tag: u64) -> Option<Place> {
        self.slice(slice)
            .find(|(_, entry)| entry.tag == tag)
            .map(|(place, _)| place.clone())
    }

    /// Notes that an owner cares for a slice.
    pub(crate) fn want(&mut self, slice: Slice, now: Timestamp) {
        let places: Vec<Place> = self.slice(slice).map(|(place, _)| place.clone()).collect();
        for place in places {
            if let Some(entry) = self.entries.get_mut(&place) {
                entry.wanted = now;
            }
        }
    }

    /// The newest version there is.
    pub(crate) fn version(&self, place: &Place) -> Option<Version> {
        self.entries.get(place).map(|entry| entry.version)
    }
}

/// A key that sorts after all that can be stored: U+10FFFF repeated would, but no key has this.
fn last_key() -> Arc<str> {
    static LAST: std::sync::OnceLock<Arc<str>> = std::sync::OnceLock::new();
    LAST.get_or_init(|| "\u{10FFFF}".repeat(MAX_KEY_BYTES / 4 + 1).into())
        .clone()
}

/// Bytes of a key at most.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

fn tag(key: &str) -> u64 {
    let digest: [u8; 20] = Sha1::digest(key.as_bytes()).into();
    digest
        .iter()
        .take(8)
        .fold(0, |tag, byte| tag << 8 | u64::from(*byte))
}

const fn is_in(tag: u64, slice: Slice) -> bool {
    match slice.bits {
        0 => true,
        bits if bits >= 64 => tag == slice.prefix,
        bits => (tag ^ slice.prefix) >> (64 - bits) == 0,
    }
}

/// A hash of tag and version whose sum over a set is its digest (SplitMix64's finalizer).
const fn mix(tag: u64, version: Version) -> u64 {
    let mut mixed = tag ^ version.time_ms.rotate_left(17) ^ (version.tie as u64).rotate_left(43);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, time_ms: u64, len: usize) -> Item {
        Item {
            key: key.into(),
            value: vec![0; len].into(),
            version: Version { time_ms, tie: 0 },
        }
    }

    #[test]
    fn the_newest_version_is_kept() {
        let mut store = Store::new(Space::COURSE, 10, 1000);
        let now = Timestamp::ZERO;
        assert_eq!(store.keep(item("A", 2, 3), now), Kept::New);
        assert_eq!(store.keep(item("A", 1, 9), now), Kept::Known);
        assert_eq!(store.keep(item("A", 3, 5), now), Kept::New);
        assert_eq!((store.len(), store.bytes()), (1, 6));
        let place = store.place(&"A".into());
        assert_eq!(place.0, Id::new(716));
        store.remove(&place);
        assert_eq!((store.len(), store.bytes()), (0, 0));
    }

    #[test]
    fn keys_and_bytes_are_limited() {
        let mut store = Store::new(Space::COURSE, 2, 20);
        let now = Timestamp::ZERO;
        assert_eq!(store.keep(item("a", 1, 9), now), Kept::New);
        assert_eq!(store.keep(item("b", 1, 10), now), Kept::Full);
        assert_eq!(store.keep(item("b", 1, 9), now), Kept::New);
        assert_eq!(store.keep(item("c", 1, 0), now), Kept::Full);
        assert_eq!(store.keep(item("b", 2, 0), now), Kept::New);
        assert_eq!(store.keep(item("a", 2, 18), now), Kept::New);
    }

    #[test]
    fn arcs_go_round_and_slices_split_by_tag() {
        let mut store = Store::new(Space::COURSE, 1000, 100_000);
        for nth in 0..500 {
            store.keep(item(&nth.to_string(), 1, 1), Timestamp::ZERO);
        }
        let whole = store.arc(Id::new(5), Id::new(5)).count();
        let part = store.arc(Id::new(5), Id::new(700)).count();
        let rest = store.arc(Id::new(700), Id::new(5)).count();
        assert_eq!((whole, part + rest), (500, 500));
        assert!(part > 100 && rest > 100);
        let slice = |prefix, bits| Slice {
            begin: Id::ZERO,
            end: Id::ZERO,
            prefix,
            bits,
        };
        let (count, digest) = store.digest(slice(0, 0));
        let parts = (0..16_u64).map(|nth| store.digest(slice(nth << 60, 4)));
        let sum = parts.fold((0, 0_u64), |(c, d), (count, digest)| {
            (c + count, d.wrapping_add(digest))
        });
        assert_eq!((count, digest), sum);
    }
}
