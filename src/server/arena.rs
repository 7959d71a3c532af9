//! Slots with generations.
//!
//! An [`Id`] names what was put in, not the place: when the place has a new tenant, the old id
//! finds nothing. So an event or a timer that comes late cannot hit a successor.

use slab::Slab;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// Generations wrap around after this many insertions.
const GENERATION_BITS: u32 = 29;

/// Names an entry of an [`Arena`]. `Tag` keeps the ids of different arenas apart.
pub struct Id<Tag> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> Tag>,
}

/// Tags the ids of client connections.
#[derive(Debug)]
pub enum OfClient {}
/// Tags the ids of connections to backends.
#[derive(Debug)]
pub enum OfLink {}
/// Tags the ids of exchanges.
#[derive(Debug)]
pub enum OfExchange {}
/// Tags the ids of those who check backends.
#[derive(Debug)]
pub enum OfProber {}

/// Tags the ids of connections that bring heartbeats.
#[derive(Debug)]
pub enum OfFeed {}

/// Names a client connection.
pub type ClientId = Id<OfClient>;
/// Names a connection to a backend.
pub type LinkId = Id<OfLink>;
/// Names an exchange.
pub type ExchangeId = Id<OfExchange>;
/// Names who checks a backend.
pub type ProberId = Id<OfProber>;
/// Names a connection that brings heartbeats.
pub type FeedId = Id<OfFeed>;

impl<Tag> Id<Tag> {
    /// Packs the id into 61 bits.
    pub(crate) fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// Unpacks what [`to_bits`](Self::to_bits) packed.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            index: (bits & u64::from(u32::MAX)) as u32,
            generation: (bits >> 32) as u32 & mask(),
            of: PhantomData,
        }
    }
}

impl<Tag> Clone for Id<Tag> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Tag> Copy for Id<Tag> {}
impl<Tag> PartialEq for Id<Tag> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<Tag> Eq for Id<Tag> {}
impl<Tag> Hash for Id<Tag> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}
impl<Tag> fmt::Debug for Id<Tag> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

const fn mask() -> u32 {
    (1 << GENERATION_BITS) - 1
}

/// Entries that stay where they are for their whole life.
#[derive(Debug)]
pub(crate) struct Arena<Tag, T> {
    slots: Slab<(u32, T)>,
    generation: u32,
    of: PhantomData<fn() -> Tag>,
}

impl<Tag, T> Arena<Tag, T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slab::new(),
            generation: 0,
            of: PhantomData,
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Id<Tag> {
        self.generation = self.generation.wrapping_add(1) & mask();
        let index = self.slots.insert((self.generation, value));
        Id {
            index: index as u32,
            generation: self.generation,
            of: PhantomData,
        }
    }

    pub(crate) fn get(&self, id: Id<Tag>) -> Option<&T> {
        match self.slots.get(id.index as usize) {
            Some((generation, value)) if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: Id<Tag>) -> Option<&mut T> {
        match self.slots.get_mut(id.index as usize) {
            Some((generation, value)) if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, id: Id<Tag>) -> Option<T> {
        self.get(id)?;
        self.slots
            .try_remove(id.index as usize)
            .map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All ids, in slot order, as of now.
    pub(crate) fn ids(&self) -> Vec<Id<Tag>> {
        let entries = self.slots.iter();
        let ids = entries.map(|(index, (generation, _))| Id {
            index: index as u32,
            generation: *generation,
            of: PhantomData,
        });
        ids.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_does_not_find_the_successor() {
        let mut arena = Arena::<OfClient, _>::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
    }

    #[test]
    fn an_id_survives_packing() {
        let mut arena = Arena::<OfClient, _>::new();
        arena.insert(1);
        let id = arena.insert(2);
        assert_eq!(Id::from_bits(id.to_bits()), id);
        assert!(id.to_bits() < 1 << 61);
    }
}
