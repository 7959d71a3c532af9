//! Slots with generations.
//!
//! An [`Id`] names what was put in, not the place: when the place has a new tenant, the old id
//! finds nothing. So an event or a timer that comes late cannot hit a successor.

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

/// Names a client connection.
pub type ClientId = Id<OfClient>;
/// Names a connection to a backend.
pub type LinkId = Id<OfLink>;
/// Names an exchange.
pub type ExchangeId = Id<OfExchange>;
/// Names who checks a backend.
pub type ProberId = Id<OfProber>;

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
///
/// Like a slab, but that an entry may be dropped where it is: an exchange is large, and moving it
/// out in order to drop it would cost more than serving it from the pool.
#[derive(Debug)]
pub(crate) struct Arena<Tag, T> {
    slots: Vec<Slot<T>>,
    /// The vacant slots; the one used last is used next.
    vacant: Vec<u32>,
    generation: u32,
    of: PhantomData<fn() -> Tag>,
}

#[derive(Debug)]
struct Slot<T> {
    /// Of the tenant, or of the last one.
    generation: u32,
    tenant: Option<T>,
}

impl<Tag, T> Arena<Tag, T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            generation: 0,
            of: PhantomData,
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Id<Tag> {
        self.generation = self.generation.wrapping_add(1) & mask();
        let generation = self.generation;
        let vacant = self.vacant.pop();
        let index = vacant.unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                slot.generation = generation;
                slot.tenant = Some(value);
            }
            None => self.slots.push(Slot {
                generation,
                tenant: Some(value),
            }),
        }
        Id {
            index,
            generation,
            of: PhantomData,
        }
    }

    pub(crate) fn get(&self, id: Id<Tag>) -> Option<&T> {
        let slot = self.slots.get(id.index as usize)?;
        slot.tenant
            .as_ref()
            .filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: Id<Tag>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.tenant
            .as_mut()
            .filter(|_| slot.generation == id.generation)
    }

    /// Drops an entry. Returns whether there was one.
    pub(crate) fn remove(&mut self, id: Id<Tag>) -> bool {
        let slot = self.slots.get_mut(id.index as usize);
        let Some(slot) = slot.filter(|slot| slot.generation == id.generation) else {
            return false;
        };
        if slot.tenant.is_none() {
            return false;
        }
        slot.tenant = None;
        self.vacant.push(id.index);
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// All ids, in slot order, as of now.
    pub(crate) fn ids(&self) -> Vec<Id<Tag>> {
        let slots = (0..).zip(&self.slots);
        let taken = slots.filter(|(_, slot)| slot.tenant.is_some());
        let ids = taken.map(|(index, slot)| Id {
            index,
            generation: slot.generation,
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
        assert!(arena.remove(first));
        let second = arena.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(arena.get(first), None);
        assert!(!arena.remove(first));
        assert_eq!(arena.get(second), Some(&"second"));
    }

    #[test]
    fn slots_are_used_again_and_counted() {
        let mut arena = Arena::<OfClient, _>::new();
        let ids = [(); 3].map(|()| arena.insert(()));
        assert!(arena.remove(ids[1]) && !arena.remove(ids[1]));
        assert_eq!((arena.len(), arena.ids().len()), (2, 2));
        assert_eq!(arena.ids(), [ids[0], ids[2]]);
        assert_eq!(arena.insert(()).index, ids[1].index);
        assert_eq!((arena.len(), arena.slots.len()), (3, 3));
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
